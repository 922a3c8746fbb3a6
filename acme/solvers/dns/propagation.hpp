// SPDX-License-Identifier: Apache-2.0
// Waits until TXT records are seen, so that no CA is asked to look too early: a failed validation counts
// against the account.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/dns.hpp"
#include "base/error.hpp"

namespace acme {

/// Whom to ask. Authoritative: every address of every name server of the zone that holds the name, over UDP
/// and over TCP, because CAs ask any of them, and no cache of theirs is older than the record. Resolvers: the
/// configured ones, for machines that can reach no others. Server: one alone. None: nobody.
enum class Propagation { Authoritative, Resolvers, Server, None };

/// "authoritative", "resolvers", "server", "none"; nothing for anything else.
[[nodiscard]] std::optional<Propagation> parse_propagation(std::string_view text);

struct PropagationPolicy {
    Propagation mode = Propagation::Authoritative;
    std::string server{};  // Server: a host or an address, with or without a port
    base::Seconds patience{120};
    base::Seconds poll{2};
};

/// A value that has to be seen at a name, beside whatever else is there.
struct ExpectedTxt {
    std::string name{};  // CNAMEs are followed
    std::string value{};
};

/// Blocks until everybody shows everything, at most `patience` and the deadline of one question more. The
/// answer is what a person should know although it is well: addresses that were left out, and why.
/// dns/not-propagated names each server and what it shows; dns/bogus and dns/loop are not waited for;
/// dns/unreachable, dns/failed where the zone's servers could not be found.
[[nodiscard]] base::Result<std::vector<std::string>> wait_until_propagated(
    std::span<const ExpectedTxt> expected, const PropagationPolicy& policy, const base::Dns& dns,
    base::Clock& clock);

}  // namespace acme
