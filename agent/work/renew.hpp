// SPDX-License-Identifier: Apache-2.0
// Obtains one generation: the CAs of a certificate in turn, until one issues it.
#pragma once

#include <optional>

#include "agent/work/issuance.hpp"
#include "agent/work/keeper.hpp"
#include "agent/work/surroundings.hpp"

namespace agent {

/// Blocks for as long as the CA takes. Nothing: it is issued. What holds it: a limit, as the ledger knows it,
/// or the clock; no order was placed, and the record is as it was. The CA may have been asked for its
/// directory and its time, an account may have been registered, and key or request may be in the store, for
/// the next try. A failure is in the record, with the time of the next attempt, when this returns it.
[[nodiscard]] base::Result<std::optional<OrderHold>> renew(Surroundings& surroundings,
                                                           const CertificateConfig& certificate,
                                                           Keeper& keeper, const OrderWish& wish);

}  // namespace agent
