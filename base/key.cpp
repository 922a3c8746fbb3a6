// SPDX-License-Identifier: Apache-2.0
#include "base/key.hpp"

#include <algorithm>
#include <array>
#include <mutex>

#include <openssl/core_names.h>
#include <openssl/decoder.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "base/elliptic.hpp"
#include "base/encoding.hpp"
#include "base/openssl.hpp"

namespace base {

namespace {

constexpr std::size_t kPemMax = 65536;  // bytes; an RSA key of 8192 bits takes 6,500
constexpr int kRsaBitsMin = 2048;       // what public CAs accept (Baseline Requirements §6.1.5)
constexpr int kRsaBitsMax = 8192;       // more only burns time, the peer's too

struct TypeName {
    KeyType type;
    std::string_view name;
};

constexpr std::array<TypeName, 5> kTypeNames{{
    {KeyType::EcdsaP256, "ecdsa-p256"},
    {KeyType::EcdsaP384, "ecdsa-p384"},
    {KeyType::Rsa2048, "rsa-2048"},
    {KeyType::Rsa3072, "rsa-3072"},
    {KeyType::Rsa4096, "rsa-4096"},
}};

const EVP_MD* digest_of(const EVP_PKEY* key) {
    const Curve* curve = curve_of(key);
    return curve != nullptr ? curve->digest() : EVP_sha256();
}

/// A number of the public key, big-endian.
std::string number(const EVP_PKEY* key, const char* name) {
    BIGNUM* value = nullptr;
    if (EVP_PKEY_get_bn_param(key, name, &value) != 1) return {};
    const BignumPtr owned(value);
    std::string bytes(static_cast<std::size_t>(BN_num_bytes(value)), '\0');
    BN_bn2bin(value, reinterpret_cast<unsigned char*>(bytes.data()));
    return bytes;
}

/// A signature with the key's own digest, as OpenSSL writes it; empty where it cannot sign.
std::string sign(EVP_PKEY* key, std::string_view data) {
    const MdContextPtr context(EVP_MD_CTX_new());
    const auto* bytes = reinterpret_cast<const unsigned char*>(data.data());
    std::size_t size = 0;
    if (EVP_DigestSignInit(context.get(), nullptr, digest_of(key), nullptr, key) != 1 ||
        EVP_DigestSign(context.get(), nullptr, &size, bytes, data.size()) != 1) {
        return {};
    }
    std::string signature(size, '\0');
    auto* out = reinterpret_cast<unsigned char*>(signature.data());
    if (EVP_DigestSign(context.get(), out, &size, bytes, data.size()) != 1) return {};
    signature.resize(size);
    return signature;
}

bool verifies(EVP_PKEY* key, std::string_view signature, std::string_view data) {
    const MdContextPtr context(EVP_MD_CTX_new());
    return EVP_DigestVerifyInit(context.get(), nullptr, digest_of(key), nullptr, key) == 1 &&
           EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(signature.data()),
                            signature.size(), reinterpret_cast<const unsigned char*>(data.data()),
                            data.size()) == 1;
}

/// r||s of fixed width from the DER sequence of two integers that OpenSSL writes (RFC 7518 §3.4).
std::string fixed_width(const std::string& der, int width) {
    const auto* in = reinterpret_cast<const unsigned char*>(der.data());
    const SignaturePtr signature(d2i_ECDSA_SIG(nullptr, &in, static_cast<long>(der.size())));
    if (!signature) return {};
    std::string joined(static_cast<std::size_t>(width) * 2, '\0');
    auto* out = reinterpret_cast<unsigned char*>(joined.data());
    BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), out, width);
    BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), out + width, width);
    return joined;
}

/// OpenSSL would ask on the terminal for a passphrase; we only remember that it wanted to.
int refuse_passphrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* asked) {
    *static_cast<bool*>(asked) = true;
    return -1;
}

/// What an unencrypted PKCS #8 file holds; empty for other files.
Pkcs8Ptr pkcs8_in(const std::string& pem) {
    const BioPtr source(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    bool encrypted = false;
    Pkcs8Ptr info(PEM_read_bio_PKCS8_PRIV_KEY_INFO(source.get(), nullptr, refuse_passphrase, &encrypted));
    if (!info) static_cast<void>(openssl_error());
    return info;
}

/// The type that it gives for its key; nullptr for those that are none of ours.
const char* type_in(const PKCS8_PRIV_KEY_INFO* info) {
    const ASN1_OBJECT* algorithm = nullptr;
    PKCS8_pkey_get0(&algorithm, nullptr, nullptr, nullptr, info);
    const int type = OBJ_obj2nid(algorithm);
    if (type == NID_X9_62_id_ecPublicKey) return "EC";
    return type == NID_rsaEncryption ? "RSA" : nullptr;
}

/// The key in a file like those we write. OpenSSL finds every kind of key in every kind of file, too, but
/// gathers all its decoders for that: several times the work, once a certificate.
PkeyPtr read_pkcs8(const std::string& pem) {
    const Pkcs8Ptr info = pkcs8_in(pem);
    const char* type = info ? type_in(info.get()) : nullptr;
    if (type == nullptr) return nullptr;
    if (PkeyPtr key = elliptic_key_in(info.get()); key) return key;
    EVP_PKEY* key = nullptr;
    const DecoderPtr decoder(OSSL_DECODER_CTX_new_for_pkey(&key, "PEM", "PrivateKeyInfo", type,
                                                           EVP_PKEY_KEYPAIR, nullptr, nullptr));
    const auto* bytes = reinterpret_cast<const unsigned char*>(pem.data());
    std::size_t size = pem.size();
    if (!decoder || OSSL_DECODER_from_data(decoder.get(), &bytes, &size) != 1)
        static_cast<void>(openssl_error());
    return PkeyPtr(key);
}

Failure invalid(std::string message, std::string hint = {}) {
    return fail(Code::CryptoInvalid, std::move(message), std::move(hint));
}

Result<void> check_elliptic(EVP_PKEY* key) {
    int spelt_out = 0;
    EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &spelt_out);
    if (spelt_out == 1 || curve_of(key) == nullptr) {
        return invalid("the private key's curve is neither P-256 nor P-384 (by name)",
                       "make a new key: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256");
    }
    // A file may hold the compressed point; certificates and JWKs do not, and pairs are compared by bytes.
    EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
                                   OSSL_PKEY_EC_POINT_CONVERSION_FORMAT_UNCOMPRESSED);
    return {};
}

Result<void> check_rsa(const EVP_PKEY* key) {
    const int bits = EVP_PKEY_get_bits(key);
    if (bits >= kRsaBitsMin && bits <= kRsaBitsMax) return {};
    return invalid("the private key is an RSA key of " + std::to_string(bits) +
                   " bits; 2048 to 8192 are accepted");
}

Result<void> check(EVP_PKEY* key) {
    if (EVP_PKEY_is_a(key, "EC") == 1) {
        TRY(check_elliptic(key));
    } else if (EVP_PKEY_is_a(key, "RSA") == 1) {
        TRY(check_rsa(key));
    } else {
        const char* type = EVP_PKEY_get0_type_name(key);
        return invalid("the private key is of type " + std::string(type != nullptr ? type : "unknown") +
                       "; RSA and ECDSA are accepted");
    }
    // A damaged file can hold a public half that is not the private one's: it would pair with the certificate
    // and fail in every handshake.
    constexpr std::string_view kSample = "renewd";
    if (verifies(key, sign(key, kSample), kSample)) return {};
    static_cast<void>(openssl_error());
    return invalid("the private key is damaged: what it signs does not verify with its own public half");
}

std::string write_public_half(const EVP_PKEY* key) {
    const Curve* curve = curve_of(key);
    if (curve == nullptr) return to_der<i2d_PUBKEY>(key);
    const PublicKeyPtr written(X509_PUBKEY_new());
    if (!written || !write_public_key(written.get(), key, *curve)) return {};
    return to_der<i2d_X509_PUBKEY>(written.get());
}

}  // namespace

std::string_view to_string(KeyType type) {
    return std::ranges::find(kTypeNames, type, &TypeName::type)->name;
}

Result<KeyType> parse_key_type(std::string_view text) {
    const auto* entry = std::ranges::find(kTypeNames, text, &TypeName::name);
    if (entry != kTypeNames.end()) return entry->type;
    return fail(Code::ConfigWrongValue, "\"" + printable(text, 40) + "\" is no key type",
                "ecdsa-p256, ecdsa-p384, rsa-2048, rsa-3072, rsa-4096");
}

struct PrivateKey::Held {
    PkeyPtr key;
    std::once_flag once{};
    std::string public_key_der{};
};

PrivateKey::PrivateKey(evp_pkey_st* owned) : held_(std::make_shared<Held>(PkeyPtr(owned))) {}

evp_pkey_st* PrivateKey::handle() const {
    return held_->key.get();
}

Result<PrivateKey> PrivateKey::generate(KeyType type) {
    const auto make = [type]() -> EVP_PKEY* {
        switch (type) {
            case KeyType::EcdsaP256:
                return EVP_EC_gen(SN_X9_62_prime256v1);
            case KeyType::EcdsaP384:
                return EVP_EC_gen(SN_secp384r1);
            case KeyType::Rsa2048:
                return EVP_RSA_gen(2048U);
            case KeyType::Rsa3072:
                return EVP_RSA_gen(3072U);
            case KeyType::Rsa4096:
                return EVP_RSA_gen(4096U);
        }
        return nullptr;
    };
    EVP_PKEY* key = make();
    if (key == nullptr) {
        return fail(Code::InternalUnexpected, "OpenSSL could not make a key: " + openssl_error());
    }
    return PrivateKey(key);
}

Result<PrivateKey> PrivateKey::parse(const Secret& pem) {
    const std::string& text = pem.reveal();
    if (text.size() > kPemMax) return invalid("the private key is longer than 64 KiB");
    const BioPtr source(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
    bool encrypted = false;
    PkeyPtr key = read_pkcs8(text);
    if (!key) key.reset(PEM_read_bio_PrivateKey(source.get(), nullptr, refuse_passphrase, &encrypted));
    if (encrypted) {
        static_cast<void>(openssl_error());
        return invalid(
            "the private key is encrypted with a passphrase; an agent has nobody to ask for it",
            "store it without one: openssl pkey -in OLD -out NEW (and keep NEW readable by its owner only)");
    }
    if (!key) return invalid("no private key in PEM form: " + openssl_error());
    TRY(check(key.get()));
    return PrivateKey(key.release());
}

Result<Secret> PrivateKey::to_pem() const {
    const BioPtr memory(BIO_new(BIO_s_mem()));
    const Curve* curve = curve_of(handle());
    const Pkcs8Ptr info = curve != nullptr ? to_pkcs8(handle(), *curve) : nullptr;
    const int written =
        info ? PEM_write_bio_PKCS8_PRIV_KEY_INFO(memory.get(), info.get())
             : PEM_write_bio_PKCS8PrivateKey(memory.get(), handle(), nullptr, nullptr, 0, nullptr, nullptr);
    if (written != 1) {
        return fail(Code::InternalUnexpected, "OpenSSL could not write a private key: " + openssl_error());
    }
    return Secret(contents(memory.get()));
}

std::string PrivateKey::public_key_der() const {
    std::call_once(held_->once, [this] { held_->public_key_der = write_public_half(handle()); });
    return held_->public_key_der;
}

bool PrivateKey::is_same_as(const PrivateKey& other) const {
    const bool is_same = EVP_PKEY_eq(handle(), other.handle()) == 1;
    if (!is_same) static_cast<void>(openssl_error());
    return is_same;
}

std::string PrivateKey::jws_algorithm() const {
    const Curve* curve = curve_of(handle());
    return std::string(curve != nullptr ? curve->algorithm : "RS256");
}

Result<std::string> PrivateKey::jws_sign(std::string_view data) const {
    std::string signature = sign(handle(), data);
    const Curve* curve = curve_of(handle());
    if (!signature.empty() && curve != nullptr) signature = fixed_width(signature, curve->width);
    if (signature.empty())
        return fail(Code::InternalUnexpected, "OpenSSL could not sign: " + openssl_error());
    return signature;
}

std::string PrivateKey::jwk() const {
    if (const Curve* curve = curve_of(handle()); curve != nullptr) {
        const std::string point = point_of(handle(), *curve);
        if (point.empty()) return {};
        const std::string_view both = std::string_view(point).substr(1);
        const auto width = static_cast<std::size_t>(curve->width);
        return R"({"crv":")" + std::string(curve->crv) + R"(","kty":"EC","x":")" +
               base64url(both.substr(0, width)) + R"(","y":")" + base64url(both.substr(width)) + R"("})";
    }
    return R"({"e":")" + base64url(number(handle(), OSSL_PKEY_PARAM_RSA_E)) + R"(","kty":"RSA","n":")" +
           base64url(number(handle(), OSSL_PKEY_PARAM_RSA_N)) + R"("})";
}

}  // namespace base
