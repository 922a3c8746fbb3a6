// SPDX-License-Identifier: Apache-2.0
// What a process that lives for years waits for, all at once and without polling: an instant of the wall
// clock, however that clock is set meanwhile and however long the machine sleeps; a span of the boot clock; a
// signal; a word of another thread; a connection.
#pragma once

#include <csignal>
#include <initializer_list>
#include <optional>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/file.hpp"

namespace base {

/// Keeps these signals from every thread that is started from now on, for a Wakeup to receive. Programs that
/// are spawned get none of it.
void block_signals(std::initializer_list<int> signals);
/// In the calling thread alone they do again what they did before.
void unblock_signals(std::initializer_list<int> signals);

/// What has come. Several things may have come at once.
struct Woken {
    bool instant_came = false;
    bool clock_was_set = false;  // the wall clock jumped: whatever was derived from it is to be derived again
    bool span_passed = false;
    bool was_called = false;  // by Wakeup::call
    bool has_visitor = false;
    std::vector<int> signals{};
};

/// Used from one thread, but for call().
class Wakeup {
  public:
    virtual ~Wakeup() = default;

    /// Wakes others' wait(). From any thread; what is done before it is seen by whoever is woken.
    virtual void call() const = 0;

    /// `visitors` can be read from when somebody connects; borrowed, watched by all later waits.
    virtual void watch(const Descriptor& visitors) = 0;

    /// Blocks until something comes. `at` of the wall clock; `within` of the boot clock, which also counts
    /// while the machine sleeps. Without either only the other things wake it.
    [[nodiscard]] virtual Woken wait(std::optional<Instant> at, std::optional<Milliseconds> within) = 0;
};

/// By the kernel's timers.
class SystemWakeup final : public Wakeup {
  public:
    /// Receives `signals`, which block_signals() was told of before. internal/unexpected where the kernel has
    /// no descriptor left for it.
    [[nodiscard]] static Result<SystemWakeup> open(std::initializer_list<int> signals);

    void call() const override;

    void watch(const Descriptor& visitors) override { visitors_ = visitors.number(); }

    [[nodiscard]] Woken wait(std::optional<Instant> at, std::optional<Milliseconds> within) override;

  private:
    SystemWakeup() = default;

    Descriptor wall_{};
    Descriptor boot_{};
    Descriptor called_{};
    Descriptor signals_{};
    int visitors_ = -1;
};

}  // namespace base
