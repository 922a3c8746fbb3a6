// SPDX-License-Identifier: Apache-2.0
// Accounts at a CA (RFC 8555 §7.3).
#pragma once

#include <string>
#include <vector>

#include "acme/session.hpp"

namespace acme {

/// The account of this key: found again (200) or created (201), which are the same to us (§7.3.1). The key
/// must be durable before this is called. ca/terms-not-agreed where the CA has terms and `agree_tos` is
/// false; `contact` are e-mail addresses or URLs.
[[nodiscard]] base::Result<Account> find_or_create_account(Session& session, const base::PrivateKey& key,
                                                           const std::vector<std::string>& contact,
                                                           bool agree_tos);

}  // namespace acme
