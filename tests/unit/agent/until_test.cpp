// SPDX-License-Identifier: Apache-2.0
#include "agent/config/until.hpp"

#include <ostream>

#include <doctest/doctest.h>

#include "tests/unit/agent/fixtures.hpp"

using fixtures::kNow;  // 2026-11-21T12:00:00Z

TEST_CASE("until: durations, days, times and RFC 3339") {
    struct Case {
        const char* text;
        const char* instant;
    };

    for (const Case& c : {
             Case{"2h", "2026-11-21T14:00:00Z"},
             Case{"3d", "2026-11-24T12:00:00Z"},
             Case{"2026-12-01", "2026-11-30T23:00:00Z"},
             Case{"2026-12-01 08:30", "2026-12-01T07:30:00Z"},
             Case{"2026-12-01T08:30", "2026-12-01T07:30:00Z"},
             Case{"2026-12-01T08:30:00Z", "2026-12-01T08:30:00Z"},
             Case{"2026-12-01T08:30:00+02:00", "2026-12-01T06:30:00Z"},
         }) {
        CAPTURE(std::string(c.text));
        const auto until = agent::parse_until(c.text, kNow, "Europe/Berlin");
        REQUIRE(until);
        CHECK(base::format_instant(*until) == c.instant);
    }
}

TEST_CASE("until: what is no time, and what is not to come") {
    for (const char* text : {"", "tomorrow", "2026-13-01", "2026-12-01 25:00", "2026-12-01x08:00", "5"}) {
        CAPTURE(std::string(text));
        const auto until = agent::parse_until(text, kNow, "UTC");
        REQUIRE_FALSE(until);
        CHECK(base::to_string(until.error().code) == "usage/wrong");
        CHECK(until.error().message.find("accepted: \"2h\"") != std::string::npos);
    }
    for (const char* text : {"2026-11-21", "2020-01-01 08:00", "0s"}) {
        CAPTURE(std::string(text));
        const auto until = agent::parse_until(text, kNow, "UTC");
        REQUIRE_FALSE(until);
        CHECK(until.error().message.find("which is not to come") != std::string::npos);
    }
}
