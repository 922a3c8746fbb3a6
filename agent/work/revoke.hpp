// SPDX-License-Identifier: Apache-2.0
// Revokes generations: the wish is durable before anything is done, the deed when it is done, so that a
// killed run is finished by the next one.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/work/keeper.hpp"
#include "agent/work/surroundings.hpp"

namespace agent {

/// What a person wants revoked: every generation that is held now.
struct RevocationWish {
    std::string reason{};  // as in RFC 5280
    /// By then, whoever still serves it; absent: once nobody is seen serving it.
    std::optional<base::Instant> not_later_than{};
};

/// Writes down which generations are to be revoked: those that are neither revoked nor expired. An order that
/// is open is dropped: its key may be known by now to whoever knows the others.
[[nodiscard]] base::Result<void> want_revoked(Surroundings& surroundings,
                                              const CertificateConfig& certificate, Keeper& keeper,
                                              const RevocationWish& wish);

/// Revokes what is due, by the account or else by the certificate's own key, each of `tried` left out and
/// put in. What the CA says against it is in the record. Adds to `remarks`, for people, who still serves what
/// was revoked. An error is one of the store alone.
[[nodiscard]] base::Result<void> revoke_due(Surroundings& surroundings, const CertificateConfig& certificate,
                                            Keeper& keeper, bool eager, std::set<int>& tried,
                                            std::vector<std::string>& remarks);

}  // namespace agent
