// SPDX-License-Identifier: Apache-2.0
#include "acme/jws.hpp"

#include <nlohmann/json.hpp>

#include "base/encoding.hpp"

namespace acme {

using nlohmann::json;

base::Result<std::string> sign(const base::PrivateKey& key, const SignedRequest& request) {
    json header = {{"alg", key.jws_algorithm()}, {"nonce", request.nonce}, {"url", request.url}};
    // §6.2: "The 'jwk' and 'kid' fields are mutually exclusive."
    if (request.kid.empty()) {
        header["jwk"] = json::parse(key.jwk(), nullptr, /*allow_exceptions=*/false);
    } else {
        header["kid"] = request.kid;
    }
    const std::string protected_header = base::base64url(header.dump(-1, ' ', /*ensure_ascii=*/true));
    const std::string payload = base::base64url(request.payload.value_or(""));
    const std::string signature = TRY(key.jws_sign(protected_header + "." + payload));
    const json jws = {
        {"payload", payload}, {"protected", protected_header}, {"signature", base::base64url(signature)}};
    return jws.dump();
}

std::string thumbprint(const base::PrivateKey& key) {
    return base::base64url(base::sha256(key.jwk()));
}

std::string key_authorization(std::string_view token, const base::PrivateKey& account_key) {
    return std::string(token) + "." + thumbprint(account_key);
}

}  // namespace acme
