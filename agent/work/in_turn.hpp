// SPDX-License-Identifier: Apache-2.0
// One process at a time works on a certificate; whoever waits for another says so.
#pragma once

#include <memory>
#include <string>

#include "agent/work/keeper.hpp"
#include "agent/work/surroundings.hpp"

namespace agent {

/// The record of a certificate, as soon as nobody else is at work on it; state/locked after `wait`. That it
/// is waited for, and for whom, is shown at once.
[[nodiscard]] base::Result<std::unique_ptr<Keeper>> open_in_turn(Surroundings& surroundings,
                                                                 const std::string& certificate,
                                                                 base::Milliseconds wait);

}  // namespace agent
