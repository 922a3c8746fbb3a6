// SPDX-License-Identifier: Apache-2.0
// dns-01 (RFC 8555 §8.4) and dns-account-01 (draft-ietf-acme-dns-account-label): a TXT value at a name below
// the one to be proven, written by a provider where delegations lead to, seen by everybody before the CA is
// told to look, and removed by its value.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "acme/solvers/dns/propagation.hpp"
#include "acme/solvers/dns/provider.hpp"
#include "acme/solvers/solver.hpp"
#include "base/clock.hpp"
#include "base/dns.hpp"

namespace acme {

/// "_acme-challenge.example.com.", for "*.example.com", too. Pure.
[[nodiscard]] std::string dns_01_name(const base::Identifier& identifier);
/// "_ujmmovf2vn55tgye._acme-challenge.example.com.": the first label is made of the account's URL. Pure.
[[nodiscard]] std::string dns_account_01_name(const base::Identifier& identifier,
                                              std::string_view account_url);
/// 43 characters: the base64url of the key authorization's SHA-256. Pure.
[[nodiscard]] std::string dns_01_value(std::string_view key_authorization);

enum class DnsChallenge { Dns01, DnsAccount01 };

struct DnsSolverSettings {
    DnsChallenge challenge = DnsChallenge::Dns01;
    std::uint32_t ttl = 60;
};

/// How the solver reaches the world; `dns` and `clock` are borrowed.
struct DnsSolverEffects {
    std::unique_ptr<DnsProvider> provider{};
    const base::Dns& dns;
    base::Clock& clock;
    /// Blocks until all of them can be seen: wait_until_propagated() by the policy that is wanted.
    std::function<base::Result<void>(std::span<const ExpectedTxt>)> wait{};
};

/// Errors of present(): the provider's, and those of the look-ups (dns/loop, dns/unreachable…).
/// wait_until_seen() first gives every provider the time it asked for, once, then waits for all at once.
[[nodiscard]] std::unique_ptr<Solver> make_dns_solver(const DnsSolverSettings& settings,
                                                      DnsSolverEffects effects);

}  // namespace acme
