// SPDX-License-Identifier: Apache-2.0
// What holds a deployment back, in plain words. Pure.
#pragma once

#include <string>

#include "agent/plan/plan.hpp"

namespace agent {

/// "Tue 20:00 UTC" within six days, "3 Feb 20:00 UTC" beyond.
[[nodiscard]] std::string moment_words(base::Instant at, base::Instant now);

/// "held until Tue 20:00 UTC (window)", "held until resumed (pause)": for tables.
[[nodiscard]] std::string brief_hold(const Hold& hold, base::Instant now);
/// The same with its reason: "held until Tue 20:00 UTC (window Tue,Thu 20:00-23:00 Europe/Zurich)".
[[nodiscard]] std::string hold_words(const Hold& hold, base::Instant now);
/// "paused by ada since 21 Nov 2026 11:00 UTC until 1 Dec 2026 08:00 UTC: ledger migration".
[[nodiscard]] std::string pause_words(const Pause& pause);
/// "nothing holds it back from 3 Feb 2027 12:05 UTC on, when less than 25% of what is served is left";
/// empty where it opens before that.
[[nodiscard]] std::string hold_end_words(const Hold& hold, double share);

}  // namespace agent
