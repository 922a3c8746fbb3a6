// SPDX-License-Identifier: Apache-2.0
#include "hooks/event.hpp"

namespace hooks {

namespace {

constexpr std::size_t kValueMax = 65'536;

}  // namespace

std::map<std::string, std::string> environment_of(const Event& event) {
    std::string names;
    for (const std::string& name : event.names) names += (names.empty() ? "" : " ") + name;
    std::map<std::string, std::string> values{{"RENEWD_EVENT", event.name},
                                              {"RENEWD_CERTIFICATE", event.certificate},
                                              {"RENEWD_NAMES", names},
                                              {"RENEWD_GENERATION", std::to_string(event.generation)},
                                              {"RENEWD_DIRECTORY", event.directory},
                                              {"RENEWD_TARGET", event.target},
                                              {"RENEWD_ERROR", event.error}};
    if (event.name == "renewed" || event.name == "served") {
        values["RENEWED_LINEAGE"] = event.directory;
        values["RENEWED_DOMAINS"] = names;
    }
    std::erase_if(values, [](const auto& value) { return value.second.size() > kValueMax; });
    return values;
}

}  // namespace hooks
