// SPDX-License-Identifier: Apache-2.0
// Accounts at a CA (RFC 8555 §7.3): found or created, looked at, changed, closed. A change of the key is
// account_key.hpp's.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "acme/jws.hpp"
#include "acme/session.hpp"
#include "base/secret.hpp"

namespace acme {

/// An account of the CA's own (a customer's number) that the ACME account is to belong to (§7.3.4).
struct ExternalBinding {
    std::string kid{};
    base::Secret key{};  // as the CA hands it out: base64url, padded or not
    MacAlgorithm algorithm = MacAlgorithm::Hs256;
};

/// What an account is registered with.
struct Registration {
    std::vector<std::string> contact{};  // e-mail addresses or URLs
    bool agree_tos = false;
    /// Reads the binding when it is needed, and not before; empty where none is configured.
    std::function<base::Result<ExternalBinding>()> binding{};
};

/// The account of this key: found again (200) or created (201), which are the same to us (§7.3.1), but for
/// the contact: that of a found account is brought up to date. The key must be durable before this is called.
/// ca/terms-not-agreed where the CA has terms and they are not agreed to; ca/binding-required where it wants
/// a binding and none is configured; ca/account-refused for an account that was closed.
[[nodiscard]] base::Result<Account> find_or_create_account(Session& session, const base::PrivateKey& key,
                                                           const Registration& registration);

/// The URL of the account of this key; empty where the CA knows none. Never creates one
/// (onlyReturnExisting, §7.3.1).
[[nodiscard]] base::Result<std::string> find_account(Session& session, const base::PrivateKey& key);

/// Asks the CA how the account stands, signed with its key: an error means that this key is not the account's
/// (or not any more), or that the CA could not be asked.
[[nodiscard]] base::Result<AccountView> look_at_account(Session& session, const Account& account);

/// §7.3.2. No contact at all takes away what is there.
[[nodiscard]] base::Result<void> update_contact(Session& session, const Account& account,
                                                const std::vector<std::string>& contact);

/// §7.3.6: for ever; nothing can be asked for with this account afterwards, its certificates stay valid.
[[nodiscard]] base::Result<void> deactivate_account(Session& session, const Account& account);

}  // namespace acme
