// SPDX-License-Identifier: Apache-2.0
// Requests as users make them, the wrong ones too; make_request() makes only good ones.
#pragma once

#include <stdexcept>
#include <string>

#include <openssl/pem.h>

#include "base/openssl.hpp"

namespace tests {

struct RequestWords {
    std::string names{};  // OpenSSL's words: "DNS:a.example,IP:192.0.2.1"; empty: none
    std::string common_name{};
    const EVP_MD* digest = EVP_sha256();
    EVP_PKEY* signer = nullptr;  // another key than the one in it
};

inline base::RequestPtr request_of(EVP_PKEY* key, const RequestWords& words) {
    base::RequestPtr request(X509_REQ_new());
    X509_REQ_set_pubkey(request.get(), key);
    if (!words.names.empty()) {
        STACK_OF(X509_EXTENSION)* stack = nullptr;
        const base::ExtensionPtr names(
            X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, words.names.c_str()));
        if (!names) throw std::runtime_error("requests: " + base::openssl_error());
        X509v3_add_ext(&stack, names.get(), -1);
        const base::ExtensionsPtr extensions(stack);
        X509_REQ_add_extensions(request.get(), extensions.get());
    }
    if (!words.common_name.empty()) {
        X509_NAME_add_entry_by_NID(X509_REQ_get_subject_name(request.get()), NID_commonName, MBSTRING_UTF8,
                                   reinterpret_cast<const unsigned char*>(words.common_name.c_str()), -1, -1,
                                   0);
    }
    if (X509_REQ_sign(request.get(), words.signer != nullptr ? words.signer : key, words.digest) <= 0)
        throw std::runtime_error("requests: " + base::openssl_error());
    return request;
}

inline std::string request_pem(EVP_PKEY* key, const RequestWords& words) {
    const base::RequestPtr request = request_of(key, words);
    const base::BioPtr memory(BIO_new(BIO_s_mem()));
    PEM_write_bio_X509_REQ(memory.get(), request.get());
    return base::contents(memory.get());
}

}  // namespace tests
