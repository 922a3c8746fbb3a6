// SPDX-License-Identifier: Apache-2.0
// The resources of RFC 8555 as plain values. Statuses are closed enums (an unknown one means "look again",
// §7.1.6); challenge and problem types stay texts, because the registries grow.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/identifier.hpp"

namespace acme {

/// A problem document (§6.7; RFC 7807). All texts are the CA's and have not been made printable.
struct Problem {
    std::string type{};                  // URN; empty where the CA sent none
    std::string detail{};                // for people; the title where there is no detail
    std::string instance{};              // userActionRequired: where to go (§7.3.3)
    int status = 0;                      // of the document, else of the answer
    std::string identifier{};            // subproblems: the name it is about (§6.7.1)
    std::vector<Problem> subproblems{};  // §6.7.1
};

/// The directory (§7.1.1).
struct Directory {
    std::string new_nonce{};                        // §7.2
    std::string new_account{};                      // §7.3
    std::string new_order{};                        // §7.4
    std::string key_change{};                       // §7.3.5; empty where the CA has none
    std::string revoke_cert{};                      // §7.6; empty where the CA has none
    std::string renewal_info{};                     // RFC 9773 §3; empty where the CA has none
    std::string terms_of_service{};                 // meta.termsOfService, for people
    std::vector<std::string> caa_identities{};      // meta.caaIdentities
    bool external_account_required = false;         // meta.externalAccountRequired (§7.3.4)
    std::map<std::string, std::string> profiles{};  // meta.profiles: name and description (acme-profiles §3)
};

/// An account as the CA shows it (§7.1.2).
struct AccountView {
    std::string status{};                // "valid", "deactivated", "revoked"; empty where it does not say
    std::vector<std::string> contact{};  // URLs; some CAs keep none, or do not tell
    std::string orders{};  // URL of its list of orders, as it was written; Let's Encrypt has none
};

enum class OrderStatus { Pending, Ready, Processing, Valid, Invalid, Unknown };

/// An order (§7.1.3).
struct Order {
    std::string url{};  // the Location of newOrder's answer (§7.4)
    OrderStatus status = OrderStatus::Unknown;
    std::optional<base::Instant> expires{};
    std::vector<base::Identifier> identifiers{};  // sorted: the CA's order means nothing
    std::vector<std::string> authorizations{};    // URLs
    std::string finalize{};
    std::string certificate{};  // once valid
    std::string profile{};      // acme-profiles §4; empty where the CA does not say
    std::optional<Problem> error{};
};

enum class ChallengeStatus { Pending, Processing, Valid, Invalid, Unknown };

/// A challenge (§8).
struct Challenge {
    std::string type{};  // "http-01", … as on the wire
    std::string url{};
    ChallengeStatus status = ChallengeStatus::Unknown;
    std::string token{};  // not checked yet: see ChallengeTask
    /// dns-persist-01: the names the CA goes by, in lower case; empty where it sent none, more than ten, or
    /// one that is no domain name (such a challenge must not be used, acme-dns-persist §4).
    std::vector<std::string> issuer_domains{};
    std::optional<Problem> error{};
};

enum class AuthorizationStatus { Pending, Valid, Invalid, Deactivated, Expired, Revoked, Unknown };

/// An authorization (§7.1.4).
struct Authorization {
    std::string url{};
    base::Identifier identifier{};  // with "*." where `wildcard` is set: as the certificate has it
    AuthorizationStatus status = AuthorizationStatus::Unknown;
    std::vector<Challenge> challenges{};
};

}  // namespace acme
