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

}  // namespace base
