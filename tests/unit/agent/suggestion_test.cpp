// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/suggestion.hpp"

#include <ostream>
#include <string_view>

#include <doctest/doctest.h>

#include "tests/unit/agent/fixtures.hpp"

using agent::Record;
using fixtures::generation;
using fixtures::kNow;
using fixtures::well;
using namespace std::chrono_literals;

namespace {

/// The CA wanted it replaced a day ago.
agent::Suggestion past(int number) {
    return {.generation = number, .start = kNow - 48h, .end = kNow - 24h, .at = kNow - 30h};
}

}  // namespace

TEST_CASE("suggestion: a CA that wants one generation after another replaced at once is believed twice") {
    struct Case {
        std::string_view name;
        int in_a_row;
        base::Seconds age, life;
        base::Seconds in;  // from now
    };

    for (const Case& c : {
             Case{"the first time", 0, 6h, 90 * 24h, -30h},
             Case{"once more, soon after", 1, 6h, 90 * 24h, -30h},
             Case{"and again", 2, 6h, 90 * 24h, 18h},
             Case{"for ever", 7, 6h, 90 * 24h, 18h},
             Case{"a day is over", 2, 25h, 90 * 24h, -1h},
             Case{"a short life", 2, 4h, 6 * 24h, 37'440s},
             Case{"issued under a clock ahead of ours", 2, -1h, 90 * 24h, -30h},
         }) {
        CAPTURE(c.name);
        agent::GenerationRecord current = generation(3, c.age, c.life);
        current.early_in_a_row = c.in_a_row;
        CHECK(agent::renewal_suggested(past(3), current, kNow, 0s) == kNow + c.in);
    }
}

TEST_CASE("suggestion: how many in a row their CA wanted replaced, and nobody else") {
    struct Case {
        std::string_view name;
        base::Seconds age;  // of the one that is replaced now
        int before;         // its own count
        bool is_suggested, is_forced;
        int expected;
    };

    for (const Case& c : {
             Case{"by its age", 60 * 24h, 0, false, false, 0},
             Case{"as suggested, at its time", 60 * 24h, 1, true, false, 0},
             Case{"six hours after it was issued", 6h, 0, true, false, 1},
             Case{"once more", 6h, 1, true, false, 2},
             Case{"a day after", 25h, 2, true, false, 3},
             Case{"two days after", 48h, 2, true, false, 0},
             Case{"by a person", 6h, 2, true, true, 0},
             Case{"for a change of its names", 6h, 2, false, false, 0},
             Case{"issued under a clock ahead of ours", -1h, 2, true, false, 0},
         }) {
        CAPTURE(c.name);
        Record record = well();
        record.generations = {generation(3, c.age)};
        record.generations.back().early_in_a_row = c.before;
        if (c.is_suggested) record.suggestion = past(3);
        CHECK(agent::early_in_a_row(record, c.is_forced, kNow) == c.expected);
    }
    CHECK(agent::early_in_a_row({}, false, kNow) == 0);
    Record of_another = well();
    of_another.generations = {generation(4, 6h)};
    of_another.suggestion = past(3);
    CHECK(agent::early_in_a_row(of_another, false, kNow) == 0);
}
