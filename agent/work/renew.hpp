// SPDX-License-Identifier: Apache-2.0
// Obtains one generation: key and intent durable, then the order, its URL durable, then the rest. A killed
// run is gone on with from where it stopped.
#pragma once

#include "agent/work/keeper.hpp"
#include "agent/work/surroundings.hpp"

namespace agent {

/// Blocks for as long as the CA takes. A failure is in the record, with the time of the next attempt, when
/// this returns it.
[[nodiscard]] base::Result<void> renew(Surroundings& surroundings, const CertificateConfig& certificate,
                                       Keeper& keeper);

}  // namespace agent
