// SPDX-License-Identifier: Apache-2.0
// When each certificate is next to be looked into. Pure: it knows no clock.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.hpp"

namespace agent {

/// What is taken from it is being worked on, and is not due again until it is put back. What happens to a
/// certificate meanwhile makes it due at once when it is.
class Agenda {
  public:
    /// New, or due at another instant than was thought. One that is being worked on is due at once after
    /// that.
    void put(const std::string& certificate, base::Instant at);
    /// The work on it has ended.
    void put_back(const std::string& certificate, base::Instant at);
    void drop(const std::string& certificate);

    /// The certificate that has been due for longest; nothing if none is due.
    [[nodiscard]] std::optional<std::string> take_due(base::Instant now);
    /// When the next one is due, of those that nobody works on.
    [[nodiscard]] std::optional<base::Instant> next() const;
    /// When it is due; nothing where it is being worked on, or not known.
    [[nodiscard]] std::optional<base::Instant> due(const std::string& certificate) const;

    [[nodiscard]] bool knows(const std::string& certificate) const { return entries_.contains(certificate); }

    [[nodiscard]] std::size_t size() const { return entries_.size(); }

    [[nodiscard]] std::size_t at_work() const { return entries_.size() - queue_.size(); }

  private:
    struct Entry {
        base::Instant at{};
        bool is_taken = false;
        bool has_changed = false;  // while it was taken
    };

    std::map<std::string, Entry, std::less<>> entries_;
    std::set<std::pair<base::Instant, std::string_view>>
        queue_;  // names of entries_, which stay where they are
};

}  // namespace agent
