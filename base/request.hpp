// SPDX-License-Identifier: Apache-2.0
// A certificate request of somebody else's making (PKCS#10, RFC 2986), as a value: whoever holds its key, it
// is not us. It is sent to a CA byte for byte as it was written, so everything a CA would refuse is told
// here.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/identifier.hpp"

namespace base {

struct Request {
    std::string der{};                // as it was
    std::string public_key_der{};     // DER SubjectPublicKeyInfo, as Certificate::public_key_der() has it
    std::string key_type{};           // "ecdsa-p256", "rsa-3072", …; another size or kind in the same manner
    std::vector<Identifier> names{};  // the subject alternative names in their order, each once

    /// SHA-256 of `public_key_der`, lower-case hex: the same for every request of one key.
    [[nodiscard]] std::string key_sha256() const;

    friend bool operator==(const Request&, const Request&) = default;
};

/// DER, or PEM (RFC 7468 §7) with whatever text stands before it; at most 64 KiB. crypto/invalid says what is
/// wrong: no request, not signed with its own key, a weak key or signature, no names, a name that is no DNS
/// name or IP address, or a common name that is not among the alternative names (a CA would count it as one
/// more, RFC 8555 §7.4).
[[nodiscard]] Result<Request> parse_request(std::string_view text);

}  // namespace base
