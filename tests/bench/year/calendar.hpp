// SPDX-License-Identifier: Apache-2.0
// When what happens in the simulated year, and the dice of it.
#pragma once

#include <cstdint>
#include <random>

#include "base/clock.hpp"
#include "tests/bench/year/simulated_year.hpp"

namespace year {

struct Calendar {
    explicit Calendar(const Story& story)
        : end(begin + std::chrono::days(story.days)),
          added(begin + std::chrono::days(story.new_day)),
          outage_begins(begin + std::chrono::days(story.outage_day)),
          outage_ends(outage_begins + story.outage),
          revocation(begin + std::chrono::days(story.revocation_day)),
          voided(revocation + std::chrono::days(5)),
          changed(begin + std::chrono::days(story.change_day)) {}

    /// Does the CA not answer then?
    [[nodiscard]] bool is_out(base::Instant at) const { return at >= outage_begins && at < outage_ends; }

    base::Instant begin{base::Seconds(1'798'761'600)};  // 2027-01-01T00:00:00Z
    base::Instant end;
    base::Instant added;  // the new ones
    base::Instant outage_begins;
    base::Instant outage_ends;
    base::Instant revocation;  // is announced
    base::Instant voided;      // and done
    base::Instant changed;     // the configuration
};

/// The same numbers for the same seed, uniformly from [0, 1).
class Dice {
  public:
    explicit Dice(std::uint64_t seed) : random_(seed) {}

    double roll() { return static_cast<double>(random_() >> 11U) * 0x1p-53; }

  private:
    std::mt19937_64 random_;
};

}  // namespace year
