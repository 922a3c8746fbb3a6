// SPDX-License-Identifier: Apache-2.0
// A clock that is years off: no mass renewal, and nothing is put off.
#include "agent/plan/clock_check.hpp"

#include <ostream>

#include <doctest/doctest.h>

#include "tests/unit/agent/fixtures.hpp"

using namespace std::chrono_literals;
using agent::ClockState;
using agent::HeardDate;
using fixtures::kNow;

TEST_CASE("clock: what is planned by, and whether orders may be placed") {
    constexpr base::Seconds kDay = 24h;

    struct Case {
        std::string_view name;
        base::Instant now;
        std::optional<HeardDate> heard;
        std::optional<base::Instant> latest_not_before;
        ClockState state;
        base::Instant plan_by;
        bool may_order;
        bool ask_first;
    };

    const HeardDate lately{.date = kNow - 10min, .ago = 10min};
    const HeardDate before_the_start{.date = kNow - 10min};
    const auto none = std::nullopt;
    for (const Case& c : {
             Case{"first run: nothing is known", kNow, none, none, ClockState::Unheard, kNow, true, true},
             Case{"right", kNow, lately, kNow - kDay, ClockState::Right, kNow, true, false},
             Case{"59 minutes ahead", kNow + 59min, lately, none, ClockState::Right, kNow + 59min, true,
                  false},
             Case{"59 minutes behind", kNow - 59min, lately, none, ClockState::Right, kNow, true, false},
             Case{"90 days ahead", kNow + 90 * kDay, lately, none, ClockState::Ahead, kNow, false, false},
             Case{"two hours ahead", kNow + 2h, lately, none, ClockState::Ahead, kNow, false, false},
             Case{"30 days behind", kNow - 30 * kDay, lately, none, ClockState::Behind, kNow, true, false},
             Case{"an hour asleep: the boot clock went on", kNow + 1h,
                  HeardDate{.date = kNow - 10min, .ago = 70min}, none, ClockState::Right, kNow + 1h, true,
                  false},
             Case{"switched off for a year: that may be", kNow + 365 * kDay, before_the_start, none,
                  ClockState::Unheard, kNow + 365 * kDay, true, true},
             Case{"started with a clock of 1970", base::Instant{}, before_the_start, none, ClockState::Behind,
                  kNow - 10min, true, false},
             Case{"a certificate from the future", kNow, none, kNow + 30 * kDay, ClockState::Behind,
                  kNow + 30 * kDay, true, false},
             Case{"certificates are dated back by an hour", kNow, lately, kNow - 1h, ClockState::Right, kNow,
                  true, false},
             Case{"the CA's own clock is behind its certificates", kNow, lately, kNow + 30min,
                  ClockState::Right, kNow + 30min, true, false},
         }) {
        CAPTURE(c.name);
        const auto verdict =
            agent::check_clock({.now = c.now, .heard = c.heard, .latest_not_before = c.latest_not_before});
        CHECK(static_cast<int>(verdict.state) == static_cast<int>(c.state));
        CHECK(verdict.plan_by == c.plan_by);
        CHECK(verdict.may_order == c.may_order);
        CHECK(verdict.ask_first == c.ask_first);
        CHECK(verdict.message.empty() == (c.state == ClockState::Right || c.state == ClockState::Unheard));
    }
}

TEST_CASE("clock: a person is told which is off, by how much, and against what") {
    const HeardDate heard{.date = kNow, .ago = 0s, .ca = "letsencrypt"};
    CHECK(agent::check_clock({.now = kNow + 90 * 24h, .heard = heard}).message ==
          "this machine's clock says 2027-02-19T12:00:00Z, 90 days ahead of the Date of the CA letsencrypt "
          "(2026-11-21T12:00:00Z). No order is "
          "placed until they agree; nothing is due by the clock alone");
    CHECK(agent::check_clock({.now = kNow - 5h, .heard = heard}).message ==
          "this machine's clock says 2026-11-21T07:00:00Z, 5 h behind the Date of the CA letsencrypt "
          "(2026-11-21T12:00:00Z). "
          "Renewals go by the "
          "later time");
    // As if it had been heard within this very second.
    const auto words = [&](base::Seconds off) {
        return agent::check_clock({.now = kNow + off, .heard = heard}).message;
    };
    CHECK(words(-90 * 24h + 1s).find(" 90 days behind ") != std::string::npos);
    CHECK(words(48h - 1s).find(" 2 days ahead ") != std::string::npos);
    CHECK(words(47h).find(" 47 h ahead ") != std::string::npos);
}

TEST_CASE("clock: of several CAs the one that is nearest to it is believed") {
    const HeardDate right{.date = kNow - 10min, .ago = 10min, .ca = "right"};
    const HeardDate a_year_ahead{.date = kNow + 365 * 24h, .ago = 0s, .ca = "ahead"};
    const HeardDate a_day_behind{.date = kNow - 24h, .ago = 0s, .ca = "behind"};
    const HeardDate before_the_start{.date = kNow - 90 * 24h, .ca = "before"};
    using Dates = std::vector<HeardDate>;
    CHECK_FALSE(agent::nearest_date({}, kNow));
    CHECK(agent::nearest_date(Dates{a_year_ahead, right, a_day_behind}, kNow)->ca == "right");
    CHECK(agent::nearest_date(Dates{a_year_ahead, a_day_behind}, kNow)->ca == "behind");
    CHECK(agent::nearest_date(Dates{before_the_start, a_day_behind}, kNow)->ca == "behind");
    CHECK(agent::nearest_date(Dates{before_the_start}, kNow)->ca == "before");
    // All agree that the clock is wrong.
    CHECK(agent::nearest_date(Dates{a_year_ahead, right}, kNow - 30 * 24h)->ca == "right");
}

TEST_CASE("clock: one that is ahead holds an order for minutes, and none that would come too late") {
    struct Case {
        std::string_view name;
        base::Seconds clock;  // how far it is ahead
        base::Seconds age;    // of generation 3, which lasts 90 days
        bool is_held;
    };

    for (const Case& c : {
             Case{"right", 0s, 24h, false},
             Case{"90 days ahead", 90 * 24h, 24h, true},
             Case{"90 days ahead, and due by the CA's time", 90 * 24h, 61 * 24h, true},
             Case{"90 days ahead, with more than a sixth of its life left", 90 * 24h, 74 * 24h, true},
             Case{"90 days ahead, with less", 90 * 24h, 76 * 24h, false},
             Case{"30 days behind", -30 * 24h, 61 * 24h, false},
         }) {
        CAPTURE(c.name);
        agent::Record record = fixtures::well();
        record.generations = {fixtures::generation(3, c.age)};
        const base::Instant shown = kNow + c.clock;
        const auto verdict = agent::check_clock({.now = shown, .heard = HeardDate{.date = kNow, .ago = 0s}});
        const auto hold = agent::hold_of_clock(verdict, record, shown);
        CHECK(hold.has_value() == c.is_held);
        if (hold) CHECK(hold->until == shown + 5min);
        CHECK(agent::hold_of_clock(verdict, {}, shown).has_value() == !verdict.may_order);
    }
}
