// SPDX-License-Identifier: Apache-2.0
#include "base/wakeup.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <thread>

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/process.hpp"

using base::Milliseconds;
using base::SystemWakeup;
using base::Woken;

namespace {

constexpr auto kSoon = Milliseconds(5);
constexpr auto kFar = Milliseconds(60'000);

SystemWakeup wakeup() {
    base::block_signals({SIGHUP, SIGUSR1});
    auto opened = SystemWakeup::open({SIGHUP, SIGUSR1});
    REQUIRE(opened);
    return std::move(*opened);
}

}  // namespace

TEST_CASE("wakeup: a span of the boot clock passes") {
    SystemWakeup alarm = wakeup();
    const Woken woken = alarm.wait(std::nullopt, kSoon);
    CHECK(woken.span_passed);
    CHECK_FALSE(woken.instant_came);
    CHECK_FALSE(woken.clock_was_set);
    CHECK(woken.signals.empty());
}

TEST_CASE("wakeup: an instant that has passed wakes at once, one of long ago too") {
    SystemWakeup alarm = wakeup();
    const base::SystemClock clock;
    for (const base::Instant at : {clock.now(), clock.now() - base::Seconds(3600), base::Instant{},
                                   base::Instant{} - base::Seconds(1)}) {
        const Woken woken = alarm.wait(at, kFar);
        CHECK(woken.instant_came);
        CHECK_FALSE(woken.span_passed);
    }
}

TEST_CASE("wakeup: what is called before and while it waits is heard, once") {
    SystemWakeup alarm = wakeup();
    alarm.call();
    alarm.call();
    CHECK(alarm.wait(std::nullopt, kFar).was_called);
    CHECK_FALSE(alarm.wait(std::nullopt, kSoon).was_called);
    const std::jthread other([&] { alarm.call(); });
    CHECK(alarm.wait(std::nullopt, kFar).was_called);
}

TEST_CASE("wakeup: signals are received instead of handled, all that have come") {
    SystemWakeup alarm = wakeup();
    (void)::kill(::getpid(), SIGHUP);
    (void)::kill(::getpid(), SIGUSR1);
    Woken woken = alarm.wait(std::nullopt, kFar);
    std::vector<int> all = woken.signals;
    while (all.size() < 2) {
        woken = alarm.wait(std::nullopt, kFar);
        all.insert(all.end(), woken.signals.begin(), woken.signals.end());
    }
    std::ranges::sort(all);
    CHECK(all == std::vector<int>{SIGHUP, SIGUSR1});
}

TEST_CASE("wakeup: programs that are spawned get the signals that are blocked here") {
    const SystemWakeup alarm = wakeup();
    const auto done = base::run({.argv = {"sh", "-c", "kill -HUP $$; echo survived"}});
    REQUIRE(done);
    CHECK(done->signal == SIGHUP);
    CHECK(done->out.empty());
}

TEST_CASE("wakeup: a visitor is announced until he is listened to") {
    SystemWakeup alarm = wakeup();
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
    const base::Descriptor ours(ends[0]);
    const base::Descriptor theirs(ends[1]);
    alarm.watch(ours);
    CHECK_FALSE(alarm.wait(std::nullopt, kSoon).has_visitor);
    REQUIRE(::write(theirs.number(), "x", 1) == 1);
    CHECK(alarm.wait(std::nullopt, kFar).has_visitor);
    CHECK(alarm.wait(std::nullopt, kFar).has_visitor);
}
