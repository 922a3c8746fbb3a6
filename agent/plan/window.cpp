// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/window.hpp"

#include <algorithm>
#include <array>

#include "base/time_zone.hpp"

namespace agent {

using base::Instant;
using std::chrono::days;
using std::chrono::local_days;

namespace {

struct Span {
    Instant begin{};
    Instant end{};
};

/// Of the window that begins on this day; nothing if it begins on none such, or in hours that clocks skip.
std::optional<Span> span_on(const Window& window, local_days day) {
    const std::chrono::weekday weekday(day);
    if ((window.days >> weekday.c_encoding() & 1U) == 0) return std::nullopt;
    const days until = window.end > window.begin ? days(0) : days(1);
    const Span span{.begin = base::instant_of(window.zone, day + window.begin, base::Twice::First),
                    .end = base::instant_of(window.zone, day + until + window.end, base::Twice::Last)};
    return span.begin < span.end ? std::optional(span) : std::nullopt;
}

local_days today(const Window& window, Instant now) {
    return std::chrono::floor<days>(base::local_time(window.zone, now));
}

}  // namespace

bool is_open(std::span<const Window> windows, Instant now) {
    return windows.empty() || std::ranges::any_of(windows, [&](const Window& window) {
               const local_days day = today(window, now);
               return std::ranges::any_of(std::array{day - days(1), day}, [&](local_days begins_on) {
                   const auto span = span_on(window, begins_on);
                   return span && span->begin <= now && now < span->end;
               });
           });
}

std::optional<Instant> opens_at(std::span<const Window> windows, Instant now) {
    constexpr int kDaysMax = 21;
    std::optional<Instant> first;
    for (const Window& window : windows) {
        for (int i = 0; i <= kDaysMax; ++i) {
            const auto span = span_on(window, today(window, now) + days(i));
            if (!span || span->begin <= now) continue;
            first = std::min(first.value_or(span->begin), span->begin);
            break;
        }
    }
    return first;
}

}  // namespace agent
