// SPDX-License-Identifier: Apache-2.0
// Reading certificates and chains. What is read comes from a CA, a file or a stranger's server, so sizes are
// bounded and everything a reader may ask later is checked once, here.
#include "base/certificate.hpp"

#include <algorithm>
#include <ctime>
#include <optional>

#include <openssl/pem.h>

#include "base/encoding.hpp"
#include "base/openssl.hpp"
#include "base/text.hpp"

namespace base {

namespace {

constexpr std::size_t kChainMax = 65536;  // bytes of PEM
constexpr std::string_view kBlank = " \t\r\n";
constexpr std::string_view kBegin = "-----BEGIN ";
constexpr std::string_view kEnd = "-----END ";
constexpr std::string_view kDashes = "-----";

Failure invalid(std::string message) {
    return fail(Code::CryptoInvalid, std::move(message));
}

std::optional<Instant> instant_of(const ASN1_TIME* time) {
    std::tm parts{};
    if (ASN1_TIME_to_tm(time, &parts) != 1) {
        static_cast<void>(openssl_error());
        return std::nullopt;
    }
    const std::chrono::year_month_day day{std::chrono::year(parts.tm_year + 1900),
                                          std::chrono::month(static_cast<unsigned>(parts.tm_mon + 1)),
                                          std::chrono::day(static_cast<unsigned>(parts.tm_mday))};
    return std::chrono::sys_days(day) + std::chrono::hours(parts.tm_hour) +
           std::chrono::minutes(parts.tm_min) + Seconds(parts.tm_sec);
}

/// RFC 2253 text of a name, UTF-8 kept, safe for a terminal.
std::string name_text(const X509_NAME* name) {
    const BioPtr memory(BIO_new(BIO_s_mem()));
    X509_NAME_print_ex(memory.get(), name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
    return printable(contents(memory.get()));
}

/// The bytes of one PEM body: base64 in lines, no headers.
std::optional<std::string> decode_body(std::string_view body) {
    if (body.find_first_of("-_") != std::string_view::npos) return std::nullopt;
    std::string text;
    std::ranges::copy_if(body, std::back_inserter(text),
                         [](char character) { return kBlank.find(character) == std::string_view::npos; });
    const std::size_t size = text.find('=') == std::string::npos ? text.size() : text.find('=');
    const std::size_t padding = text.size() - size;
    if (text.size() % 4 != 0 || padding > 2 || text.find_first_not_of('=', size) != std::string::npos) {
        return std::nullopt;
    }
    text.resize(size);
    std::ranges::replace(text, '+', '-');
    std::ranges::replace(text, '/', '_');
    return parse_base64url(text);
}

struct Block {
    std::string_view label;
    std::string_view body;
};

/// Takes the next PEM block off the front of `text` (RFC 7468 §3); between blocks only blanks are tolerated.
Result<Block> take_block(std::string_view& text) {
    const std::string_view start = trimmed(text, kBlank);
    if (!start.starts_with(kBegin)) {
        return invalid("there is something other than certificates in the chain: \"" +
                       printable(start.substr(0, start.find('\n')), 60) + "\"");
    }
    const std::size_t label_end = start.find(kDashes, kBegin.size());
    if (label_end == std::string_view::npos) return invalid("a PEM block has no complete first line");
    const std::string_view label = start.substr(kBegin.size(), label_end - kBegin.size());
    const std::string end = std::string(kEnd) + std::string(label) + std::string(kDashes);
    const std::string_view rest = start.substr(label_end + kDashes.size());
    const std::size_t body_end = rest.find(end);
    if (body_end == std::string_view::npos) {
        return invalid("the PEM block " + printable(label, 40) + " has no end: the chain was cut off");
    }
    text = rest.substr(body_end + end.size());
    return Block{.label = label, .body = rest.substr(0, body_end)};
}

Result<Certificate> parse_block(const Block& block) {
    if (block.label.ends_with("PRIVATE KEY"))
        return invalid("it is a private key, which must never be in a chain");
    if (block.label != "CERTIFICATE") {
        return invalid("it is of the kind " + printable(block.label, 40) +
                       "; only CERTIFICATE may be in a chain");
    }
    const std::optional<std::string> der = decode_body(block.body);
    if (!der) return invalid("it is not base64");
    return Certificate::parse_der(*der);
}

}  // namespace

Result<Certificate> Certificate::parse_der(std::string_view der) {
    if (der.size() > kChainMax) return invalid("the certificate is longer than 64 KiB");
    const auto* in = reinterpret_cast<const unsigned char*>(der.data());
    const unsigned char* end = in + der.size();
    CertificatePtr certificate(d2i_X509(nullptr, &in, static_cast<long>(der.size())));
    if (!certificate) return invalid("it is no certificate: " + openssl_error());
    if (in != end) return invalid("there are bytes behind the certificate");
    if (!instant_of(X509_get0_notBefore(certificate.get())) ||
        !instant_of(X509_get0_notAfter(certificate.get()))) {
        return invalid("the certificate's validity is no time");
    }
    if (X509_get0_pubkey(certificate.get()) == nullptr) {
        return invalid("the certificate's public key cannot be read: " + openssl_error());
    }
    return Certificate(std::shared_ptr<X509>(std::move(certificate)));
}

Certificate Certificate::share(x509_st* certificate) {
    X509_up_ref(certificate);
    return Certificate(std::shared_ptr<X509>(certificate, X509_free));
}

std::string Certificate::der() const {
    return to_der<i2d_X509>(handle());
}

std::string Certificate::pem() const {
    const BioPtr memory(BIO_new(BIO_s_mem()));
    PEM_write_bio_X509(memory.get(), handle());
    return contents(memory.get());
}

std::string Certificate::sha256() const {
    return sha256_hex(der());
}

std::string Certificate::serial() const {
    return hex(string_of(X509_get0_serialNumber(handle())));
}

std::string Certificate::serial_octets() const {
    unsigned char* der = nullptr;
    const int length = i2d_ASN1_INTEGER(X509_get0_serialNumber(handle()), &der);
    const std::unique_ptr<unsigned char, MemoryDeleter> owned(der);
    constexpr int kHeader = 2;  // tag and a length of one octet: RFC 5280 §4.1.2.2 ends at 20 octets
    if (length <= kHeader || length > 0x7f + kHeader) return {};
    return {reinterpret_cast<const char*>(der) + kHeader, static_cast<std::size_t>(length - kHeader)};
}

std::string Certificate::authority_key_id() const {
    const ASN1_OCTET_STRING* id = X509_get0_authority_key_id(handle());
    return id == nullptr ? std::string{} : string_of(id);
}

// Only a certificate taken over by share() can have a validity that is no time; it counts as long expired.
Instant Certificate::not_before() const {
    return instant_of(X509_get0_notBefore(handle())).value_or(Instant{});
}

Instant Certificate::not_after() const {
    return instant_of(X509_get0_notAfter(handle())).value_or(Instant{});
}

std::vector<Identifier> Certificate::names() const {
    std::vector<Identifier> names;
    const GeneralNamesPtr all(
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(handle(), NID_subject_alt_name, nullptr, nullptr)));
    for (int i = 0; i < sk_GENERAL_NAME_num(all.get()); ++i) {
        std::optional<Identifier> identifier = identifier_of(sk_GENERAL_NAME_value(all.get(), i));
        if (identifier) names.push_back(std::move(*identifier));
    }
    std::ranges::sort(names);
    const auto repeated = std::ranges::unique(names);
    names.erase(repeated.begin(), repeated.end());
    return names;
}

std::string Certificate::subject() const {
    return name_text(X509_get_subject_name(handle()));
}

std::string Certificate::issuer_common_name() const {
    const X509_NAME* name = X509_get_issuer_name(handle());
    const int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    if (at < 0) return {};
    return string_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
}

std::string Certificate::issuer() const {
    return name_text(X509_get_issuer_name(handle()));
}

std::string Certificate::public_key_der() const {
    // As it stands there: OpenSSL looks through all its encoders to write a key anew.
    const bool is_readable = X509_get0_pubkey(handle()) != nullptr;
    return is_readable ? to_der<i2d_X509_PUBKEY>(X509_get_X509_PUBKEY(handle())) : std::string();
}

bool Certificate::is_signed_by(const Certificate& issuer) const {
    EVP_PKEY* key = X509_get0_pubkey(issuer.handle());
    const bool signed_by = X509_check_issued(issuer.handle(), handle()) == X509_V_OK && key != nullptr &&
                           X509_verify(handle(), key) == 1;
    if (!signed_by) static_cast<void>(openssl_error());
    return signed_by;
}

bool Certificate::is_self_signed() const {
    const bool self_signed = X509_self_signed(handle(), /*verify_signature=*/1) == 1;
    if (!self_signed) static_cast<void>(openssl_error());
    return self_signed;
}

Result<Chain> parse_chain(std::string_view pem, std::size_t count_max) {
    if (pem.size() > kChainMax) return invalid("the chain is longer than 64 KiB");
    Chain chain;
    while (!trimmed(pem, kBlank).empty()) {
        const Block block = TRY(take_block(pem));
        if (chain.size() == count_max) {
            return invalid("there are more than " + std::to_string(count_max) + " certificates in the chain");
        }
        Result<Certificate> certificate = parse_block(block);
        if (!certificate) {
            return Failure(std::move(certificate)
                               .error()
                               .within("block " + std::to_string(chain.size() + 1) + " of the chain"));
        }
        chain.push_back(std::move(*certificate));
    }
    if (chain.empty()) return invalid("there is no certificate in the chain");
    return chain;
}

std::string to_pem(const Chain& chain) {
    std::string pem;
    for (const Certificate& certificate : chain) pem += certificate.pem();
    return pem;
}

}  // namespace base
