// SPDX-License-Identifier: Apache-2.0
// Room that is taken before an order is placed, and given back just before its certificate is written: a disk
// that fills up in between costs no certificate.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/file.hpp"

namespace agent {

/// Takes bytes for a chain, its meta data and a record in `directory`, durably, and inodes: the files `kept`
/// are made, empty, and stay. state/no-space where there is not so much; nothing is left then.
[[nodiscard]] base::Result<void> make_reserve(base::Files& files, const std::string& directory,
                                              std::span<const std::string_view> kept);
/// Gives back what does not stay; no reserve is no error.
[[nodiscard]] base::Result<void> release_reserve(base::Files& files, const std::string& directory);

}  // namespace agent
