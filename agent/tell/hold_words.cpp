// SPDX-License-Identifier: Apache-2.0
#include "agent/tell/hold_words.hpp"

#include <array>
#include <cmath>

#include "agent/tell/words.hpp"
#include "base/encoding.hpp"

namespace agent {

using base::Instant;

namespace {

std::string until_words(const Hold& hold, Instant now) {
    const auto over = hold.over_at();
    return over ? moment_words(*over, now) : "resumed";
}

}  // namespace

std::string moment_words(Instant at, Instant now) {
    constexpr std::array<const char*, 7> kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    const std::chrono::weekday day(std::chrono::floor<std::chrono::days>(at));
    const bool is_near = at >= now && at - now < std::chrono::days(6);
    return (is_near ? std::string(kDays.at(day.c_encoding())) : day_words(at)) + " " +
           base::format_instant(at).substr(11, 5) + " UTC";
}

std::string brief_hold(const Hold& hold, Instant now) {
    return "held until " + until_words(hold, now) + " (" + std::string(to_string(hold.by)) + ")";
}

std::string hold_words(const Hold& hold, Instant now) {
    return "held until " + until_words(hold, now) + " (" + base::printable(hold.reason, 300) + ")";
}

std::string pause_words(const Pause& pause) {
    return base::printable("paused by " + pause.by, 100) + " since " + instant_words(pause.since) +
           (pause.until ? " until " + instant_words(*pause.until) : "") +
           (pause.reason.empty() ? "" : ": " + base::printable(pause.reason, 200));
}

std::string hold_end_words(const Hold& hold, double share) {
    if (!hold.ends_at || (hold.until && *hold.until <= *hold.ends_at)) return {};
    return "nothing holds it back from " + instant_words(*hold.ends_at) + " on, when less than " +
           std::to_string(std::lround(share * 100)) + "% of the life of what is served is left";
}

}  // namespace agent
