// SPDX-License-Identifier: Apache-2.0
// Private keys over OpenSSL, as values that can sign and be stored.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/secret.hpp"

struct evp_pkey_st;  // OpenSSL's EVP_PKEY

namespace base {

enum class KeyType { EcdsaP256, EcdsaP384, Rsa2048, Rsa3072, Rsa4096 };

/// "ecdsa-p256", … as in the configuration.
[[nodiscard]] std::string_view to_string(KeyType type);
[[nodiscard]] Result<KeyType> parse_key_type(std::string_view text);

/// A private key. Cheap to copy (shared, immutable).
class PrivateKey {
  public:
    /// Blocks while OpenSSL finds primes (RSA 4096: up to seconds).
    [[nodiscard]] static Result<PrivateKey> generate(KeyType type);
    /// PKCS#8, SEC1 or PKCS#1 PEM, not encrypted. crypto/invalid otherwise.
    [[nodiscard]] static Result<PrivateKey> parse(const Secret& pem);

    /// PKCS#8 PEM.
    [[nodiscard]] Result<Secret> to_pem() const;
    /// DER SubjectPublicKeyInfo: two keys are a pair exactly if these are equal.
    [[nodiscard]] std::string public_key_der() const;

    /// The same pair; cheaper than to compare these.
    [[nodiscard]] bool is_same_as(const PrivateKey& other) const;

    /// JWS (RFC 7518): "ES256", "ES384" or "RS256".
    [[nodiscard]] std::string jws_algorithm() const;
    /// The signature in JWS form: r||s of fixed width for ECDSA (RFC 7518 §3.4), PKCS#1 v1.5 for RSA.
    [[nodiscard]] Result<std::string> jws_sign(std::string_view data) const;
    /// The public key as a JWK (RFC 7517) with its required members only, in lexicographic order and without
    /// white space: also what a thumbprint is made of (RFC 7638 §3).
    [[nodiscard]] std::string jwk() const;

    /// OpenSSL's handle, borrowed: valid as long as this key.
    [[nodiscard]] evp_pkey_st* handle() const;

  private:
    struct Held;
    explicit PrivateKey(evp_pkey_st* owned);

    std::shared_ptr<Held> held_;
};

}  // namespace base
