// SPDX-License-Identifier: Apache-2.0
#include "base/crew.hpp"

#include <atomic>
#include <latch>

#include <doctest/doctest.h>

TEST_CASE("crew: so many at once, and no more until one is done") {
    std::atomic<int> ended{0};
    std::latch gate(1);
    {
        base::Crew crew(2);
        const auto work = [&] {
            gate.wait();
            ++ended;
        };
        CHECK(crew.begin(work));
        CHECK(crew.begin(work));
        CHECK_FALSE(crew.begin(work));
        CHECK(crew.busy() == 2);
        gate.count_down();
    }
    CHECK(ended == 2);
}

TEST_CASE("crew: a thread that has ended its work takes the next") {
    std::atomic<int> ended{0};
    {
        base::Crew crew(3);
        for (int begun = 0; begun < 1000;) {
            if (crew.begin([&] { ++ended; })) ++begun;
        }
    }
    CHECK(ended == 1000);
}

TEST_CASE("crew: with nothing to do it ends at once") {
    const base::Crew crew(4);
    CHECK(crew.busy() == 0);
}
