// SPDX-License-Identifier: Apache-2.0
// Dynamic updates (RFC 2136), signed with TSIG (RFC 8945): BIND, Knot, PowerDNS, Windows and many more.
#pragma once

#include <vector>

#include "acme/solvers/dns/provider.hpp"

namespace acme {

/// "rfc2136".
[[nodiscard]] std::vector<ProviderKind> rfc2136_kinds();

}  // namespace acme
