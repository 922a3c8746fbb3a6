// SPDX-License-Identifier: Apache-2.0
// A generation as it stands on disk.
#pragma once

#include <string>

#include "base/error.hpp"
#include "base/file.hpp"
#include "deployers/generation.hpp"

namespace agent {

/// What the files in `directory` hold. state/corrupt where one is missing or is not what was written;
/// state/unwritable where one cannot be read.
[[nodiscard]] base::Result<deployers::Generation> read_generation_files(base::Files& files,
                                                                        const std::string& directory,
                                                                        const std::string& certificate,
                                                                        int number);

}  // namespace agent
