// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/suggestion.hpp"

#include <algorithm>

namespace agent {

using base::Instant;
using base::Seconds;

namespace {

/// A CA may be in a hurry twice, about what it has issued wrong, and then about what took its place; one that
/// is so for ever errs, and each time it costs an order and a reload of every service.
constexpr int kEarlyBelieved = 2;

Seconds day_of(const GenerationRecord& generation) {
    constexpr Seconds kLongest = std::chrono::days(1);
    return std::min(kLongest, (generation.not_after - generation.not_before) / 10);
}

Instant instant_in_window(const Suggestion& said, Instant now, Seconds sleeps_for) {
    const Instant next_look = now + sleeps_for;
    // Not before the window, whose renewals are spared from limits, while there is still another look in it.
    const bool is_missed = now < *said.at && *said.at < next_look;
    const bool is_open = !said.start || *said.start <= now;
    return is_missed && (is_open || *said.end < next_look) ? now : *said.at;
}

}  // namespace

const Suggestion* suggestion_for(const Record& record, const GenerationRecord& generation) {
    const auto& known = record.suggestion;
    return known && known->generation == generation.number ? &*known : nullptr;
}

Instant latest_renewal(const GenerationRecord& generation) {
    return generation.not_after - (generation.not_after - generation.not_before) / 20;
}

Instant renewal_suggested(const Suggestion& said, const GenerationRecord& current, Instant now,
                          Seconds sleeps_for) {
    Instant at = instant_in_window(said, now, sleeps_for);
    // What was written under a clock that was ahead holds nothing back.
    const bool is_believed = current.early_in_a_row < kEarlyBelieved || current.issued_at > now;
    if (!is_believed) at = std::max(at, current.issued_at + day_of(current));
    return std::min(at, latest_renewal(current));
}

std::optional<Instant> question_time(const Record& record, Instant now) {
    const GenerationRecord* current = record.wanted();
    if (current == nullptr || current->renewal_id.empty() || current->not_after <= now) return std::nullopt;
    constexpr Seconds kLongest = std::chrono::days(1);
    if (const Suggestion* said = suggestion_for(record, *current))
        return said->ask_again > now + kLongest ? now : said->ask_again;
    constexpr Seconds kFirst = std::chrono::hours(6);
    if (current->issued_at > now) return now;
    return current->issued_at + std::min(kFirst, (current->not_after - current->not_before) / 20);
}

int early_in_a_row(const Record& record, bool is_forced, Instant now) {
    const GenerationRecord* before = record.wanted();
    if (before == nullptr || is_forced) return 0;
    const Suggestion* said = suggestion_for(record, *before);
    const bool is_suggested = said != nullptr && said->at && *said->at <= now;
    const bool is_early = now >= before->issued_at && now - before->issued_at < 2 * day_of(*before);
    return is_suggested && is_early ? before->early_in_a_row + 1 : 0;
}

}  // namespace agent
