// SPDX-License-Identifier: Apache-2.0
// A forecast as a chart in the terminal, and as JSON. Pure.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "agent/plan/forecast.hpp"

namespace agent {

/// A column a day where `width` (40 at least) has room for them, else a week, else four or eight weeks.
[[nodiscard]] std::string to_chart(const Forecast& forecast, std::size_t width, bool has_colour);
/// `forecast --json`, version 1.
[[nodiscard]] nlohmann::json to_json(const Forecast& forecast);

}  // namespace agent
