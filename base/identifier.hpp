// SPDX-License-Identifier: Apache-2.0
// What a certificate is for: DNS names and IP addresses (RFC 8555 §7.1.3, RFC 8738 §3), already checked.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace base {

enum class IdentifierType { Dns, Ip };

struct Identifier {
    IdentifierType type = IdentifierType::Dns;
    /// Lower-case A-labels without a final dot ("*." in front of a wildcard), or the canonical text of an
    /// address (RFC 5952).
    std::string value{};

    [[nodiscard]] bool is_wildcard() const { return value.starts_with("*."); }

    friend auto operator<=>(const Identifier&, const Identifier&) = default;
};

/// "dns" or "ip", as on the wire.
[[nodiscard]] std::string_view to_string(IdentifierType type);

/// Reads a name or an address as a person writes it; an international name becomes A-labels (IDNA2008 after
/// UTS #46). config/wrong-value says which rule it breaks, and what it was read as.
[[nodiscard]] Result<Identifier> parse_identifier(std::string_view text);

/// Does a name in a certificate (possibly a wildcard) cover `name` (RFC 6125 §6.4.3: one left-most label)?
[[nodiscard]] bool covers(const Identifier& pattern, const Identifier& name);

/// The addresses as 4 or 16 raw bytes; empty for what is no address.
[[nodiscard]] std::string address_bytes(std::string_view address);
/// The canonical text (RFC 5952) of 4 or 16 raw bytes; empty for any other number of them.
[[nodiscard]] std::string address_text(std::string_view bytes);

}  // namespace base
