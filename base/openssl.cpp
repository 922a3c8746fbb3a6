// SPDX-License-Identifier: Apache-2.0
#include "base/openssl.hpp"

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
    Result<Identifier> identifier = parse_identifier(string_of(name->d.dNSName));
    // An address written as a DNS name covers nothing (RFC 6125 §B.2): it must not pass for the address.
    if (!identifier || identifier->type != IdentifierType::Dns) return std::nullopt;
    return std::move(*identifier);
}

}  // namespace base
