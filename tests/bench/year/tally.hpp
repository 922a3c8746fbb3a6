// SPDX-License-Identifier: Apache-2.0
// What is counted of the simulated year while it goes by, and what that comes to.
#pragma once

#include <cstddef>
#include <deque>
#include <vector>

#include "tests/bench/year/calendar.hpp"
#include "tests/bench/year/simulated_year.hpp"
#include "tests/bench/year/subject.hpp"

namespace year {

class Tally {
  public:
    Tally(const Story& story, const Calendar& calendar);

    /// What needs no more than to be added up.
    [[nodiscard]] Figures& figures() { return figures_; }

    /// So many are to be replaced before the CA revokes them.
    void announce(std::size_t to_be_replaced) { not_replaced_ = to_be_replaced; }

    /// A hand has come for it.
    void note_wait(Subject& subject, base::Instant now);
    /// Its next certificate is there; the one before may be of those that were announced.
    void note_issuance(Subject& subject, bool was_announced, base::Instant now);

    [[nodiscard]] Figures judge(const std::deque<Subject>& subjects);

  private:
    void note_replacement(Subject& subject, const agent::GenerationRecord& before, base::Instant now);
    void judge_hours();
    [[nodiscard]] bool is_eventful(int day) const;

    const Story& story_;
    const Calendar& calendar_;
    std::vector<std::size_t> hours_;  // issued in each
    std::size_t not_replaced_ = 0;
    Figures figures_;
};

}  // namespace year
