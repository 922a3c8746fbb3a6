// SPDX-License-Identifier: Apache-2.0
// Revocation (RFC 8555 §7.6).
#pragma once

#include <string_view>

#include "acme/session.hpp"

namespace acme {

/// CRLReason (RFC 5280 §5.3.1), those that a holder of a certificate may give.
enum class RevocationReason {
    Unspecified = 0,
    KeyCompromise = 1,
    AffiliationChanged = 3,
    Superseded = 4,
    CessationOfOperation = 5,
    PrivilegeWithdrawn = 9,
};

/// "keyCompromise", … as in RFC 5280.
[[nodiscard]] std::string_view to_string(RevocationReason reason);
/// A name (in any case, "key-compromise" too) or a number; usage/wrong with all that would be accepted.
[[nodiscard]] base::Result<RevocationReason> parse_revocation_reason(std::string_view text);

/// Revokes the certificate. `signer` is the account it was issued to (or one with authorizations for all its
/// names), or the certificate's own key: an Account without URL. One that is revoked already is a success.
/// ca/revocation-refused where the CA will not, for the reason or for the signer; a lost answer is asked for
/// again.
[[nodiscard]] base::Result<void> revoke(Session& session, const Account& signer, std::string_view der,
                                        RevocationReason reason);

}  // namespace acme
