// SPDX-License-Identifier: Apache-2.0
// Whose key a certificate has, in plain words. Pure.
#pragma once

#include <string>

#include "agent/config/config.hpp"

namespace agent {

/// Whose key it is, for people: "ecdsa-p256", or "the user's own (csr FILE), ecdsa-p256".
[[nodiscard]] std::string key_words(const CertificateConfig& certificate);

}  // namespace agent
