// SPDX-License-Identifier: Apache-2.0
// Reading a request that somebody else has made. A CA would refuse most of what is refused here, too, but
// only after an order has been placed and counted.
#include <algorithm>
#include <array>
#include <cctype>
#include <memory>
#include <optional>

#include <openssl/core_names.h>
#include <openssl/objects.h>
#include <openssl/pem.h>

#include "base/encoding.hpp"
#include "base/openssl.hpp"
#include "base/request.hpp"

namespace base {

namespace {

constexpr std::size_t kRequestMax = 65536;  // bytes
constexpr int kRsaBitsMin = 2048;           // what public CAs accept (Baseline Requirements §6.1.5)
constexpr int kRsaBitsMax = 8192;           // more only burns time
constexpr int kSecurityBitsMin = 112;       // of RSA 2048, for keys of other kinds

Failure invalid(std::string message, std::string hint = {}) {
    return fail(Code::CryptoInvalid, std::move(message), std::move(hint));
}

/// OpenSSL would ask on the terminal for the passphrase of an encrypted block.
int no_passphrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*data*/) {
    return -1;
}

/// The bytes of the request, out of PEM where they are in it.
Result<std::string> der_of(std::string_view text) {
    if (text.size() > kRequestMax) return invalid("the request is longer than 64 KiB");
    if (text.find("PRIVATE KEY-----") != std::string_view::npos) {
        return invalid("there is a private key beside the request, which must not be there",
                       "put the request alone into a file: openssl req -in OLD -out NEW");
    }
    if (text.find("-----BEGIN ") == std::string_view::npos) return std::string(text);
    const BioPtr source(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
    unsigned char* bytes = nullptr;
    long size = 0;
    if (PEM_bytes_read_bio(&bytes, &size, nullptr, PEM_STRING_X509_REQ, source.get(), no_passphrase,
                           nullptr) != 1) {
        static_cast<void>(openssl_error());
        return invalid("there is no whole CERTIFICATE REQUEST block in it");
    }
    const std::unique_ptr<unsigned char, MemoryDeleter> owned(bytes);
    return std::string(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
}

Result<std::string> elliptic_type(EVP_PKEY* key) {
    int spelt_out = 0;
    EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &spelt_out);
    std::array<char, 64> group{};
    if (spelt_out == 1 || EVP_PKEY_get_group_name(key, group.data(), group.size(), nullptr) != 1) {
        static_cast<void>(openssl_error());
        return invalid("the curve of its key is spelt out instead of named, which CAs do not take");
    }
    // A request may hold the compressed point; certificates do not, and keys are compared by bytes.
    EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
                                   OSSL_PKEY_EC_POINT_CONVERSION_FORMAT_UNCOMPRESSED);
    const std::string_view curve(group.data());
    if (curve == SN_X9_62_prime256v1) return "ecdsa-p256";
    if (curve == SN_secp384r1) return "ecdsa-p384";
    return "ecdsa-" + std::string(curve);
}

/// The kind and size of the key, as `key_type` has it.
Result<std::string> check_key(EVP_PKEY* key) {
    const int bits = EVP_PKEY_get_bits(key);
    if (EVP_PKEY_is_a(key, "RSA") == 1) {
        if (bits >= kRsaBitsMin && bits <= kRsaBitsMax) return "rsa-" + std::to_string(bits);
        return invalid(
            "its key is an RSA key of " + std::to_string(bits) + " bits; 2048 to 8192 are accepted",
            "make a new key and a new request");
    }
    const char* name = EVP_PKEY_get0_type_name(key);
    std::string kind = name == nullptr ? "unknown" : name;
    if (EVP_PKEY_get_security_bits(key) < kSecurityBitsMin) {
        return invalid("its key (" + kind + ", " + std::to_string(bits) + " bits) is too weak",
                       "make a new key, ECDSA P-256 or RSA 2048 at least, and a new request");
    }
    if (EVP_PKEY_is_a(key, "EC") == 1) return elliptic_type(key);
    std::ranges::transform(kind, kind.begin(), [](unsigned char c) { return std::tolower(c); });
    return kind;
}

Result<void> check_signature(X509_REQ* request, EVP_PKEY* key) {
    int digest = NID_undef;
    OBJ_find_sigid_algs(X509_REQ_get_signature_nid(request), &digest, nullptr);
    if (digest == NID_md5 || digest == NID_sha1) {
        return invalid("it is signed with " + std::string(OBJ_nid2sn(digest)) + ", which CAs do not take",
                       "make it again with -sha256");
    }
    if (X509_REQ_verify(request, key) == 1) return {};
    static_cast<void>(openssl_error());
    return invalid("its signature is not that of its own key: it is damaged, or the key is another's",
                   "make the request again");
}

/// A name of a kind that RFC 8555 has identifiers for.
Result<Identifier> name_of(const GENERAL_NAME* name) {
    if (name->type != GEN_DNS && name->type != GEN_IPADD) {
        return invalid("it asks for an alternative name that is neither a DNS name nor an IP address",
                       "make it again with DNS: and IP: names only");
    }
    if (auto known = identifier_of(name)) return std::move(*known);
    const ASN1_STRING* text = name->type == GEN_DNS ? name->d.dNSName : name->d.iPAddress;
    return invalid("its alternative name \"" + printable(string_of(text), 100) +
                   (name->type == GEN_DNS ? "\" is no DNS name" : "\" is no IP address"));
}

Result<std::vector<Identifier>> names_of(X509_REQ* request) {
    const ExtensionsPtr extensions(X509_REQ_get_extensions(request));
    int critical = 0;
    const GeneralNamesPtr all(static_cast<GENERAL_NAMES*>(
        X509V3_get_d2i(extensions.get(), NID_subject_alt_name, &critical, nullptr)));
    static_cast<void>(openssl_error());
    std::vector<Identifier> names;
    for (int i = 0; i < sk_GENERAL_NAME_num(all.get()); ++i) {
        Identifier name = TRY(name_of(sk_GENERAL_NAME_value(all.get(), i)));
        if (std::ranges::find(names, name) == names.end()) names.push_back(std::move(name));
    }
    if (names.empty()) {
        return invalid("it has no subject alternative names",
                       "make it again with the names: openssl req -new -key KEY -subj / -addext "
                       "subjectAltName=DNS:www.example.com,DNS:example.com");
    }
    return names;
}

Result<void> check_common_name(X509_REQ* request, const std::vector<Identifier>& names) {
    const X509_NAME* subject = X509_REQ_get_subject_name(request);
    for (int at = -1; (at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0;) {
        const std::string text = string_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
        const auto name = parse_identifier(text);
        if (name && std::ranges::find(names, *name) != names.end()) continue;
        return invalid("its common name \"" + printable(text, 100) +
                           "\" is not among its alternative names; a CA would count it as one more",
                       "make it again without a common name, or with that name among the others");
    }
    return {};
}

}  // namespace

std::string Request::key_sha256() const {
    return sha256_hex(public_key_der);
}

Result<Request> parse_request(std::string_view text) {
    Request request{.der = TRY(der_of(text))};
    const auto* in = reinterpret_cast<const unsigned char*>(request.der.data());
    const unsigned char* end = in + request.der.size();
    const RequestPtr parsed(d2i_X509_REQ(nullptr, &in, static_cast<long>(request.der.size())));
    if (!parsed) {
        static_cast<void>(openssl_error());
        return invalid("it is no certificate request (PKCS#10, PEM or DER)");
    }
    if (in != end) return invalid("there are bytes behind the request");
    EVP_PKEY* key = X509_REQ_get0_pubkey(parsed.get());
    if (key == nullptr) return invalid("its public key cannot be read: " + openssl_error());
    request.key_type = TRY(check_key(key));
    TRY(check_signature(parsed.get(), key));
    request.public_key_der = to_der<i2d_PUBKEY>(key);
    request.names = TRY(names_of(parsed.get()));
    TRY(check_common_name(parsed.get(), request.names));
    return request;
}

}  // namespace base
