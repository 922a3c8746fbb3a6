// SPDX-License-Identifier: Apache-2.0
// What a process that lives for years waits for, all at once and without polling: an instant of the wall
// clock, however that clock is set meanwhile and however long the machine sleeps; a span of the boot clock; a
// signal; a word of another thread; a connection.
#pragma once

#include <initializer_list>
#include <optional>
#include <vector>

#include <signal.h>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/file.hpp"

namespace base {

/// Keeps these signals from every thread that is started from now on, for a Wakeup to receive. Programs that
/// are spawned get none of it.
void block_signals(std::initializer_list<int> signals);

/// What has come. Several things may have come at once.
struct Woken {
    bool instant_came = false;
    bool clock_was_set = false;  // the wall clock jumped: whatever was derived from it is to be derived again
    bool span_passed = false;
    bool was_called = false;  // by Wakeup::call
    bool has_visitor = false;
    std::vector<int> signals{};
};

/// Used from one thread, but for call(). internal/unexpected where the kernel has no descriptor left for it.
class Wakeup {
  public:
    /// Receives `signals`, which block_signals() was told of before.
    [[nodiscard]] static Result<Wakeup> open(std::initializer_list<int> signals);

    /// Wakes others' wait(). From any thread; what is done before it is seen by whoever is woken.
    void call() const;

    /// `visitors` can be read from when somebody connects; borrowed, watched by all later waits.
    void watch(const Descriptor& visitors) { visitors_ = visitors.number(); }

    /// Blocks until something comes. `at` of the wall clock; `within` of the boot clock, which also counts
    /// while the machine sleeps. Without either only the other things wake it.
    [[nodiscard]] Woken wait(std::optional<Instant> at, std::optional<Milliseconds> within);

  private:
    Wakeup() = default;

    Descriptor wall_{};
    Descriptor boot_{};
    Descriptor called_{};
    Descriptor signals_{};
    int visitors_ = -1;
};

}  // namespace base
