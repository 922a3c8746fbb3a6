// SPDX-License-Identifier: Apache-2.0
// `renew --dry-run`: the order at the CA's staging, with the user's own request or a key that is thrown away,
// and the deployment as far as it can be tried without changing anything.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/work/keeper.hpp"
#include "agent/work/surroundings.hpp"

namespace agent {

/// What became of one step: the order, or a target.
struct RehearsedStep {
    std::string what{};  // "order at letsencrypt-staging", "target web"
    std::string text{};  // how it went, for people
    std::optional<base::Error> error{};
};

struct Rehearsal {
    std::string certificate{};
    std::vector<RehearsedStep> steps{};  // the order first
};

/// Where a dry run orders: the CA whose directory is `ca.staging`, or one made of it. config/missing where
/// there is none.
[[nodiscard]] base::Result<CaConfig> staging_of(const Config& config, const CaConfig& ca);

/// At the staging of this CA. Blocks for as long as an order takes; `keeper` is the certificate's, and given
/// back when its order has ended. Keeps nothing but the account at the staging CA, and what of a challenge is
/// to be taken away yet; no file of a target is written and no service reloaded.
[[nodiscard]] Rehearsal rehearse(Surroundings& surroundings, const CertificateConfig& certificate,
                                 const std::string& ca, std::unique_ptr<Keeper> keeper);

}  // namespace agent
