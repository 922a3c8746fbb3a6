// SPDX-License-Identifier: Apache-2.0
// Other people's programs run with our rights: what decides which bytes are run must be in the hands of root
// or ours, the whole way there.
#pragma once

#include <string>

#include "base/error.hpp"
#include "base/file.hpp"

namespace hooks {

/// Where `path` leads, with every link resolved: what is judged here is what is to be run. Walks as the
/// kernel would, and looks at everything that decides where the way leads: each directory, each link, and the
/// file at its end. Blocks on the file system only. `unsafe`: one of them belongs to somebody else, or can be
/// changed by others, or the links lead round in circles. file/not-found and its kin: it leads nowhere.
[[nodiscard]] base::Result<std::string> trusted_path(base::Files& files, const std::string& path,
                                                     base::Code unsafe);

}  // namespace hooks
