// SPDX-License-Identifier: Apache-2.0
#include "agent/memory/history.hpp"

#include <nlohmann/json.hpp>

#include "agent/memory/record.hpp"

namespace agent {

std::string to_line(const Happening& happening) {
    nlohmann::json line = {{"at", base::format_instant(happening.at)}, {"what", happening.what}};
    if (happening.generation != 0) line["generation"] = happening.generation;
    if (!happening.target.empty()) line["target"] = happening.target;
    if (!happening.text.empty()) line["text"] = happening.text;
    if (happening.error) line["error"] = to_json(*happening.error);
    // What a hook prints need not be UTF-8.
    return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace agent
