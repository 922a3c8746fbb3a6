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
    std::string nonce{};                   // §6.5; empty only within another request (§7.3.4, §7.3.5)
    std::string kid{};                     // the account's URL; empty: the public key itself goes along (jwk)
    std::optional<std::string> payload{};  // nothing: POST-as-GET (§6.3)
};

/// The body of the POST: a JWS in flattened JSON (RFC 7515 §7.2.2).
[[nodiscard]] base::Result<std::string> sign(const base::PrivateKey& key, const SignedRequest& request);

/// What an external account binding is signed with (§7.3.4; RFC 7518 §3.2).
enum class MacAlgorithm { Hs256, Hs384, Hs512 };

/// "HS256", … as on the wire and in the configuration.
[[nodiscard]] std::string_view to_string(MacAlgorithm algorithm);
/// config/wrong-value with what would be accepted.
[[nodiscard]] base::Result<MacAlgorithm> parse_mac_algorithm(std::string_view text);

/// As sign(), with a key that both sides know; `request.kid` names it and has to be set. `key` is raw bytes.
[[nodiscard]] std::string sign_with_mac(const base::Secret& key, MacAlgorithm algorithm,
                                        const SignedRequest& request);

/// RFC 7638 with SHA-256, base64url.
[[nodiscard]] std::string thumbprint(const base::PrivateKey& key);

/// What a challenge is answered with (§8.1). `token` has been checked.
[[nodiscard]] std::string key_authorization(std::string_view token, const base::PrivateKey& account_key);

}  // namespace acme
