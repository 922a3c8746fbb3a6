// SPDX-License-Identifier: Apache-2.0
// A new key for an account (RFC 8555 §7.3.5). The steps are separate, because what the caller makes durable
// between them decides whether a killed run can be finished: the new key is durable before
// change_account_key, and takes the old one's place only after has_key says that the CA knows it.
#pragma once

#include "acme/session.hpp"

namespace acme {

/// Asks the CA to take `new_key` in place of the account's. ca/key-in-use where another account has it;
/// ca/protocol where the CA cannot change keys. Success proves nothing: see has_key.
[[nodiscard]] base::Result<void> change_account_key(Session& session, const Account& account,
                                                    const base::PrivateKey& new_key);

/// Is this the key that the CA knows the account by? Asks for the account signed with it. No is what the CA
/// itself says, by a problem document of ACME; an error where it could not be asked, or somebody else (a load
/// balancer) has answered.
[[nodiscard]] base::Result<bool> has_key(Session& session, const Account& account);

}  // namespace acme
