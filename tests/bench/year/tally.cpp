// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/year/tally.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "agent/plan/ledger.hpp"

namespace year {

using base::Instant;
using std::chrono::days;
using std::chrono::hours;

Tally::Tally(const Story& story, const Calendar& calendar)
    : story_(story), calendar_(calendar), hours_(static_cast<std::size_t>(story.days) * 24) {}

void Tally::note_wait(Subject& subject, Instant now) {
    if (!subject.waits_since) return;
    figures_.longest_wait = std::max(figures_.longest_wait, now - *subject.waits_since);
    subject.waits_since.reset();
}

void Tally::note_issuance(Subject& subject, bool was_announced, Instant now) {
    ++figures_.issued;
    ++hours_[static_cast<std::size_t>((now - calendar_.begin) / hours(1))];
    if (const agent::GenerationRecord* before = subject.record.wanted()) {
        note_replacement(subject, *before, now);
    } else {
        (subject.origin == Origin::Added ? figures_.added_in : figures_.domain_in) = now - calendar_.added;
    }
    if (was_announced && --not_replaced_ == 0) figures_.revocation_cleared_in = now - calendar_.revocation;
    subject.was_delayed = false;
}

void Tally::note_replacement(Subject& subject, const agent::GenerationRecord& before, Instant now) {
    const double left = agent::urgency_rank(subject.record, now);
    figures_.least_left = std::min(figures_.least_left, left);
    if (!subject.was_delayed) figures_.least_left_quiet = std::min(figures_.least_left_quiet, left);
    if (before.not_after <= now) ++figures_.expired;
    if (subject.was_delayed && now >= calendar_.outage_ends && now < calendar_.revocation)
        figures_.outage_cleared_in = std::max(figures_.outage_cleared_in, now - calendar_.outage_ends);
}

Figures Tally::judge(const std::deque<Subject>& subjects) {
    figures_.certificates = subjects.size();
    for (const Subject& subject : subjects) {
        const agent::GenerationRecord* current = subject.record.wanted();
        if (current == nullptr) {
            ++figures_.unissued;
        } else if (current->not_after <= calendar_.end) {
            ++figures_.expired;
        }
    }
    judge_hours();
    return figures_;
}

void Tally::judge_hours() {
    const auto busiest = std::ranges::max_element(hours_);
    figures_.busiest_hour = *busiest;
    figures_.busiest_at = calendar_.begin + hours(busiest - hours_.begin());
    const int first_event =
        std::min({story_.outage_day, story_.revocation_day, story_.new_day, story_.change_day});
    for (std::size_t hour = 0; hour < hours_.size(); ++hour) {
        const auto day = static_cast<int>(hour / 24);
        if (!is_eventful(day))
            figures_.busiest_quiet_hour = std::max(figures_.busiest_quiet_hour, hours_[hour]);
        if (day < first_event)
            figures_.busiest_steady_hour = std::max(figures_.busiest_steady_hour, hours_[hour]);
    }
    std::ranges::sort(hours_);
    figures_.median_hour = hours_[hours_.size() / 2];
}

bool Tally::is_eventful(int day) const {
    const auto outage_days = static_cast<int>(story_.outage / days(1));
    return std::ranges::any_of(
        std::array{std::pair(story_.outage_day, outage_days + 3), std::pair(story_.revocation_day, 3),
                   std::pair(story_.new_day, 3), std::pair(story_.change_day, 3)},
        [day](const auto& event) { return day >= event.first && day < event.first + event.second; });
}

}  // namespace year
