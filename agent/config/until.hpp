// SPDX-License-Identifier: Apache-2.0
// An instant to come, as a person types it.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/error.hpp"

namespace agent {

/// A duration from `now` ("2h", "30d"), a day or a time by the clocks of `zone` ("2026-12-01" is its first
/// instant, "2026-12-01 08:00"), or RFC 3339. usage/wrong for anything else, and for what is not to come.
[[nodiscard]] base::Result<base::Instant> parse_until(std::string_view text, base::Instant now,
                                                      const std::string& zone);

}  // namespace agent
