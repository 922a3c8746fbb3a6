// SPDX-License-Identifier: Apache-2.0
// One DNS message to one server, and what comes back, as bytes. ldns's own sockets know no deadline that
// covers everything, so these are ours.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/dns.hpp"
#include "base/error.hpp"

namespace base {

/// A random message id (RFC 5452 §9.2).
[[nodiscard]] std::uint16_t random_dns_id();

/// Over UDP, from a port of its own, until `until`. Only datagrams from the server's address and port are
/// looked at (RFC 5452 §9.1), and those for which `is_answer` says no are passed over. dns/unreachable: no
/// answer; dns/failed: only such as were none.
[[nodiscard]] Result<std::string> exchange_over_udp(const DnsServer& server, std::string_view message,
                                                    Steady until,
                                                    const std::function<bool(std::string_view)>& is_answer);
/// Over TCP (RFC 7766): the first message that comes back, whatever it says. dns/unreachable, dns/failed.
[[nodiscard]] Result<std::string> exchange_over_tcp(const DnsServer& server, std::string_view message,
                                                    Steady until);

}  // namespace base
