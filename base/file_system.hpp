// SPDX-License-Identifier: Apache-2.0
// What a file system would take, found out without writing to it: for those who only look.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/error.hpp"

namespace base {

/// May this process make files in the directory? file/not-found where it is not there; file/denied where it
/// may not: for want of rights, or because the file system is read-only.
[[nodiscard]] Result<void> check_takes_files(const std::string& directory);

/// How many more files the file system that holds `path` takes; nothing where it sets no number (btrfs).
/// file/….
[[nodiscard]] Result<std::optional<std::uint64_t>> free_inodes(const std::string& path);

}  // namespace base
