// SPDX-License-Identifier: Apache-2.0
#include "base/elliptic.hpp"

#include <algorithm>
#include <array>

#include <openssl/core_names.h>
#include <openssl/param_build.h>

#include "base/secret.hpp"

namespace base {

namespace {

using namespace std::string_view_literals;

constexpr std::array<Curve, 2> kCurves{{
    {SN_X9_62_prime256v1, NID_X9_62_prime256v1, "P-256", "ES256", 32, EVP_sha256,
     "\x30\x6B\x02\x01\x01\x04\x20"sv, "\xA1\x44\x03\x42\x00"sv},
    {SN_secp384r1, NID_secp384r1, "P-384", "ES384", 48, EVP_sha384, "\x30\x81\x9B\x02\x01\x01\x04\x30"sv,
     "\xA1\x64\x03\x62\x00"sv},
}};

constexpr std::string_view kUncompressed = "\x04";  // SEC 1 §2.3.3: stands before both coordinates

using ParametersPtr = std::unique_ptr<OSSL_PARAM, Deleter<OSSL_PARAM_free>>;
using ParameterBuilderPtr = std::unique_ptr<OSSL_PARAM_BLD, Deleter<OSSL_PARAM_BLD_free>>;
using PkeyContextPtr = std::unique_ptr<EVP_PKEY_CTX, Deleter<EVP_PKEY_CTX_free>>;

std::size_t width_of(const Curve& curve) {
    return static_cast<std::size_t>(curve.width);
}

/// The ECPrivateKey; empty if there is no private number.
Secret private_key_der(const EVP_PKEY* key, const Curve& curve) {
    BIGNUM* value = nullptr;
    if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &value) != 1) return {};
    const BignumPtr owned(value);
    const std::string point = point_of(key, curve);
    if (point.empty()) return {};
    std::string der(curve.before_number);
    const std::size_t at = der.size();
    der.reserve(at + width_of(curve) + curve.before_point.size() + point.size());  // leaves no copy behind
    der.resize(at + width_of(curve));
    BN_bn2binpad(value, reinterpret_cast<unsigned char*>(der.data() + at), curve.width);
    der.append(curve.before_point).append(point);
    return Secret(std::move(der));
}

/// Takes `part` off the front of `bytes` if it stands there.
bool take(std::string_view& bytes, std::string_view part) {
    if (!bytes.starts_with(part)) return false;
    bytes.remove_prefix(part.size());
    return true;
}

PkeyPtr make_key(const Curve& curve, const BIGNUM* number, std::string_view point) {
    const ParameterBuilderPtr builder(OSSL_PARAM_BLD_new());
    if (OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, curve.group.data(),
                                        curve.group.size()) != 1 ||
        OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_PRIV_KEY, number) != 1 ||
        OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                         point.size()) != 1) {
        return nullptr;
    }
    const ParametersPtr parameters(OSSL_PARAM_BLD_to_param(builder.get()));
    const PkeyContextPtr context(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
    EVP_PKEY* key = nullptr;
    if (!parameters || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
        EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_KEYPAIR, parameters.get()) != 1) {
        return nullptr;
    }
    return PkeyPtr(key);
}

/// The curve that a PKCS #8 names for an elliptic key.
const Curve* curve_named_in(const ASN1_OBJECT* algorithm, const X509_ALGOR* with_parameters) {
    int type = V_ASN1_UNDEF;
    const void* parameters = nullptr;
    X509_ALGOR_get0(nullptr, &type, &parameters, with_parameters);
    if (OBJ_obj2nid(algorithm) != NID_X9_62_id_ecPublicKey || type != V_ASN1_OBJECT) return nullptr;
    const int nid = OBJ_obj2nid(static_cast<const ASN1_OBJECT*>(parameters));
    const auto* curve = std::ranges::find(kCurves, nid, &Curve::nid);
    return curve == kCurves.end() ? nullptr : curve;
}

}  // namespace

const Curve* curve_of(const EVP_PKEY* key) {
    std::array<char, 64> group{};
    if (EVP_PKEY_get_group_name(key, group.data(), group.size(), nullptr) != 1) {
        static_cast<void>(openssl_error());
        return nullptr;
    }
    const auto* curve = std::ranges::find(kCurves, std::string_view(group.data()), &Curve::group);
    return curve == kCurves.end() ? nullptr : curve;
}

std::string point_of(const EVP_PKEY* key, const Curve& curve) {
    std::string point(kUncompressed.size() + 2 * width_of(curve), '\0');
    std::size_t size = 0;
    if (EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY,
                                        reinterpret_cast<unsigned char*>(point.data()), point.size(),
                                        &size) != 1 ||
        size != point.size()) {
        static_cast<void>(openssl_error());
        return {};
    }
    return point;
}

Pkcs8Ptr to_pkcs8(const EVP_PKEY* key, const Curve& curve) {
    const Secret der = private_key_der(key, curve);
    if (der.empty()) return nullptr;
    const std::string& bytes = der.reveal();
    Pkcs8Ptr info(PKCS8_PRIV_KEY_INFO_new());
    auto* copy = static_cast<unsigned char*>(OPENSSL_memdup(bytes.data(), bytes.size()));
    if (!info || copy == nullptr ||
        PKCS8_pkey_set0(info.get(), OBJ_nid2obj(NID_X9_62_id_ecPublicKey), /*version=*/0, V_ASN1_OBJECT,
                        OBJ_nid2obj(curve.nid), copy, static_cast<int>(bytes.size())) != 1) {
        OPENSSL_clear_free(copy, bytes.size());
        return nullptr;
    }
    return info;
}

PkeyPtr elliptic_key_in(const PKCS8_PRIV_KEY_INFO* info) {
    const ASN1_OBJECT* algorithm = nullptr;
    const X509_ALGOR* parameters = nullptr;
    const unsigned char* start = nullptr;
    int size = 0;
    if (PKCS8_pkey_get0(&algorithm, &start, &size, &parameters, info) != 1) return nullptr;
    const Curve* curve = curve_named_in(algorithm, parameters);
    if (curve == nullptr) return nullptr;
    std::string_view rest(reinterpret_cast<const char*>(start), static_cast<std::size_t>(size));
    const std::size_t width = width_of(*curve);
    if (!take(rest, curve->before_number) || rest.size() < width) return nullptr;
    const BignumPtr number(
        BN_bin2bn(reinterpret_cast<const unsigned char*>(rest.data()), curve->width, nullptr));
    rest.remove_prefix(width);
    if (!number || !take(rest, curve->before_point) || !rest.starts_with(kUncompressed) ||
        rest.size() != kUncompressed.size() + 2 * width) {
        return nullptr;
    }
    PkeyPtr key = make_key(*curve, number.get(), rest);
    if (!key) static_cast<void>(openssl_error());
    return key;
}

bool write_public_key(X509_PUBKEY* place, const EVP_PKEY* key, const Curve& curve) {
    const std::string point = point_of(key, curve);
    if (point.empty()) return false;
    auto* copy = static_cast<unsigned char*>(OPENSSL_memdup(point.data(), point.size()));
    if (copy != nullptr &&
        X509_PUBKEY_set0_param(place, OBJ_nid2obj(NID_X9_62_id_ecPublicKey), V_ASN1_OBJECT,
                               OBJ_nid2obj(curve.nid), copy, static_cast<int>(point.size())) == 1) {
        return true;
    }
    OPENSSL_free(copy);
    return false;
}

}  // namespace base
