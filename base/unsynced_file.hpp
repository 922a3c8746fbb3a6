// SPDX-License-Identifier: Apache-2.0
// A file that is written again and again for somebody who watches.
#pragma once

#include <string>
#include <string_view>

#include "base/file.hpp"

namespace base {

/// Replaces `path` atomically for whoever reads it, and has nothing brought to disk: it can be seen even
/// where the disk answers every sync with an error. After a power cut it may be the old one, or empty.
[[nodiscard]] Result<void> write_unsynced(Files& files, const std::string& path, std::string_view content,
                                          const FileAttributes& attributes);

}  // namespace base
