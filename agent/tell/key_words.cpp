// SPDX-License-Identifier: Apache-2.0
#include "agent/tell/key_words.hpp"

namespace agent {

std::string key_words(const CertificateConfig& certificate) {
    if (!certificate.request) return std::string(base::to_string(certificate.key_type));
    return "the user's own (csr " + certificate.csr + "), " + certificate.request->key_type;
}

}  // namespace agent
