// SPDX-License-Identifier: Apache-2.0
// Room that is taken before an order is placed, and given back just before its certificate is written: a disk
// that fills up in between costs no certificate.
#pragma once

#include <string>

#include "base/error.hpp"
#include "base/file.hpp"

namespace agent {

/// Takes bytes and inodes for a chain, its meta data and a record in `directory`, durably. state/no-space
/// where there are not so many.
[[nodiscard]] base::Result<void> make_reserve(base::Files& files, const std::string& directory);
/// Gives them back; no reserve is no error.
[[nodiscard]] base::Result<void> release_reserve(base::Files& files, const std::string& directory);

}  // namespace agent
