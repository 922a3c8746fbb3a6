// SPDX-License-Identifier: Apache-2.0
// What was found wrong with the state of a certificate when it was read.
#pragma once

#include <string>

#include "agent/work/keeper.hpp"
#include "agent/work/surroundings.hpp"

namespace agent {

/// It is mended by saving what could be read of it. What cannot be mended is logged each time, and stands in
/// the history once.
[[nodiscard]] base::Result<void> tell_findings(Surroundings& surroundings, const std::string& certificate,
                                               Keeper& keeper);

}  // namespace agent
