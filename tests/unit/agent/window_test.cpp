// SPDX-License-Identifier: Apache-2.0
// Windows as they are written, and when they are open: also on the two days a year that are not 24 hours
// long.
#include "agent/plan/window.hpp"

#include <ostream>
#include <vector>

#include <doctest/doctest.h>

#include "base/time_zone.hpp"

namespace {

base::Instant at(const std::string& text) {
    return base::parse_instant(text).value();
}

std::vector<agent::Window> windows(std::initializer_list<const char*> texts) {
    std::vector<agent::Window> parsed;
    for (const char* text : texts) parsed.push_back(agent::parse_window(text).value());
    return parsed;
}

}  // namespace

TEST_CASE("window: what is read, and how it is written again") {
    struct Case {
        const char* text;
        const char* written;
    };

    for (const Case& c : {
             Case{"Mon..Fri 01:00-05:00 Europe/Berlin", "Mon..Fri 01:00-05:00 Europe/Berlin"},
             Case{"Tue,Thu 20:00-23:00 Europe/Zurich", "Tue,Thu 20:00-23:00 Europe/Zurich"},
             Case{"Sun 03:00-04:00 UTC", "Sun 03:00-04:00 UTC"},
             Case{"22:00-04:00 UTC", "22:00-04:00 UTC"},
             Case{"00:00-24:00 UTC", "00:00-24:00 UTC"},
             Case{"Fri..Mon 00:00-24:00 UTC", "Mon,Fri..Sun 00:00-24:00 UTC"},
             Case{"Mon..Sun 01:00-02:00 UTC", "01:00-02:00 UTC"},
             Case{"Sat,Sun,Wed 01:00-02:00 UTC", "Wed,Sat,Sun 01:00-02:00 UTC"},
             Case{"Mon..Wed,Fri 01:00-02:00 UTC", "Mon..Wed,Fri 01:00-02:00 UTC"},
         }) {
        CAPTURE(std::string(c.text));
        const auto window = agent::parse_window(c.text);
        REQUIRE(window);
        CHECK(agent::to_text(*window) == c.written);
        CHECK(agent::parse_window(c.written).value() == *window);
    }
    CHECK(agent::parse_window("01:00-02:00")->zone == base::local_time_zone());
}

TEST_CASE("window: what is not read, and what would be") {
    struct Case {
        const char* text;
        const char* said;
    };

    for (const Case& c : {
             Case{"", "it names no hours"},
             Case{"Mon", "it names no hours"},
             Case{"monday 01:00-02:00", R"("monday" names no days; accepted: Mon, Tue)"},
             Case{"Mon.Fri 01:00-02:00", "names no days"},
             Case{"Mon,,Fri 01:00-02:00", "names no days"},
             Case{"1:00-2:00", R"("1:00-2:00" names no hours; accepted: "[DAYS] HH:MM-HH:MM [ZONE]")"},
             Case{"01:00-02:60", "names no hours"},
             Case{"01:00-24:01", "names no hours"},
             Case{"24:00-01:00", "names no hours"},
             Case{"02:00-02:00", "names no hours"},
             Case{"01:00", "names no hours"},
             Case{"01:00-02:00 CET/Berlin", R"(there is no time zone "CET/Berlin"; accepted: UTC, or)"},
             Case{"01:00-02:00 UTC sharp", R"(accepted: "[DAYS] HH:MM-HH:MM [ZONE]")"},
         }) {
        CAPTURE(std::string(c.text));
        const auto window = agent::parse_window(c.text);
        REQUIRE_FALSE(window);
        CAPTURE(window.error().message);
        CHECK(window.error().message.find(c.said) != std::string::npos);
    }
}

TEST_CASE("window: shares") {
    CHECK(agent::parse_share("25%").value() == doctest::Approx(0.25));
    CHECK(agent::parse_share("0%").value() == doctest::Approx(0));
    CHECK(agent::parse_share("12.5%").value() == doctest::Approx(0.125));
    for (const char* text : {"", "%", "25", "100%", "-1%", "25 %", "a quarter", "nan%", "1e1%x"}) {
        CAPTURE(std::string(text));
        CHECK_FALSE(agent::parse_share(text));
    }
}

TEST_CASE("window: when it is open, and when it opens") {
    struct Case {
        std::string_view name;
        std::initializer_list<const char*> windows;
        const char* now;
        bool is_open;
        const char* opens;  // after now
    };

    // 2026-11-21 is a Saturday. In 2026 Berlin's clocks go from 02:00 to 03:00 on 29 March and from 03:00
    // back to 02:00 on 25 October, each at 01:00 UTC.
    for (const Case& c : {
             Case{"before", {"20:00-23:00 UTC"}, "2026-11-21T19:59:59Z", false, "2026-11-21T20:00:00Z"},
             Case{"its first second",
                  {"20:00-23:00 UTC"},
                  "2026-11-21T20:00:00Z",
                  true,
                  "2026-11-22T20:00:00Z"},
             Case{"its last second",
                  {"20:00-23:00 UTC"},
                  "2026-11-21T22:59:59Z",
                  true,
                  "2026-11-22T20:00:00Z"},
             Case{"after", {"20:00-23:00 UTC"}, "2026-11-21T23:00:00Z", false, "2026-11-22T20:00:00Z"},
             Case{"on another day",
                  {"Tue,Thu 20:00-23:00 UTC"},
                  "2026-11-21T21:00:00Z",
                  false,
                  "2026-11-24T20:00:00Z"},
             Case{"in another zone",
                  {"Tue 20:00-23:00 Europe/Zurich"},
                  "2026-11-24T19:30:00Z",
                  true,
                  "2026-12-01T19:00:00Z"},
             Case{"its day is that of its zone",
                  {"Sun 00:00-01:00 Asia/Tokyo"},
                  "2026-11-21T15:30:00Z",
                  true,
                  "2026-11-28T15:00:00Z"},
             Case{"across midnight, before it",
                  {"Sat 22:00-04:00 UTC"},
                  "2026-11-21T23:00:00Z",
                  true,
                  "2026-11-28T22:00:00Z"},
             Case{"across midnight, after it",
                  {"Sat 22:00-04:00 UTC"},
                  "2026-11-22T03:59:00Z",
                  true,
                  "2026-11-28T22:00:00Z"},
             Case{"across midnight, of the day before only",
                  {"Sun 22:00-04:00 UTC"},
                  "2026-11-22T03:00:00Z",
                  false,
                  "2026-11-22T22:00:00Z"},
             Case{"a whole day",
                  {"Sat 00:00-24:00 UTC"},
                  "2026-11-21T23:59:59Z",
                  true,
                  "2026-11-28T00:00:00Z"},
             Case{"the first of several",
                  {"Mon 01:00-02:00 UTC", "Sun 05:00-06:00 UTC"},
                  "2026-11-21T12:00:00Z",
                  false,
                  "2026-11-22T05:00:00Z"},
             Case{"one of several",
                  {"Mon 01:00-02:00 UTC", "Sat 05:00-13:00 UTC"},
                  "2026-11-21T12:00:00Z",
                  true,
                  "2026-11-23T01:00:00Z"},
             Case{"summer time",
                  {"01:00-05:00 Europe/Berlin"},
                  "2026-07-15T00:00:00Z",
                  true,
                  "2026-07-15T23:00:00Z"},
             Case{"begins in the hour that is skipped",
                  {"02:30-05:00 Europe/Berlin"},
                  "2026-03-29T00:59:59Z",
                  false,
                  "2026-03-29T01:00:00Z"},
             Case{"ends in the hour that is skipped",
                  {"01:00-02:30 Europe/Berlin"},
                  "2026-03-29T00:59:59Z",
                  true,
                  "2026-03-29T23:00:00Z"},
             Case{"over as the hour is skipped",
                  {"01:00-02:30 Europe/Berlin"},
                  "2026-03-29T01:00:00Z",
                  false,
                  "2026-03-29T23:00:00Z"},
             Case{"wholly skipped",
                  {"Sun 02:10-02:50 Europe/Berlin"},
                  "2026-03-28T12:00:00Z",
                  false,
                  "2026-04-05T00:10:00Z"},
             Case{"begins in the hour that comes twice: the first time",
                  {"02:30-05:00 Europe/Berlin"},
                  "2026-10-25T00:30:00Z",
                  true,
                  "2026-10-26T01:30:00Z"},
             Case{"ends in the hour that comes twice: the second time",
                  {"01:00-02:30 Europe/Berlin"},
                  "2026-10-25T01:29:59Z",
                  true,
                  "2026-10-26T00:00:00Z"},
             Case{"over when it has come twice",
                  {"01:00-02:30 Europe/Berlin"},
                  "2026-10-25T01:30:00Z",
                  false,
                  "2026-10-26T00:00:00Z"},
         }) {
        CAPTURE(c.name);
        const auto all = windows(c.windows);
        CHECK(agent::is_open(all, at(c.now)) == c.is_open);
        const auto opens = agent::opens_at(all, at(c.now));
        REQUIRE(opens);
        CHECK(base::format_instant(*opens) == c.opens);
        CHECK(agent::is_open(all, *opens));
        CHECK((c.is_open || !agent::is_open(all, *opens - std::chrono::seconds(1))));
    }
    CHECK(agent::is_open({}, at("2026-11-21T12:00:00Z")));
    CHECK_FALSE(agent::opens_at({}, at("2026-11-21T12:00:00Z")));
}
