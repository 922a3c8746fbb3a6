// SPDX-License-Identifier: Apache-2.0
#include "agent/memory/history.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <nlohmann/json.hpp>

#include "agent/memory/record.hpp"

namespace agent {

std::string_view step_of(const Happening& happening) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kSteps{
        {{"issued", "order"},
         {"not_issued", "order"},
         {"deployed", "deploy"},
         {"not_deployed", "deploy"},
         {"hook", "hook"},
         {"revoked", "revoke"},
         {"not_revoked", "revoke"}}};
    const auto* const known =
        std::ranges::find(kSteps, happening.what, [](const auto& row) { return row.first; });
    return known == kSteps.end() ? std::string_view() : known->second;
}

std::string to_line(const Happening& happening) {
    nlohmann::json line = {{"at", base::format_instant(happening.at)}, {"what", happening.what}};
    if (happening.generation != 0) line["generation"] = happening.generation;
    if (!happening.target.empty()) line["target"] = happening.target;
    if (!happening.text.empty()) line["text"] = happening.text;
    if (happening.error) line["error"] = to_json(*happening.error);
    // What a hook prints need not be UTF-8.
    return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

namespace {

std::string text_of(const nlohmann::json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::optional<base::Error> error_of(const nlohmann::json& line) {
    const auto found = line.find("error");
    if (found == line.end() || !found->is_object()) return std::nullopt;
    return base::Error{
        .code = base::parse_code(text_of(*found, "code")).value_or(base::Code::InternalUnexpected),
        .message = text_of(*found, "message"),
        .hint = text_of(*found, "hint"),
        .step = text_of(*found, "step"),
        .problem = text_of(*found, "problem"),
        .retry_at = base::parse_instant(text_of(*found, "retry_at"))};
}

}  // namespace

std::optional<Happening> parse_line(std::string_view text) {
    const auto line = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!line.is_object()) return std::nullopt;
    const auto at = base::parse_instant(text_of(line, "at"));
    Happening happening{.what = text_of(line, "what"),
                        .target = text_of(line, "target"),
                        .text = text_of(line, "text"),
                        .error = error_of(line)};
    if (!at || happening.what.empty()) return std::nullopt;
    happening.at = *at;
    const auto number = line.find("generation");
    if (number != line.end() && number->is_number_integer()) happening.generation = number->get<int>();
    return happening;
}

}  // namespace agent
