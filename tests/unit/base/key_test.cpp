// SPDX-License-Identifier: Apache-2.0
// Keys are read strictly, written back the same, and sign what OpenSSL on the other side verifies.
#include "base/key.hpp"

#include <algorithm>
#include <array>
#include <ostream>
#include <span>
#include <vector>

#include <doctest/doctest.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/openssl.hpp"
#include "tests/unit/base/key_fixtures.hpp"

using base::Code;
using base::KeyType;
using base::PkeyPtr;
using base::PrivateKey;
using base::Result;
using base::Secret;

namespace {

Result<PrivateKey> parse(std::string_view pem) {
    return PrivateKey::parse(Secret(std::string(pem)));
}

std::string pem_of(EVP_PKEY* key, const EVP_CIPHER* cipher = nullptr, bool traditional = false) {
    const base::BioPtr memory(BIO_new(BIO_s_mem()));
    const auto write = traditional ? PEM_write_bio_PrivateKey_traditional : PEM_write_bio_PrivateKey;
    std::array<unsigned char, 6> passphrase{'s', 'e', 's', 'a', 'm', 'e'};
    const bool locked = cipher != nullptr;
    REQUIRE(write(memory.get(), key, cipher, locked ? passphrase.data() : nullptr,
                  locked ? static_cast<int>(passphrase.size()) : 0, nullptr, nullptr) == 1);
    return base::contents(memory.get());
}

/// What a peer does with a JWS signature (RFC 7515 §5.2): OpenSSL wants ECDSA's r||s as DER again.
bool peer_accepts(const PrivateKey& key, const std::string& signature, std::string_view data,
                  const EVP_MD* digest) {
    std::string der = signature;
    if (EVP_PKEY_is_a(key.handle(), "EC") == 1) {
        const auto* bytes = reinterpret_cast<const unsigned char*>(signature.data());
        const int half = static_cast<int>(signature.size() / 2);
        const base::SignaturePtr parts(ECDSA_SIG_new());
        ECDSA_SIG_set0(parts.get(), BN_bin2bn(bytes, half, nullptr), BN_bin2bn(bytes + half, half, nullptr));
        der = base::to_der<i2d_ECDSA_SIG>(parts.get());
    }
    const base::MdContextPtr context(EVP_MD_CTX_new());
    return EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, key.handle()) == 1 &&
           EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(der.data()), der.size(),
                            reinterpret_cast<const unsigned char*>(data.data()), data.size()) == 1;
}

}  // namespace

TEST_CASE("key: fixtures have the JWK and algorithm that other tools compute") {
    struct Case {
        std::string_view name;
        std::string_view pem;
        std::string_view jwk;
        std::string_view algorithm;
    };

    for (const Case& c : std::vector<Case>{
             {"P-256, x begins with a zero byte", key_fixtures::kP256, key_fixtures::kP256Jwk, "ES256"},
             {"the same as SEC1", key_fixtures::kP256Sec1, key_fixtures::kP256Jwk, "ES256"},
             {"P-384", key_fixtures::kP384, key_fixtures::kP384Jwk, "ES384"},
             {"RSA", key_fixtures::kRsa2048, key_fixtures::kRsa2048Jwk, "RS256"},
         }) {
        CAPTURE(c.name);
        const auto key = parse(c.pem);
        REQUIRE(key.has_value());
        CHECK(key->jwk() == c.jwk);
        CHECK(key->jws_algorithm() == c.algorithm);
    }
}

TEST_CASE("key: PKCS#8 is written as it was read, also from SEC1 and PKCS#1") {
    for (const std::string_view pem : {key_fixtures::kP256, key_fixtures::kP384, key_fixtures::kRsa2048}) {
        const auto key = parse(pem);
        REQUIRE(key.has_value());
        CHECK(key->to_pem().value().reveal() == pem);
        const auto old_form = parse(pem_of(key->handle(), nullptr, /*traditional=*/true));
        REQUIRE(old_form.has_value());
        CHECK(old_form->to_pem().value().reveal() == pem);
        CHECK(old_form->public_key_der() == key->public_key_der());
    }
}

TEST_CASE("key: what is written of an elliptic key is what OpenSSL writes, to the byte, and reads") {
    for (const KeyType type : {KeyType::EcdsaP256, KeyType::EcdsaP384}) {
        for (int i = 0; i < 600; ++i) {  // some of them have a number that begins with a zero byte
            const auto key = PrivateKey::generate(type);
            REQUIRE(key.has_value());
            const auto pem = key->to_pem();
            REQUIRE(pem.has_value());
            CHECK(pem->reveal() == pem_of(key->handle()));
            CHECK(key->public_key_der() == base::to_der<i2d_PUBKEY>(key->handle()));
            const auto read = PrivateKey::parse(*pem);
            REQUIRE(read.has_value());
            CHECK(read->is_same_as(*key));
            CHECK(pem_of(read->handle()) == pem->reveal());
        }
    }
}

TEST_CASE("key: an elliptic key whose public half is not its own, or no point of its curve, is refused") {
    const PrivateKey one = PrivateKey::generate(KeyType::EcdsaP256).value();
    const PrivateKey other = PrivateKey::generate(KeyType::EcdsaP256).value();
    const auto info_of = [](const PrivateKey& key) { return base::Pkcs8Ptr(EVP_PKEY2PKCS8(key.handle())); };
    const auto half_of = [](PKCS8_PRIV_KEY_INFO* info) {
        const unsigned char* start = nullptr;
        int size = 0;
        PKCS8_pkey_get0(nullptr, &start, &size, nullptr, info);
        return std::span(const_cast<unsigned char*>(start) + size - 64, 64);
    };
    const auto pem_with = [](PKCS8_PRIV_KEY_INFO* info) {
        const base::BioPtr memory(BIO_new(BIO_s_mem()));
        REQUIRE(PEM_write_bio_PKCS8_PRIV_KEY_INFO(memory.get(), info) == 1);
        return base::contents(memory.get());
    };
    const base::Pkcs8Ptr swapped = info_of(one);
    std::ranges::copy(half_of(info_of(other).get()), half_of(swapped.get()).begin());
    CHECK(parse(pem_with(swapped.get())).error().code == Code::CryptoInvalid);
    const base::Pkcs8Ptr off_the_curve = info_of(one);
    half_of(off_the_curve.get()).back() ^= 1U;
    CHECK(parse(pem_with(off_the_curve.get())).error().code == Code::CryptoInvalid);
    CHECK(ERR_peek_error() == 0);
}

TEST_CASE("key: curve parameters in front of a SEC1 key, as `openssl ecparam` writes them, do no harm") {
    const std::string parameters =
        "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    CHECK(parse(parameters + std::string(key_fixtures::kP256Sec1)).has_value());
}

TEST_CASE("key: a compressed point makes the same pair as an uncompressed one") {
    const auto key = parse(key_fixtures::kP256);
    REQUIRE(key.has_value());
    const PkeyPtr twin(EVP_PKEY_dup(key->handle()));
    EVP_PKEY_set_utf8_string_param(twin.get(), "point-format", "compressed");
    const auto reread = parse(pem_of(twin.get()));
    REQUIRE(reread.has_value());
    CHECK(reread->public_key_der() == key->public_key_der());
    CHECK(reread->is_same_as(*key));
}

TEST_CASE("key: two keys of one type, or of two types, are not the same") {
    const auto key = PrivateKey::generate(KeyType::EcdsaP256).value();
    CHECK(key.is_same_as(key));
    for (const KeyType type : {KeyType::EcdsaP256, KeyType::EcdsaP384, KeyType::Rsa2048})
        CHECK_FALSE(key.is_same_as(PrivateKey::generate(type).value()));
}

TEST_CASE("key: every type can be made, stored, read and signed with") {
    struct Case {
        KeyType type;
        std::string_view text;
        std::size_t signature_size;
        const EVP_MD* digest;
    };

    for (const Case& c : std::vector<Case>{
             {KeyType::EcdsaP256, "ecdsa-p256", 64, EVP_sha256()},
             {KeyType::EcdsaP384, "ecdsa-p384", 96, EVP_sha384()},
             {KeyType::Rsa2048, "rsa-2048", 256, EVP_sha256()},
             {KeyType::Rsa3072, "rsa-3072", 384, EVP_sha256()},
         }) {
        CAPTURE(c.text);
        CHECK(to_string(c.type) == c.text);
        CHECK(base::parse_key_type(c.text) == c.type);
        const auto key = PrivateKey::generate(c.type);
        REQUIRE(key.has_value());
        const auto reread = PrivateKey::parse(key->to_pem().value());
        REQUIRE(reread.has_value());
        CHECK(reread->public_key_der() == key->public_key_der());
        const std::string signature = reread->jws_sign("protected.payload").value();
        CHECK(signature.size() == c.signature_size);
        CHECK(peer_accepts(*key, signature, "protected.payload", c.digest));
        CHECK_FALSE(peer_accepts(*key, signature, "protected.other", c.digest));
    }
}

TEST_CASE("key: ECDSA signatures have a fixed width, whatever r and s are") {
    // One signature in 128 has an r or s that begins with a zero byte: enough are made to meet some.
    const auto key = parse(key_fixtures::kP256);
    REQUIRE(key.has_value());
    for (int i = 0; i < 600; ++i) {
        const std::string data = std::to_string(i);
        const std::string signature = key->jws_sign(data).value();
        REQUIRE(signature.size() == 64);
        REQUIRE(peer_accepts(*key, signature, data, EVP_sha256()));
    }
}

TEST_CASE("key: what is no key of ours is refused with the reason") {
    const PkeyPtr other_curve(EVP_EC_gen("secp256k1"));
    const PkeyPtr other_type(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
    const PkeyPtr short_rsa(EVP_RSA_gen(1024U));
    const PkeyPtr good(EVP_EC_gen("P-256"));

    struct Case {
        std::string_view name;
        std::string pem;
        std::string_view says;
    };

    for (const Case& c : std::vector<Case>{
             {"nothing", "", "no private key in PEM form"},
             {"text", "hello\n", "no private key in PEM form"},
             {"cut off", std::string(key_fixtures::kP256.substr(0, 120)), "no private key in PEM form"},
             {"garbage in the body", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
              "no private key in PEM form"},
             {"too long", std::string(70'000, 'x'), "longer than 64 KiB"},
             {"encrypted PKCS#8", pem_of(good.get(), EVP_aes_256_cbc()), "encrypted with a passphrase"},
             {"encrypted in the old way", pem_of(good.get(), EVP_aes_256_cbc(), /*traditional=*/true),
              "encrypted with a passphrase"},
             {"another curve", pem_of(other_curve.get()), "curve is neither P-256 nor P-384"},
             {"a curve spelt out", std::string(key_fixtures::kSpeltOutCurve),
              "curve is neither P-256 nor P-384"},
             {"another type", pem_of(other_type.get()), "is of type ED25519"},
             {"a short RSA key", pem_of(short_rsa.get()), "RSA key of 1024 bits"},
             {"halves that are no pair", std::string(key_fixtures::kDamaged), "is damaged"},
         }) {
        CAPTURE(c.name);
        const auto key = parse(c.pem);
        REQUIRE_FALSE(key.has_value());
        CHECK(to_string(key.error().code) == "crypto/invalid");
        CAPTURE(key.error().message);
        CHECK(key.error().message.find(c.says) != std::string::npos);
    }
}

TEST_CASE("key: an unknown type names those there are") {
    CHECK(base::parse_key_type("rsa-4096") == KeyType::Rsa4096);
    const auto type = base::parse_key_type("ed25519");
    REQUIRE_FALSE(type.has_value());
    CHECK(to_string(type.error().code) == "config/wrong-value");
    CHECK(type.error().hint.find("ecdsa-p256") != std::string::npos);
}
