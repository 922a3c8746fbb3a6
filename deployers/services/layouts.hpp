// SPDX-License-Identifier: Apache-2.0
// The two ways in which files are laid out on a host, for services to build their installations from: fixed
// paths, and an include file that names one versioned directory and is the only thing that changes. Pure.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "deployers/deployer.hpp"
#include "deployers/generation.hpp"
#include "deployers/installation.hpp"

namespace deployers {

/// The text of an include file for these two paths.
using WriteInclude =
    std::function<std::string(const Generation&, const std::string& fullchain, const std::string& key)>;

/// The directory entry below `versions` that holds a generation: "<number>-<first 8 hex digits of the leaf's
/// SHA-256>".
[[nodiscard]] std::string version_name(const Generation& generation);

/// config/wrong-value for a mode that lets others read a key, and for what check() finds; deploy/unsafe-path.
[[nodiscard]] base::Result<Installation> plan_fixed_paths(const Generation& generation,
                                                          const std::vector<Generation>& earlier,
                                                          const Parameters& parameters);
/// The same errors.
[[nodiscard]] base::Result<Installation> plan_include(const Generation& generation,
                                                      const std::vector<Generation>& earlier,
                                                      const Parameters& parameters,
                                                      const WriteInclude& write);

}  // namespace deployers
