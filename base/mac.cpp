// SPDX-License-Identifier: Apache-2.0
#include "base/mac.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace base {

namespace {

const EVP_MD* digest_of(MacDigest digest) {
    switch (digest) {
        case MacDigest::Sha256:
            return EVP_sha256();
        case MacDigest::Sha384:
            return EVP_sha384();
        case MacDigest::Sha512:
            break;
    }
    return EVP_sha512();
}

}  // namespace

std::string hmac(MacDigest digest, const Secret& key, std::string_view data) {
    std::string code(EVP_MAX_MD_SIZE, '\0');
    unsigned int size = 0;
    const std::string& bytes = key.reveal();
    ::HMAC(digest_of(digest), bytes.data(), static_cast<int>(bytes.size()),
           reinterpret_cast<const unsigned char*>(data.data()), data.size(),
           reinterpret_cast<unsigned char*>(code.data()), &size);
    code.resize(size);
    return code;
}

}  // namespace base
