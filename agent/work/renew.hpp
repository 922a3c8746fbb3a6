// SPDX-License-Identifier: Apache-2.0
// Obtains one generation, from the first CA that issues it: key and intent durable, then the order, its URL
// durable, then the rest. A killed run is gone on with from where it stopped.
#pragma once

#include <optional>
#include <string>

#include "agent/plan/ledger.hpp"
#include "agent/work/keeper.hpp"
#include "agent/work/surroundings.hpp"

namespace agent {

struct OrderWish {
    bool is_forced = false;  // by hand, of what is not due
    bool by_hand = false;    // somebody waits: it does not stand in line with the agent's own
    bool over_limit = false;
    std::string ca{};  // that was named, and alone is asked; empty: as the list says
};

/// The order that would be placed at this CA now, as the ledger sees it.
[[nodiscard]] OrderAhead order_wished(const CertificateConfig& certificate, const Record& record,
                                      const std::string& ca, const OrderWish& wish, base::Instant now);

/// Blocks for as long as the CA takes. Nothing: it is issued. What holds it: a limit, as the ledger knows it,
/// or the clock; no order was placed, and the record is as it was. The CA may have been asked for its
/// directory and its time, an account may have been registered, and key or request may be in the store, for
/// the next try. A failure is in the record, with the time of the next attempt, when this returns it.
[[nodiscard]] base::Result<std::optional<OrderHold>> renew(Surroundings& surroundings,
                                                           const CertificateConfig& certificate,
                                                           Keeper& keeper, const OrderWish& wish);

}  // namespace agent
