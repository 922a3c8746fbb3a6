// SPDX-License-Identifier: Apache-2.0
// Message authentication codes (HMAC, RFC 2104) with the digests our peers know.
#pragma once

#include <string>
#include <string_view>

#include "base/secret.hpp"

namespace base {

enum class MacDigest { Sha256, Sha384, Sha512 };

/// HMAC of `data`: 32, 48 or 64 raw bytes.
[[nodiscard]] std::string hmac(MacDigest digest, const Secret& key, std::string_view data);

}  // namespace base
