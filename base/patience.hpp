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

}  // namespace base
