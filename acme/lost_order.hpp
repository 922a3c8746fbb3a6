// SPDX-License-Identifier: Apache-2.0
// An order that exists at the CA, and whose URL nobody has: its answer was lost, or the run that got it died.
#pragma once

#include <optional>

#include "acme/order.hpp"

namespace acme {

/// The newest order of the account's list (RFC 8555 §7.1.2.1) that the request can go on with; nothing where
/// there is none, or where the CA keeps no list: then one more order is placed, and the lost one expires.
[[nodiscard]] std::optional<OrderView> find_lost_order(const Flow& flow);

}  // namespace acme
