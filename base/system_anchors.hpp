// SPDX-License-Identifier: Apache-2.0
// Whom this machine trusts: Debian keeps the anchors twice, all in one file, and each in a file of its own,
// linked under the hash of its subject. Of the directory OpenSSL reads the one it needs; the file it reads to
// its end, for every connection, which takes longer than all the rest of it.
#pragma once

#include <string>

namespace base {

/// Whether in `directory` at least as many anchors can be found by their hash as there are in `file`: false
/// where somebody has put only a new file there, or what is in doubt.
[[nodiscard]] bool holds_all_anchors(const std::string& directory, const std::string& file);

/// The directory that can take the place of the file libcurl would read; empty where there is none. Looked
/// for once in a process; thread safe.
[[nodiscard]] const std::string& anchors_by_hash();

}  // namespace base
