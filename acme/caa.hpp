// SPDX-License-Identifier: Apache-2.0
// May this CA issue for this name (RFC 8659), for this account and by this challenge (RFC 8657)? Asked before
// an order, because a CA's refusal counts against the account and says less.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/dns.hpp"
#include "base/error.hpp"
#include "base/identifier.hpp"

namespace acme {

/// The CAA records that count for a name.
struct CaaSet {
    std::string owner{};  // "example.com.": where they stand; empty where there are none up to the root
    std::vector<base::DnsRecord> records{};
};

/// Who wants to issue what.
struct CaaRequest {
    /// The names the CA goes by (meta.caaIdentities). Empty where it says none: then only sets that let
    /// nobody issue are refusals.
    std::vector<std::string> identities{};
    std::string account_url{};  // empty: there is none yet, and no accounturi can name it
    std::string method{};       // "dns-01"; empty: not known yet, validationmethods is not judged
    bool is_wildcard = false;
};

/// Why not, and what would let it.
struct CaaRefusal {
    std::string reason{};  // "CAA at example.com allows only digicert.com"
    std::string wanted{};  // a record that would allow it: `example.com. CAA 0 issue "letsencrypt.org"`
};

/// Nothing where the CA may issue. A value that breaks the grammar of RFC 8659 §4.2 lets nobody. Pure.
[[nodiscard]] std::optional<CaaRefusal> judge_caa(const CaaSet& set, const CaaRequest& request);

/// The set for a name, found by climbing the tree (RFC 8659 §3), along CNAMEs: from the authoritative
/// servers, of which any will do, as a CA does; of a top-level domain, and where none of them can be asked
/// from here, as the resolver has it. Blocks as base::Dns does, a few questions a label. Its errors: a CA
/// that cannot find out either must not issue.
[[nodiscard]] base::Result<CaaSet> find_caa(const base::Dns& dns, std::string_view name);

/// Both; ca/forbidden-by-caa where the CA may not. There is no CAA for addresses: the set is empty.
[[nodiscard]] base::Result<CaaSet> check_caa(const base::Dns& dns, const base::Identifier& identifier,
                                             CaaRequest request);

}  // namespace acme
