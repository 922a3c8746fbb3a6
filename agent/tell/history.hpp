// SPDX-License-Identifier: Apache-2.0
// What happened, for the person who asks later: oldest first, one group for each generation. Pure.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "agent/memory/history.hpp"

namespace agent {

struct HistoryEntry {
    std::string certificate{};
    Happening happening{};
    std::string line{};        // as it is kept
    std::size_t position = 0;  // what happened in one second stays in its order
};

/// The newest of what happened to several certificates.
class History {
  public:
    explicit History(std::size_t lines_max) : lines_max_(lines_max) {}

    /// The lines of one certificate's history, oldest first. What cannot be read is counted.
    void add(const std::string& certificate, const std::vector<std::string>& lines);

    /// Oldest first, at most `lines_max`.
    [[nodiscard]] std::vector<HistoryEntry> entries() const;

    [[nodiscard]] std::size_t unreadable() const { return unreadable_; }

  private:
    void keep_newest(std::size_t count);

    std::size_t lines_max_;
    std::size_t unreadable_ = 0;
    std::vector<HistoryEntry> entries_;
    std::size_t read_ = 0;  // entries so far
};

/// For people: at most `width` columns, but for words that are longer. Times are UTC.
[[nodiscard]] std::string to_text(const History& history, base::Instant now, std::size_t width);
/// `history --json`: the lines as they are kept, each with the name of its certificate.
[[nodiscard]] nlohmann::json to_json(const History& history);

}  // namespace agent
