// SPDX-License-Identifier: Apache-2.0
// Signed requests (RFC 8555 §6.2) and key authorizations (§8.1), as pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/key.hpp"

namespace acme {

struct SignedRequest {
    std::string url{};                     // what the signature is bound to (§6.4)
    std::string nonce{};                   // §6.5
    std::string kid{};                     // the account's URL; empty: the public key itself goes along (jwk)
    std::optional<std::string> payload{};  // nothing: POST-as-GET (§6.3)
};

/// The body of the POST: a JWS in flattened JSON (RFC 7515 §7.2.2).
[[nodiscard]] base::Result<std::string> sign(const base::PrivateKey& key, const SignedRequest& request);

/// RFC 7638 with SHA-256, base64url.
[[nodiscard]] std::string thumbprint(const base::PrivateKey& key);

/// What a challenge is answered with (§8.1). `token` has been checked.
[[nodiscard]] std::string key_authorization(std::string_view token, const base::PrivateKey& account_key);

}  // namespace acme
