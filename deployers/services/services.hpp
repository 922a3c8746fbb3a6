// SPDX-License-Identifier: Apache-2.0
// One function for each deployer, for the table in deployer.cpp.
#pragma once

#include "deployers/deployer.hpp"

namespace deployers {

[[nodiscard]] const Deployer& files_deployer();
[[nodiscard]] const Deployer& nginx_deployer();

}  // namespace deployers
