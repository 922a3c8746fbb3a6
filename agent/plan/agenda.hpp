// SPDX-License-Identifier: Apache-2.0
// When each certificate is next to be looked into, and which of those that are due comes first. Pure: it
// knows no clock.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "agent/plan/gate.hpp"
#include "agent/plan/place.hpp"
#include "base/clock.hpp"

namespace agent {

/// Of a certificate nobody has looked into: it comes before all others, since how little is left of it is the
/// first thing to know.
inline constexpr base::Instant kNotKnown = base::Instant::min();

/// One that is due.
struct Due {
    std::string certificate{};
    base::Instant pressing_at{};
    Places called_up_for{};  // it has waited for these, and they are free; empty: it has come due by itself
    friend bool operator==(const Due&, const Due&) = default;
};

/// What is taken from it is being worked on, and is not due again until it is put back. What happens to a
/// certificate meanwhile makes it due at once when it is.
class Agenda {
  public:
    /// New, or due at another instant than was thought. One that is being worked on is due at once after
    /// that.
    void put(const std::string& certificate, base::Instant at);
    /// The same, and its time is short from then on (see pressing_at()).
    void put(const std::string& certificate, base::Instant at, base::Instant pressing_at);
    /// The work on it has ended. Without another one, it stays as pressing as it was. It is due before `at`
    /// as soon as all places of one entry of `waits_for` are free, or the gate it stands at is open, the
    /// places behind that are free, and it is the most pressing there. When a gate opens is what was heard of
    /// it last, for all who stand there.
    void put_back(const std::string& certificate, base::Instant at,
                  std::optional<base::Instant> pressing_at = std::nullopt, std::vector<Places> waits_for = {},
                  const std::optional<Gate>& gate = std::nullopt);
    void drop(const std::string& certificate);

    /// Of all that are due, the one whose time is short first, however long the others have been due; nothing
    /// if none is due.
    [[nodiscard]] std::optional<Due> take_due(
        base::Instant now,
        const std::function<bool(const Places&)>& is_free = [](const Places&) { return true; });
    /// When the next one is due, of those that nobody works on, as far as instants say: what take_due() did
    /// not give out for want of a place is due when one is free.
    [[nodiscard]] std::optional<base::Instant> next() const;
    /// When it may be due, by itself or by its gate; Instant{} where it waits for a place; nothing where it
    /// is being worked on, or not known.
    [[nodiscard]] std::optional<base::Instant> due(const std::string& certificate) const;
    /// From when on its time is short; kNotKnown where nobody has looked.
    [[nodiscard]] base::Instant pressing_at(const std::string& certificate) const;

    [[nodiscard]] bool knows(const std::string& certificate) const { return entries_.contains(certificate); }

    [[nodiscard]] std::size_t size() const { return entries_.size(); }

    [[nodiscard]] std::size_t at_work() const { return entries_.size() - queue_.size() - due_.size(); }

  private:
    struct AtGate;
    using Gates = std::map<std::string, AtGate>;

    struct Entry {
        base::Instant at{};
        base::Instant pressing_at = kNotKnown;
        Gates::value_type* gate = nullptr;  // of gates_, that it stands at
        bool is_taken = false;
        bool has_changed = false;  // while it was taken
    };

    using Entries = std::unordered_map<std::string, Entry>;

    /// A place in a line; of those with the same instant, by name.
    struct Standing {
        base::Instant at{};
        Entries::value_type* entry = nullptr;  // of entries_, which stay where they are

        friend bool operator<(const Standing& a, const Standing& b) {
            return std::tie(a.at, a.entry->first) < std::tie(b.at, b.entry->first);
        }
    };

    using Line = std::set<Standing>;

    struct AtGate {
        base::Instant opens_at{};
        Places behind{};
        Line line{};  // by when their time is short; never empty
    };

    void stand_in_line(Entries::value_type& entry);
    void leave_line(Entries::value_type& entry);
    void stand_at(const Gate& gate, Entries::value_type& entry);
    void leave_gate(Entries::value_type& entry);
    void open_gates(base::Instant now);

    Entries entries_;
    Line queue_;                      // by when they are due
    Line due_;                        // those that take_due() has found due, by when their time is short
    std::map<Places, Line> waiting_;  // by the same; all of them stand in one of the others, too
    std::unordered_map<std::string, std::vector<Places>> waits_;  // what each of those waits for
    Gates gates_;  // where somebody stands; all of them stand in one of the first two lines, too
    std::set<std::pair<base::Instant, Gates::value_type*>> openings_;  // of those that are shut
    std::set<Gates::value_type*> open_;                                // those that take_due() has found open
};

}  // namespace agent
