// SPDX-License-Identifier: Apache-2.0
// The elliptic curves that there are keys of, and such keys as bytes. Those bytes are the same for each key
// of a curve but for three numbers of fixed width. OpenSSL writes and reads them, too, but gathers all its
// encoders or decoders for each key that it does: an eighth of the work of a whole issuance. Included by .cpp
// files only.
#pragma once

#include <string_view>

#include "base/openssl.hpp"

namespace base {

/// What JOSE says about an elliptic curve (RFC 7518 §3.4, §6.2.1.1), and how its keys are written.
struct Curve {
    std::string_view group;  // OpenSSL's name
    int nid;
    std::string_view crv;
    std::string_view algorithm;
    int width;  // bytes of a coordinate, of r and s, and of the private number
    const EVP_MD* (*digest)();
    // ECPrivateKey (RFC 5915 §3): what stands before the private number, and between it and the point.
    std::string_view before_number;
    std::string_view before_point;
};

/// The curve of an elliptic key; nullptr for other keys, and for curves that are none of ours.
[[nodiscard]] const Curve* curve_of(const EVP_PKEY* key);

/// Its point, not compressed (SEC 1 §2.3.3): a byte, and both coordinates.
[[nodiscard]] std::string point_of(const EVP_PKEY* key, const Curve& curve);

/// PKCS #8 as OpenSSL would write it; empty if there is no private number.
[[nodiscard]] Pkcs8Ptr to_pkcs8(const EVP_PKEY* key, const Curve& curve);

/// The key in a PKCS #8 of exactly this form; empty for any other, which may still be a key.
[[nodiscard]] PkeyPtr elliptic_key_in(const PKCS8_PRIV_KEY_INFO* info);

/// SubjectPublicKeyInfo (RFC 5480 §2), written into an empty one.
[[nodiscard]] bool write_public_key(X509_PUBKEY* place, const EVP_PKEY* key, const Curve& curve);

}  // namespace base
