// SPDX-License-Identifier: Apache-2.0
#include "base/clock.hpp"

#include <csignal>
#include <ostream>
#include <vector>

#include <doctest/doctest.h>
#include <sys/time.h>

#include "base/patience.hpp"

using base::Instant;
using base::Seconds;

namespace {

constexpr Instant at(std::int64_t seconds) {
    return Instant(Seconds(seconds));
}

}  // namespace

TEST_CASE("clock: RFC 3339 instants are read") {
    struct Case {
        std::string_view text;
        std::optional<Instant> want;
    };

    for (const Case& c : {
             Case{.text = "1970-01-01T00:00:00Z", .want = at(0)},
             Case{.text = "2026-11-21T12:00:00Z", .want = at(1795262400)},
             Case{.text = "2026-11-21t12:00:00z", .want = at(1795262400)},
             Case{.text = "2026-11-21T12:00:00.999999999Z", .want = at(1795262400)},
             Case{.text = "2026-11-21T14:00:00+02:00", .want = at(1795262400)},
             Case{.text = "2026-11-21T08:30:00-03:30", .want = at(1795262400)},
             Case{.text = "2026-11-21T12:00:00-00:00", .want = at(1795262400)},
             Case{.text = "1969-12-31T23:59:59Z", .want = at(-1)},
             Case{.text = "2024-02-29T00:00:00Z", .want = at(1709164800)},
             Case{.text = "2016-12-31T23:59:60Z", .want = at(1483228800)},
             Case{.text = "2017-01-01T00:59:60+01:00", .want = at(1483228800)},
             Case{.text = "9999-12-31T23:59:59Z", .want = at(253402300799)},
             Case{.text = "2023-02-29T00:00:00Z", .want = std::nullopt},
             Case{.text = "2026-00-01T00:00:00Z", .want = std::nullopt},
             Case{.text = "2026-13-01T00:00:00Z", .want = std::nullopt},
             Case{.text = "2026-11-31T00:00:00Z", .want = std::nullopt},
             Case{.text = "2026-11-21T24:00:00Z", .want = std::nullopt},
             Case{.text = "2026-11-21T12:60:00Z", .want = std::nullopt},
             Case{.text = "2026-11-21T12:00:60Z", .want = std::nullopt},
             Case{.text = "2026-11-21T12:00:61Z", .want = std::nullopt},
             Case{.text = "2026-11-21T12:00:00", .want = std::nullopt},
             Case{.text = "2026-11-21T12:00:00.Z", .want = std::nullopt},
             Case{.text = "2026-11-21T12:00:00Z ", .want = std::nullopt},
             Case{.text = " 2026-11-21T12:00:00Z", .want = std::nullopt},
             Case{.text = "2026-11-21 12:00:00Z", .want = std::nullopt},
             Case{.text = "2026-11-21T12:00:00+24:00", .want = std::nullopt},
             Case{.text = "2026-11-21T12:00:00+0200", .want = std::nullopt},
             Case{.text = "2026-11-21T12:00Z", .want = std::nullopt},
             Case{.text = "2026-1-21T12:00:00Z", .want = std::nullopt},
             Case{.text = "-026-11-21T12:00:00Z", .want = std::nullopt},
             Case{.text = "2026-11-21", .want = std::nullopt},
             Case{.text = "", .want = std::nullopt},
         }) {
        CAPTURE(c.text);
        CHECK(base::parse_instant(c.text) == c.want);
    }
}

TEST_CASE("clock: what format_instant writes is read back") {
    CHECK(base::format_instant(at(0)) == "1970-01-01T00:00:00Z");
    CHECK(base::format_instant(at(1795262400)) == "2026-11-21T12:00:00Z");
    CHECK(base::format_instant(at(-1)) == "1969-12-31T23:59:59Z");
    for (std::int64_t seconds = -4'000'000'000; seconds < 8'000'000'000; seconds += 86'413'021) {
        CAPTURE(seconds);
        CHECK(base::parse_instant(base::format_instant(at(seconds))) == at(seconds));
    }
}

TEST_CASE("clock: HTTP dates are read") {
    struct Case {
        std::string_view text;
        std::optional<Instant> want;
    };

    for (const Case& c : {
             Case{.text = "Sun, 06 Nov 1994 08:49:37 GMT", .want = at(784111777)},
             Case{.text = "Thu, 01 Jan 1970 00:00:00 GMT", .want = at(0)},
             Case{.text = "Mon, 06 Nov 1994 08:49:37 GMT", .want = at(784111777)},  // a wrong day of the week
             Case{.text = "Sunday, 06-Nov-94 08:49:37 GMT", .want = std::nullopt},
             Case{.text = "Sun Nov  6 08:49:37 1994", .want = std::nullopt},
             Case{.text = "Sun, 6 Nov 1994 08:49:37 GMT", .want = std::nullopt},
             Case{.text = "Sun, 31 Nov 1994 08:49:37 GMT", .want = std::nullopt},
             Case{.text = "Sun, 06 Nov 1994 25:49:37 GMT", .want = std::nullopt},
             Case{.text = "Sun, 06 nov 1994 08:49:37 GMT", .want = std::nullopt},
             Case{.text = "Xxx, 06 Nov 1994 08:49:37 GMT", .want = std::nullopt},
             Case{.text = "Sun, 06 Nov 1994 08:49:37 UTC", .want = std::nullopt},
             Case{.text = "Sun, 06 Nov 1994 08:49:37 GMT+1", .want = std::nullopt},
             Case{.text = "120", .want = std::nullopt},
             Case{.text = "", .want = std::nullopt},
         }) {
        CAPTURE(c.text);
        CHECK(base::parse_http_date(c.text) == c.want);
    }
}

TEST_CASE("clock: the system's two times go forward") {
    base::SystemClock clock;
    const Instant wall = clock.now();
    const base::Steady before = clock.steady();
    clock.sleep(base::Milliseconds(2));
    CHECK(clock.steady() - before >= base::Milliseconds(2));
    CHECK(clock.now() >= wall);
    CHECK(wall > at(1'700'000'000));
}

TEST_CASE("clock: a sleep that a signal breaks into is slept to its end") {
    struct sigaction handler{};
    handler.sa_handler = [](int) {};
    struct sigaction before{};
    REQUIRE(::sigaction(SIGALRM, &handler, &before) == 0);
    const itimerval soon{.it_interval = {}, .it_value = {.tv_sec = 0, .tv_usec = 2'000}};
    base::SystemClock clock;
    const base::Steady begun = clock.steady();
    REQUIRE(::setitimer(ITIMER_REAL, &soon, nullptr) == 0);
    clock.sleep(base::Milliseconds(20));
    CHECK(clock.steady() - begun >= base::Milliseconds(20));
    (void)::sigaction(SIGALRM, &before, nullptr);
}

TEST_CASE(
    "clock: what is told while it is waited for takes as long as it was to take, whoever sets the clock") {
    struct SetClock final : base::Clock {
        [[nodiscard]] Instant now() const override {
            return at(1'800'000'000) + std::chrono::floor<Seconds>(passed) + set_by;
        }

        [[nodiscard]] base::Steady steady() const override { return base::Steady{} + passed; }

        void sleep(base::Milliseconds duration) override {
            passed += duration;
            set_by = jump;
        }

        base::Milliseconds passed{0};
        Seconds set_by{0};
        Seconds jump{0};
    };

    for (const Seconds jump : {Seconds(0), Seconds(-3600), Seconds(3600)}) {
        CAPTURE(jump.count());
        SetClock clock;
        clock.jump = jump;
        std::vector<std::int64_t> told;
        base::wait_told(clock, clock.now() + Seconds(3), [&](Seconds left) { told.push_back(left.count()); });
        CHECK(told == std::vector<std::int64_t>{3, 2, 1});
        CHECK(clock.passed == base::Milliseconds(3000));
        base::wait_told(clock, clock.now(), [&](Seconds) { FAIL("it is over"); });
    }
}
