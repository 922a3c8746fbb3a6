// SPDX-License-Identifier: Apache-2.0
#include "base/clock.hpp"

#include <ostream>

#include <doctest/doctest.h>

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
