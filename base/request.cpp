// SPDX-License-Identifier: Apache-2.0
// Writing certificates and requests: what we ask a CA for, and what we sign ourselves until it has answered.
// Extensions are built as objects, never from configuration text: a name must not be able to add one.
#include <array>
#include <optional>

#include <openssl/rand.h>

#include "base/certificate.hpp"
#include "base/elliptic.hpp"
#include "base/openssl.hpp"

namespace base {

namespace {

constexpr std::size_t kCommonNameMax = 64;  // RFC 5280 appendix A.1, ub-common-name
constexpr std::size_t kSerialSize = 16;     // bytes; RFC 5280 §4.1.2.2 allows 20

Failure refused(std::string_view what) {
    return fail(Code::InternalUnexpected,
                "OpenSSL could not make " + std::string(what) + ": " + openssl_error());
}

const EVP_MD* digest_for(const PrivateKey& key) {
    return EVP_PKEY_get_security_bits(key.handle()) > 128 && EVP_PKEY_is_a(key.handle(), "EC") == 1
               ? EVP_sha384()
               : EVP_sha256();
}

bool set_bytes(ASN1_STRING* string, std::string_view bytes) {
    return ASN1_STRING_set(string, bytes.data(), static_cast<int>(bytes.size())) == 1;
}

GENERAL_NAME* general_name(const Identifier& identifier) {
    std::unique_ptr<GENERAL_NAME, Deleter<GENERAL_NAME_free>> name(GENERAL_NAME_new());
    const bool address = identifier.type == IdentifierType::Ip;
    std::unique_ptr<ASN1_STRING, Deleter<ASN1_STRING_free>> value(
        ASN1_STRING_type_new(address ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING));
    if (!name || !value ||
        !set_bytes(value.get(), address ? address_bytes(identifier.value) : identifier.value)) {
        return nullptr;
    }
    GENERAL_NAME_set0_value(name.get(), address ? GEN_IPADD : GEN_DNS, value.release());
    return name.release();
}

ExtensionPtr alternative_names(const std::vector<Identifier>& names) {
    const GeneralNamesPtr all(GENERAL_NAMES_new());
    for (const Identifier& identifier : names) {
        GENERAL_NAME* name = general_name(identifier);
        if (name == nullptr || sk_GENERAL_NAME_push(all.get(), name) == 0) return nullptr;
    }
    return ExtensionPtr(X509V3_EXT_i2d(NID_subject_alt_name, /*crit=*/0, all.get()));
}

/// An extension whose value is the same for every certificate, from OpenSSL's own words for it.
bool add_fixed(X509* certificate, int nid, const char* value) {
    const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, nullptr, nid, value));
    return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool add_critical(X509* certificate, const OctetExtension& wanted) {
    using StringPtr = std::unique_ptr<ASN1_OCTET_STRING, Deleter<ASN1_OCTET_STRING_free>>;
    const std::unique_ptr<ASN1_OBJECT, Deleter<ASN1_OBJECT_free>> oid(OBJ_txt2obj(wanted.oid.c_str(), 1));
    const StringPtr inner(ASN1_OCTET_STRING_new());
    const StringPtr outer(ASN1_OCTET_STRING_new());
    // An extension's value is DER inside of an OCTET STRING (RFC 5280 §4.1), and this DER is one, too.
    if (!oid || !inner || !outer || !set_bytes(inner.get(), wanted.bytes) ||
        !set_bytes(outer.get(), to_der<i2d_ASN1_OCTET_STRING>(inner.get()))) {
        return false;
    }
    const ExtensionPtr extension(X509_EXTENSION_create_by_OBJ(nullptr, oid.get(), /*crit=*/1, outer.get()));
    return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool set_time(ASN1_TIME* time, Instant instant) {
    return ASN1_TIME_adj(time, static_cast<std::time_t>(instant.time_since_epoch().count()), 0, 0) != nullptr;
}

bool set_random_serial(X509* certificate) {
    std::array<unsigned char, kSerialSize> bytes{};
    if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) return false;
    bytes[0] = static_cast<unsigned char>((bytes[0] & 0x7FU) | 0x40U);  // positive, and always as long
    const BignumPtr number(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr));
    return number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

/// Subject and issuer, which RFC 5280 §4.1.2.4 does not let be empty.
bool set_own_name(X509* certificate, const std::string& first_name) {
    const std::string common_name = first_name.size() <= kCommonNameMax ? first_name : "renewd placeholder";
    X509_NAME* name = X509_get_subject_name(certificate);
    const auto* text = reinterpret_cast<const unsigned char*>(common_name.c_str());
    return X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, text, -1, -1, 0) == 1 &&
           X509_set_issuer_name(certificate, name) == 1;
}

bool set_public_key(X509_REQ* request, const PrivateKey& key) {
    const Curve* curve = curve_of(key.handle());
    return curve != nullptr ? write_public_key(X509_REQ_get_X509_PUBKEY(request), key.handle(), *curve)
                            : X509_REQ_set_pubkey(request, key.handle()) == 1;
}

}  // namespace

Result<std::string> make_request(const PrivateKey& key, const std::vector<Identifier>& names) {
    if (names.empty()) return fail(Code::CryptoInvalid, "a certificate request needs at least one name");
    const RequestPtr request(X509_REQ_new());
    const ExtensionPtr alternatives = alternative_names(names);
    STACK_OF(X509_EXTENSION)* stack = nullptr;
    if (alternatives) X509v3_add_ext(&stack, alternatives.get(), -1);  // makes the stack, and copies into it
    const ExtensionsPtr extensions(stack);
    if (!request || !extensions || X509_REQ_set_version(request.get(), X509_REQ_VERSION_1) != 1 ||
        !set_public_key(request.get(), key) ||
        X509_REQ_add_extensions(request.get(), extensions.get()) != 1 ||
        X509_REQ_sign(request.get(), key.handle(), digest_for(key)) <= 0) {
        return refused("a certificate request");
    }
    return to_der<i2d_X509_REQ>(request.get());
}

Result<Certificate> self_sign(const PrivateKey& key, const std::vector<Identifier>& names, Instant not_before,
                              Instant not_after, const std::optional<OctetExtension>& extension) {
    if (names.empty()) return fail(Code::CryptoInvalid, "a self-signed certificate needs at least one name");
    const CertificatePtr certificate(X509_new());
    const ExtensionPtr alternatives = alternative_names(names);
    if (!certificate || !alternatives || X509_set_version(certificate.get(), X509_VERSION_3) != 1 ||
        !set_random_serial(certificate.get()) || !set_own_name(certificate.get(), names.front().value) ||
        !set_time(X509_getm_notBefore(certificate.get()), not_before) ||
        !set_time(X509_getm_notAfter(certificate.get()), not_after) ||
        X509_set_pubkey(certificate.get(), key.handle()) != 1 ||
        X509_add_ext(certificate.get(), alternatives.get(), -1) != 1 ||
        !add_fixed(certificate.get(), NID_basic_constraints, "critical,CA:FALSE") ||
        !add_fixed(certificate.get(), NID_ext_key_usage, "serverAuth") ||
        (extension && !add_critical(certificate.get(), *extension)) ||
        X509_sign(certificate.get(), key.handle(), digest_for(key)) <= 0) {
        return refused("a self-signed certificate");
    }
    return Certificate::share(certificate.get());
}

}  // namespace base
