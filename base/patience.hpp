// SPDX-License-Identifier: Apache-2.0
// Waiting for what somebody else holds.
#pragma once

#include "base/clock.hpp"
#include "base/error.hpp"

namespace base {

/// Calls `take`, which returns a Result, every `pause` until it answers anything but state/locked, or
/// `patience` is over: then that is the answer. It is called at least once.
template <class Take>
[[nodiscard]] auto take_patiently(Clock& clock, Milliseconds patience, Milliseconds pause, Take take)
    -> decltype(take()) {
    const Steady until = clock.steady() + patience;
    while (true) {
        auto taken = take();
        if (taken || taken.error().code != Code::StateLocked || clock.steady() >= until) return taken;
        clock.sleep(pause);
    }
}

/// Sleeps until `end` of the wall clock as it stands now, told what is left every second. A clock that is set
/// meanwhile neither prolongs nor shortens it.
template <class Tell>
void wait_told(Clock& clock, Instant end, Tell tell) {
    constexpr Seconds kTick{1};
    const Steady until = clock.steady() + (end - clock.now());
    while (clock.steady() < until) {
        tell(std::chrono::ceil<Seconds>(until - clock.steady()));
        clock.sleep(kTick);
    }
}

}  // namespace base
