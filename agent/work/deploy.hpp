// SPDX-License-Identifier: Apache-2.0
// Brings the wanted generation to targets that do not have it, each as a transaction of its own, all at once.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "agent/work/keeper.hpp"
#include "agent/work/surroundings.hpp"
#include "deployers/transaction.hpp"

namespace agent {

struct DeploymentWish {
    std::vector<std::string> targets{};
    bool also_what_is_well = false;
};

/// Blocks until every one of these targets is well or has failed; one that fails does not stop the others,
/// and is remembered with the time of its next attempt. Returns those that were left alone because `errand`
/// got no turn for them. An error is one of the store alone.
[[nodiscard]] base::Result<std::set<std::string>> deploy(Surroundings& surroundings,
                                                         const CertificateConfig& certificate, Keeper& keeper,
                                                         const DeploymentWish& wish, Errand& errand);

/// When an outcome is noted, and the jitter of the next attempt if there has to be one.
struct Moment {
    base::Instant now{};
    double chance = 0.5;
};

/// Writes the outcome of a transaction into the record: installed, serving, the failure, the hooks it owes.
/// Pure.
void note_outcome(Record& record, const std::string& target, const std::string& fingerprint,
                  const deployers::DeploymentOutcome& outcome, int wanted, Moment moment);

/// Which of the earlier generations may be on a target now, or have to stay there: what it has, and the
/// newest agent.keep. No more than an installation may name beside the wanted one; the oldest give way. Pure.
[[nodiscard]] std::vector<int> earlier_on_target(std::vector<int> earlier, const TargetRecord& held,
                                                 int wanted, int keep);

}  // namespace agent
