// SPDX-License-Identifier: Apache-2.0
// A year of some thousand certificates; tests/bench/year has all 83,000 of them.
#include <ostream>

#include <doctest/doctest.h>

#include "tests/bench/year/simulated_year.hpp"

TEST_CASE(
    "year: an outage, a mass revocation, new certificates and changed ones: none expires, no limit breaks") {
    const year::Story story{.certificates = 2000, .revoked = 500, .added = 500, .changed = 100};
    const year::Figures figures = year::simulate(story);
    CAPTURE(year::to_text(figures));
    CHECK(figures.expired == 0);
    CHECK(figures.refused == 0);
    CHECK(figures.void_in_use == 0);
    CHECK(figures.unissued == 0);
    CHECK(figures.issued > 40'000);
    CHECK(figures.held > 0);  // the new ones have met the limits, before the CA had to say so
    CHECK(figures.failed > 0);
    CHECK(figures.unreachable > 0);
    CHECK(figures.least_left_quiet > 0.2);
    CHECK(figures.busiest_steady_hour < 5 * figures.median_hour);
}
