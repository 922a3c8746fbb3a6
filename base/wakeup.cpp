// SPDX-License-Identifier: Apache-2.0
#include "base/wakeup.hpp"

#include <array>
#include <cerrno>
#include <cstdint>
#include <ctime>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

namespace base {

namespace {

sigset_t set_of(std::initializer_list<int> signals) {
    sigset_t set;
    (void)::sigemptyset(&set);
    for (const int number : signals) (void)::sigaddset(&set, number);
    return set;
}

/// Nobody waits for a second timer of the same name: a zero would only disarm it.
itimerspec alarm_at(std::int64_t seconds, std::int64_t nanoseconds) {
    itimerspec alarm{};
    alarm.it_value.tv_sec = seconds;
    alarm.it_value.tv_nsec = seconds == 0 && nanoseconds == 0 ? 1 : nanoseconds;
    return alarm;
}

/// False: the clock was set since it was armed before, when nobody was waiting. It is armed all the same.
bool arm_wall(const Descriptor& timer, std::optional<Instant> at) {
    // Armed even where no instant is waited for: a clock that is set is told through it, too.
    constexpr std::int64_t kNever = 4'102'444'800;  // 2100
    const std::int64_t seconds = at ? std::max<std::int64_t>(0, at->time_since_epoch().count()) : kNever;
    const itimerspec alarm = alarm_at(seconds, 0);
    constexpr int kFlags = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;
    return ::timerfd_settime(timer.number(), kFlags, &alarm, nullptr) == 0 || errno != ECANCELED;
}

void arm_boot(const Descriptor& timer, std::optional<Milliseconds> within) {
    itimerspec alarm{};
    if (within) {
        const auto span = std::max(*within, Milliseconds(0)).count();
        alarm = alarm_at(span / 1000, span % 1000 * 1'000'000);
    }
    (void)::timerfd_settime(timer.number(), 0, &alarm, nullptr);
}

/// Takes the count out of a timer or an event. False: the wall clock was set under the timer.
bool drain(const Descriptor& counter) {
    std::uint64_t count = 0;
    const auto size = ::read(counter.number(), &count, sizeof count);
    return size >= 0 || errno != ECANCELED;
}

Failure no_descriptor() {
    return fail(Code::InternalUnexpected, "no descriptor to wait with: " + errno_text(errno));
}

}  // namespace

void block_signals(std::initializer_list<int> signals) {
    const sigset_t set = set_of(signals);
    (void)::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

void unblock_signals(std::initializer_list<int> signals) {
    const sigset_t set = set_of(signals);
    (void)::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

Result<SystemWakeup> SystemWakeup::open(std::initializer_list<int> signals) {
    const sigset_t set = set_of(signals);
    SystemWakeup wakeup;
    wakeup.wall_ = Descriptor(::timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK));
    wakeup.boot_ = Descriptor(::timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK));
    wakeup.called_ = Descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    wakeup.signals_ = Descriptor(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    for (const Descriptor* one : {&wakeup.wall_, &wakeup.boot_, &wakeup.called_, &wakeup.signals_}) {
        if (!one->is_open()) return no_descriptor();
    }
    return wakeup;
}

void SystemWakeup::call() const {
    const std::uint64_t one = 1;
    (void)!::write(called_.number(), &one, sizeof one);  // full means: it is called already
}

Woken SystemWakeup::wait(std::optional<Instant> at, std::optional<Milliseconds> within) {
    if (!arm_wall(wall_, at)) return {.clock_was_set = true};
    arm_boot(boot_, within);
    std::array<pollfd, 5> awaited{{{.fd = wall_.number(), .events = POLLIN, .revents = 0},
                                   {.fd = boot_.number(), .events = POLLIN, .revents = 0},
                                   {.fd = called_.number(), .events = POLLIN, .revents = 0},
                                   {.fd = signals_.number(), .events = POLLIN, .revents = 0},
                                   {.fd = visitors_, .events = POLLIN, .revents = 0}}};
    Woken woken;
    if (::poll(awaited.data(), awaited.size(), -1) < 0) return woken;  // EINTR: nothing has come
    const auto has_come = [&](std::size_t i) { return awaited[i].revents != 0; };
    if (has_come(0)) {
        woken.clock_was_set = !drain(wall_);
        woken.instant_came = !woken.clock_was_set;
    }
    if (has_come(1)) woken.span_passed = drain(boot_);
    if (has_come(2)) woken.was_called = drain(called_);
    woken.has_visitor = has_come(4);
    signalfd_siginfo received{};
    while (has_come(3) && ::read(signals_.number(), &received, sizeof received) == sizeof received)
        woken.signals.push_back(static_cast<int>(received.ssi_signo));
    return woken;
}

}  // namespace base
