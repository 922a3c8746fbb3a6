// SPDX-License-Identifier: Apache-2.0
// A certificate authority for tests: root, intermediate, leaf, made with OpenSSL in a millisecond each (all
// keys P-256). Shared by the tests of base, acme and deployers. It signs whatever it is told to: tests of
// what we must refuse need certificates that no decent CA would issue.
//
//   const Authority root = make_root("Test Root");
//   const Authority intermediate = make_intermediate(root, "Test Intermediate");
//   const Certificate leaf = issue(intermediate, {.public_key = key.handle(), .names = names,
//                                                 .not_before = from, .not_after = until});
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/certificate.hpp"
#include "base/openssl.hpp"

namespace test_ca {

struct Authority {
    base::PrivateKey key;
    base::Certificate certificate;
};

/// 2020-01-01 and 2060-01-01: how long an authority is valid if nothing else is said.
inline constexpr base::Instant kAuthorityFrom{base::Seconds(1'577'836'800)};
inline constexpr base::Instant kAuthorityUntil{base::Seconds(2'840'140'800)};

/// What issue() is asked for.
struct Leaf {
    EVP_PKEY* public_key = nullptr;  // borrowed: PrivateKey::handle(), or what X509_REQ_get0_pubkey says
    std::vector<base::Identifier> names{};
    base::Instant not_before = kAuthorityFrom;
    base::Instant not_after = kAuthorityUntil;
    bool is_ca = false;
    std::string extra_names{};  // OpenSSL's words for more alternative names: "email:a@example.com,DNS:a_b"
};

inline void require(bool done) {
    if (!done) throw std::runtime_error("test_ca: " + base::openssl_error());
}

inline void add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
    X509V3_CTX context{};
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    const base::ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
    require(extension && X509_add_ext(certificate, extension.get(), -1) == 1);
}

/// Everything but extensions and signature.
inline base::CertificatePtr begin_certificate(const std::string& common_name, EVP_PKEY* public_key,
                                              base::Instant from, base::Instant until) {
    base::CertificatePtr certificate(X509_new());
    X509_set_version(certificate.get(), X509_VERSION_3);
    const base::BignumPtr serial(BN_new());
    BN_rand(serial.get(), 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY);
    BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(certificate.get()));
    ASN1_TIME_adj(X509_getm_notBefore(certificate.get()), from.time_since_epoch().count(), 0, 0);
    ASN1_TIME_adj(X509_getm_notAfter(certificate.get()), until.time_since_epoch().count(), 0, 0);
    if (!common_name.empty()) {
        X509_NAME_add_entry_by_NID(X509_get_subject_name(certificate.get()), NID_commonName, MBSTRING_UTF8,
                                   reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1, 0);
    }
    require(X509_set_pubkey(certificate.get(), public_key) == 1);
    return certificate;
}

/// `issuer` is nullptr for a root, which issues itself.
inline Authority make_authority(const Authority* issuer, const std::string& common_name,
                                base::Instant until) {
    base::PrivateKey key = base::PrivateKey::generate(base::KeyType::EcdsaP256).value();
    const base::CertificatePtr certificate =
        begin_certificate(common_name, key.handle(), kAuthorityFrom, until);
    X509* signer = issuer != nullptr ? issuer->certificate.handle() : certificate.get();
    X509_set_issuer_name(certificate.get(), X509_get_subject_name(signer));
    add_extension(certificate.get(), signer, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(certificate.get(), signer, NID_key_usage, "critical,keyCertSign,cRLSign");
    add_extension(certificate.get(), signer, NID_subject_key_identifier, "hash");
    add_extension(certificate.get(), signer, NID_authority_key_identifier, "keyid:always");
    EVP_PKEY* signing_key = issuer != nullptr ? issuer->key.handle() : key.handle();
    require(X509_sign(certificate.get(), signing_key, EVP_sha256()) > 0);
    return {.key = key, .certificate = base::Certificate::share(certificate.get())};
}

inline Authority make_root(const std::string& common_name, base::Instant until = kAuthorityUntil) {
    return make_authority(nullptr, common_name, until);
}

inline Authority make_intermediate(const Authority& issuer, const std::string& common_name,
                                   base::Instant until = kAuthorityUntil) {
    return make_authority(&issuer, common_name, until);
}

inline base::Certificate issue(const Authority& issuer, const Leaf& leaf) {
    const base::CertificatePtr certificate =
        begin_certificate({}, leaf.public_key, leaf.not_before, leaf.not_after);
    X509* signer = issuer.certificate.handle();
    X509_set_issuer_name(certificate.get(), X509_get_subject_name(signer));
    std::string names = leaf.extra_names;
    for (const base::Identifier& identifier : leaf.names) {
        names += std::string(names.empty() ? "" : ",") +
                 (identifier.type == base::IdentifierType::Ip ? "IP:" : "DNS:") + identifier.value;
    }
    if (!names.empty()) add_extension(certificate.get(), signer, NID_subject_alt_name, names);
    add_extension(certificate.get(), signer, NID_basic_constraints,
                  leaf.is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
    add_extension(certificate.get(), signer, NID_ext_key_usage, "serverAuth");
    add_extension(certificate.get(), signer, NID_authority_key_identifier, "keyid:always");
    require(X509_sign(certificate.get(), issuer.key.handle(), EVP_sha256()) > 0);
    return base::Certificate::share(certificate.get());
}

}  // namespace test_ca
