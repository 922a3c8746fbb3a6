// SPDX-License-Identifier: Apache-2.0
#include "base/openssl.hpp"

#include <algorithm>

#include <openssl/err.h>

#include "base/error.hpp"

namespace base {

std::string openssl_error() {
    const unsigned long first = ERR_get_error();
    ERR_clear_error();
    if (first == 0) return "no reason given";
    if (ERR_SYSTEM_ERROR(first)) return errno_text(ERR_GET_REASON(first));
    const char* reason = ERR_reason_error_string(first);
    return reason != nullptr ? reason : "OpenSSL error " + std::to_string(first);
}

std::string contents(BIO* memory) {
    char* start = nullptr;
    const long size = BIO_get_mem_data(memory, &start);
    return size > 0 ? std::string(start, static_cast<std::size_t>(size)) : std::string();
}

std::string string_of(const ASN1_STRING* text) {
    return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
            static_cast<std::size_t>(ASN1_STRING_length(text))};
}

std::optional<Identifier> identifier_of(const GENERAL_NAME* name) {
    if (name->type == GEN_IPADD) {
        std::string address = address_text(string_of(name->d.iPAddress));
        if (address.empty()) return std::nullopt;
        return Identifier{.type = IdentifierType::Ip, .value = std::move(address)};
    }
    if (name->type != GEN_DNS) return std::nullopt;
    const std::string text = string_of(name->d.dNSName);
    // An IA5String (RFC 5280 §4.2.1.6): no client would see the A-labels in what is not ASCII.
    const bool is_ascii =
        std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
    if (!is_ascii) return std::nullopt;
    Result<Identifier> identifier = parse_identifier(text);
    // An address written as a DNS name covers nothing (RFC 6125 §B.2): it must not pass for the address.
    if (!identifier || identifier->type != IdentifierType::Dns) return std::nullopt;
    return std::move(*identifier);
}

}  // namespace base
