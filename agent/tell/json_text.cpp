// SPDX-License-Identifier: Apache-2.0
#include "agent/tell/json_text.hpp"

#include <nlohmann/json.hpp>

namespace agent {

std::string json_text(const nlohmann::json& value, int indent) {
    return value.dump(indent, ' ', /*ensure_ascii=*/false, nlohmann::json::error_handler_t::replace);
}

nlohmann::json instant_or_null(const std::optional<base::Instant>& instant) {
    return instant ? nlohmann::json(base::format_instant(*instant)) : nlohmann::json(nullptr);
}

}  // namespace agent
