// SPDX-License-Identifier: Apache-2.0
// The table of deployers, and the names of what they write.
#include "deployers/deployer.hpp"

#include <array>

#include "deployers/formats.hpp"
#include "deployers/services/services.hpp"

namespace deployers {

namespace {

/// Sorted by name.
std::array<const Deployer*, 2> all_deployers() {
    return {&files_deployer(), &nginx_deployer()};
}

}  // namespace

std::string_view to_string(Form form) {
    switch (form) {
        case Form::Fullchain:
            return "fullchain";
        case Form::Key:
            return "key";
        case Form::Chain:
            return "chain";
        case Form::Cert:
            return "cert";
        case Form::Combined:
            return "combined";
    }
    return "";
}

std::string_view key_with_private_key(const Parameters& parameters) {
    if (!parameters.include.empty() || !parameters.versions.empty()) return "include";
    for (const FixedPath& fixed : parameters.paths) {
        if (holds_key(fixed.form)) return to_string(fixed.form);
    }
    return {};
}

const Deployer* find_deployer(std::string_view name) {
    for (const Deployer* deployer : all_deployers()) {
        if (deployer->name() == name) return deployer;
    }
    return nullptr;
}

std::vector<std::string_view> deployer_names() {
    std::vector<std::string_view> names;
    for (const Deployer* deployer : all_deployers()) names.push_back(deployer->name());
    return names;
}

}  // namespace deployers
