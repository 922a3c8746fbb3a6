// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/clock_check.hpp"

#include <algorithm>
#include <utility>

#include "agent/plan/plan.hpp"

namespace agent {

using base::Instant;
using base::Seconds;
using namespace std::chrono_literals;

namespace {

constexpr Seconds kTolerated = 1h;

/// How long a clock that is wrong may hold a renewal back: what is left then has room for a CA that is away
/// for a day, of a life of six, and for backoff. It is half of what a renewal by age leaves, or a third.
Instant held_until(const GenerationRecord& generation) {
    return generation.not_after - (generation.not_after - generation.not_before) / 6;
}

/// Whole ones, and ninety days but for the seconds since it was heard are ninety.
std::string about(Seconds difference) {
    constexpr Seconds kSinceHeard = 10min;
    const Seconds told = difference + kSinceHeard;
    const auto days = std::chrono::duration_cast<std::chrono::days>(told).count();
    if (days >= 2) return std::to_string(days) + " days";
    return std::to_string(std::chrono::duration_cast<std::chrono::hours>(told).count()) + " h";
}

ClockVerdict wrong(ClockState state, const ClockEvidence& evidence, Instant known,
                   const std::string& source) {
    const bool is_ahead = state == ClockState::Ahead;
    const Seconds difference = is_ahead ? evidence.now - known : known - evidence.now;
    return {.state = state,
            .plan_by = known,
            .may_order = !is_ahead,
            .message = "this machine's clock says " + base::format_instant(evidence.now) + ", " +
                       about(difference) + (is_ahead ? " ahead of " : " behind ") + source + " (" +
                       base::format_instant(known) + "). " +
                       (is_ahead ? "No order is placed until they agree; nothing is due by the clock alone"
                                 : "Renewals go by the later time"),
            .hint = "set the clock, and see why it is not kept right (timedatectl, chrony)"};
}

}  // namespace

std::optional<HeardDate> nearest_date(const std::vector<HeardDate>& heard, Instant now) {
    const auto distance = [&](const HeardDate& one) {
        // One of before this machine was started is only too early where our clock is behind it.
        const Seconds off = one.date + one.ago.value_or(Seconds(0)) - now;
        return std::pair(!one.ago.has_value(), one.ago ? std::chrono::abs(off) : std::max(off, Seconds(0)));
    };
    const auto nearest = std::ranges::min_element(heard, {}, distance);
    return nearest == heard.end() ? std::nullopt : std::optional(*nearest);
}

ClockVerdict check_clock(const ClockEvidence& evidence) {
    const auto& heard = evidence.heard;
    const std::string source =
        "the Date of the CA" + (heard && !heard->ca.empty() ? " " + heard->ca : std::string());
    const std::optional<Instant> by_ca =
        heard && heard->ago ? std::optional(heard->date + *heard->ago) : std::nullopt;
    if (by_ca && evidence.now > *by_ca + kTolerated)
        return wrong(ClockState::Ahead, evidence, *by_ca, source);
    // It is no earlier than whatever has been seen of the true time.
    const Instant heard_then = heard ? by_ca.value_or(heard->date) : Instant{};
    const Instant issued_then = evidence.latest_not_before.value_or(Instant{});
    const Instant earliest = std::max(heard_then, issued_then);
    if (evidence.now < earliest - kTolerated)
        return wrong(ClockState::Behind, evidence, earliest,
                     heard_then >= issued_then ? source : "a certificate that has been issued");
    const bool is_unheard = !by_ca;
    return {.state = is_unheard ? ClockState::Unheard : ClockState::Right,
            .plan_by = std::max(evidence.now, earliest),
            .ask_first = is_unheard};
}

std::optional<OrderHold> hold_of_clock(const ClockVerdict& verdict, const Record& record, Instant now) {
    constexpr Seconds kLookAgain = 5min;
    if (verdict.may_order) return std::nullopt;
    const GenerationRecord* current = record.wanted();
    if (current != nullptr && held_until(*current) <= verdict.plan_by) return std::nullopt;
    return OrderHold{.until = now + kLookAgain, .reason = verdict.message, .is_of_clock = true};
}

}  // namespace agent
