// SPDX-License-Identifier: Apache-2.0
#include "agent/config/reading.hpp"

namespace agent {

using base::Code;

std::optional<BindingConfig> read_binding(Section& ca) {
    const toml::table* table = ca.table("eab");
    if (table == nullptr) return std::nullopt;
    Section section(*table, "\"eab\" of " + ca.what(), ca.problems());
    BindingConfig binding;
    binding.kid = section.text("kid").value_or("");
    if (binding.kid.empty())
        section.wrong_here("\"kid\" is missing: the name of the key, as the CA shows it",
                           Code::ConfigMissing);
    auto key = section.secret("key");
    const bool says_key = section.has("key") || section.has("key_file") || section.has("key_credential") ||
                          section.has("key_env") || section.has("key_command");
    if (!key && !says_key) {
        section.wrong_here("the key is missing; accepted: key_file, key_credential, key_env, key_command",
                           Code::ConfigMissing);
    }
    if (key) binding.key = std::move(*key);
    binding.algorithm =
        section.parsed("algorithm", acme::parse_mac_algorithm).value_or(acme::MacAlgorithm::Hs256);
    section.finish();
    return binding;
}

}  // namespace agent
