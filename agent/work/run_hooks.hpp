// SPDX-License-Identifier: Apache-2.0
// Runs the hooks that are owed for what happened. One that fails is remembered and tried again until it
// succeeds, or the next generation comes.
#pragma once

#include "agent/work/keeper.hpp"
#include "agent/work/surroundings.hpp"
#include "agent/work/turns.hpp"

namespace agent {

/// Raises `served` if every target that can be looked at has been seen serving the wanted generation, once
/// per generation, and adds it to the history.
[[nodiscard]] base::Result<void> raise_served(Surroundings& surroundings,
                                              const CertificateConfig& certificate, Keeper& keeper);

/// Raises `expiring` where what is served has come below a threshold, once per generation and threshold.
[[nodiscard]] base::Result<void> raise_expiring(Surroundings& surroundings,
                                                const CertificateConfig& certificate, Keeper& keeper);

/// Runs the hooks of an event that has not happened yet (`before_renew`, `before_deploy`; of `target`, if it
/// is about one), once and now. The error of the first that fails: then it must not happen. Blocks up to
/// hooks.timeout for each program.
[[nodiscard]] base::Result<void> ask_hooks(Surroundings& surroundings, const CertificateConfig& certificate,
                                           const Record& record, const std::string& event,
                                           const std::string& target = {});

/// What has to be had for running the hooks of an event; nothing where it has none.
[[nodiscard]] Places places_for_hooks(Surroundings& surroundings, const CertificateConfig& certificate,
                                      const std::string& event);

/// Runs every hook that is owed and due (`all`: also before its next attempt), in the order of what happened.
/// False: `errand` got no turn for one, and it and those after it are still owed. Blocks up to hooks.timeout
/// for each program.
[[nodiscard]] base::Result<bool> run_due_hooks(Surroundings& surroundings,
                                               const CertificateConfig& certificate, Keeper& keeper, bool all,
                                               Errand& errand);

}  // namespace agent
