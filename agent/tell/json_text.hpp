// SPDX-License-Identifier: Apache-2.0
// JSON as it is printed, and as hooks hear it.
#pragma once

#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "base/clock.hpp"

namespace agent {

/// `indent` spaces a level; -1: all on one line. Much of the text is others': what is not UTF-8 in it shows
/// as U+FFFD, where nlohmann's own default is to throw. Pure.
[[nodiscard]] std::string json_text(const nlohmann::json& value, int indent = 1);

/// RFC 3339 in UTC, or null.
[[nodiscard]] nlohmann::json instant_or_null(const std::optional<base::Instant>& instant);

}  // namespace agent
