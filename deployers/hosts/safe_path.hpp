// SPDX-License-Identifier: Apache-2.0
// Is a directory in trusted hands? Root writing below a directory that somebody else can rename things in
// would write wherever that somebody likes, and O_NOFOLLOW guards only the last component.
#pragma once

#include <string>

#include "base/file.hpp"

namespace deployers {

/// Every step from / to `directory`, through symbolic links too, belongs to root or `user`, and nobody else
/// may write there unless the sticky bit keeps things in place. Steps that do not exist yet are not judged.
/// deploy/unsafe-path names the step.
[[nodiscard]] base::Result<void> check_directory(base::Files& files, const std::string& directory,
                                                 uid_t user);

/// Where a path ends, every link followed.
struct PathEnd {
    std::string path{};
    base::FileInfo info{};
};

/// The same for the steps to a file that is there: neither a directory nor a link on the way is in other
/// hands. Whose the file itself is, is for the caller to judge. file/not-found, deploy/unsafe-path.
[[nodiscard]] base::Result<PathEnd> follow_path(base::Files& files, const std::string& path, uid_t user);

/// `path` may be replaced: nothing is there, or a regular file. deploy/unsafe-path otherwise.
[[nodiscard]] base::Result<void> check_replaceable(base::Files& files, const std::string& path);

}  // namespace deployers
