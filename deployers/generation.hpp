// SPDX-License-Identifier: Apache-2.0
// One issued chain, and the key where it is ours, as deployers see it: immutable, complete, proven.
#pragma once

#include <string>
#include <vector>

#include "base/certificate.hpp"
#include "base/identifier.hpp"
#include "base/secret.hpp"

namespace deployers {

struct Generation {
    std::string certificate{};  // its name in the configuration
    int number = 0;             // 1, 2, 3…
    std::vector<base::Identifier> names{};
    base::Chain chain{};  // leaf first
    base::Secret key_pem{};
    /// SHA-256 of the public key (its DER SubjectPublicKeyInfo) of the user's own request that this was
    /// issued for: the private key is his, and key_pem is empty. Empty: the key is key_pem.
    std::string request_key{};

    [[nodiscard]] bool has_key() const { return request_key.empty(); }
};

}  // namespace deployers
