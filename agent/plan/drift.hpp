// SPDX-License-Identifier: Apache-2.0
// Continuous verification: when a place is looked at again, and what is done about one that has drifted.
// Pure.
#pragma once

#include <optional>
#include <string_view>

#include "agent/memory/record.hpp"
#include "base/clock.hpp"

namespace agent {

/// The next of the instants at which `place` is looked at: one in each `every`, at a point of it that depends
/// on the place, so that many places spread evenly over it. At most `every` after `last`.
[[nodiscard]] base::Instant next_look(base::Instant last, base::Seconds every, std::string_view place);

/// A target that had been seen serving what it should was seen not to. Three repairs within an hour, or
/// within four looks, and it drifts again: somebody else puts it back, and it is contested.
void note_drift(Drift& drift, base::Instant now, base::Seconds verify_every);
/// It has been deployed again, and is seen serving.
void note_repair(Drift& drift, base::Instant now);
/// It is seen serving. A contested target is let be once that has lasted for a day.
void note_well(Drift& drift, base::Instant now);

/// When a drift is repaired at the earliest: of a contested target a day after the last repair.
[[nodiscard]] std::optional<base::Instant> repair_time(const Drift& drift, base::Instant now);

}  // namespace agent
