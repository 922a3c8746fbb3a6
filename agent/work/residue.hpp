// SPDX-License-Identifier: Apache-2.0
// Challenges that have been put up: remembered before they are, and taken away whatever becomes of their
// order and of this process. What could not be taken away (a DNS API that was down just then) is tried again
// until it is gone.
#pragma once

#include <vector>

#include "agent/work/keeper.hpp"
#include "agent/work/surroundings.hpp"

namespace agent {

/// To be called with all that an order is about to put up. An error is one of the store.
[[nodiscard]] base::Result<void> expect_residue(Surroundings& surroundings,
                                                const CertificateConfig& certificate, Keeper& keeper,
                                                const std::vector<acme::ChallengeTask>& tasks);

/// The same for a command: an agent that runs is told, waits for the command's end, and takes over where it
/// is killed before that.
[[nodiscard]] base::Result<void> expect_residue_of_command(Surroundings& surroundings,
                                                           const CertificateConfig& certificate,
                                                           Keeper& keeper,
                                                           const std::vector<acme::ChallengeTask>& tasks);

/// To be called for each that has been taken away. Durable with the next change of the record: until then it
/// is at worst taken away twice.
void forget_residue(Surroundings& surroundings, const CertificateConfig& certificate, Keeper& keeper,
                    const acme::ChallengeTask& task);

/// To be called for each that was left behind. What cannot be remembered is logged: it stops no issuance.
void remember_residue(Surroundings& surroundings, const CertificateConfig& certificate, Keeper& keeper,
                      const acme::ChallengeTask& task, const base::Error& error);

/// Tries each that is due once (all of them with `regardless`): also what a killed run has put up, so no
/// order that needs it may be in work. One whose solver is gone from the configuration is let go, and told.
/// An error is one of the store alone.
[[nodiscard]] base::Result<void> clean_up_residue(Surroundings& surroundings,
                                                  const CertificateConfig& certificate, Keeper& keeper,
                                                  bool regardless);

}  // namespace agent
