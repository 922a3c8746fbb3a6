// SPDX-License-Identifier: Apache-2.0
// Challenges that could not be taken away when their order ended (a DNS API that was down just then):
// remembered, and tried again until they are gone.
#pragma once

#include "agent/work/keeper.hpp"
#include "agent/work/surroundings.hpp"

namespace agent {

/// To be called for each that was left behind. What cannot be remembered is logged: it stops no issuance.
void remember_residue(Surroundings& surroundings, const CertificateConfig& certificate, Keeper& keeper,
                      const acme::ChallengeTask& task, const base::Error& error);

/// Tries each that is due once (all of them with `regardless`). One whose solver is gone from the
/// configuration is let go, and told. An error is one of the store alone.
[[nodiscard]] base::Result<void> clean_up_residue(Surroundings& surroundings,
                                                  const CertificateConfig& certificate, Keeper& keeper,
                                                  bool regardless);

}  // namespace agent
