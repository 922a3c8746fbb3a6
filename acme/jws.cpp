// SPDX-License-Identifier: Apache-2.0
#include "acme/jws.hpp"

#include <array>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/encoding.hpp"
#include "base/mac.hpp"

namespace acme {

using nlohmann::json;

namespace {

struct AlgorithmName {
    MacAlgorithm algorithm;
    std::string_view name;
    base::MacDigest digest;
};

constexpr std::array<AlgorithmName, 3> kMacs{{
    {MacAlgorithm::Hs256, "HS256", base::MacDigest::Sha256},
    {MacAlgorithm::Hs384, "HS384", base::MacDigest::Sha384},
    {MacAlgorithm::Hs512, "HS512", base::MacDigest::Sha512},
}};

const AlgorithmName& row_of(MacAlgorithm algorithm) {
    return kMacs.at(static_cast<std::size_t>(algorithm));
}

/// A JWS before it is signed: its two parts, encoded.
struct Parts {
    std::string header{};
    std::string payload{};

    [[nodiscard]] std::string signed_text() const { return header + "." + payload; }

    [[nodiscard]] std::string with(std::string_view signature) const {
        return json{{"payload", payload}, {"protected", header}, {"signature", base::base64url(signature)}}
            .dump();
    }
};

/// `header` comes with what says who signs (alg, and kid or jwk).
Parts parts_of(json header, const SignedRequest& request) {
    header["url"] = request.url;
    if (!request.nonce.empty()) header["nonce"] = request.nonce;
    return {.header = base::base64url(header.dump(-1, ' ', /*ensure_ascii=*/true)),
            .payload = base::base64url(request.payload.value_or(""))};
}

}  // namespace

base::Result<std::string> sign(const base::PrivateKey& key, const SignedRequest& request) {
    json header = {{"alg", key.jws_algorithm()}};
    // §6.2: "The 'jwk' and 'kid' fields are mutually exclusive."
    if (request.kid.empty()) {
        header["jwk"] = json::parse(key.jwk(), nullptr, /*allow_exceptions=*/false);
    } else {
        header["kid"] = request.kid;
    }
    const Parts parts = parts_of(std::move(header), request);
    return parts.with(TRY(key.jws_sign(parts.signed_text())));
}

std::string_view to_string(MacAlgorithm algorithm) {
    return row_of(algorithm).name;
}

base::Result<MacAlgorithm> parse_mac_algorithm(std::string_view text) {
    for (const AlgorithmName& row : kMacs) {
        if (row.name == text) return row.algorithm;
    }
    return base::fail(base::Code::ConfigWrongValue,
                      "\"" + base::printable(text, 40) + "\" is no algorithm of an account binding",
                      R"("HS256", "HS384", "HS512")");
}

std::string sign_with_mac(const base::Secret& key, MacAlgorithm algorithm, const SignedRequest& request) {
    const AlgorithmName& row = row_of(algorithm);
    const Parts parts = parts_of({{"alg", row.name}, {"kid", request.kid}}, request);
    return parts.with(base::hmac(row.digest, key, parts.signed_text()));
}

std::string thumbprint(const base::PrivateKey& key) {
    return base::base64url(base::sha256(key.jwk()));
}

std::string key_authorization(std::string_view token, const base::PrivateKey& account_key) {
    return std::string(token) + "." + thumbprint(account_key);
}

}  // namespace acme
