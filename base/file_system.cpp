// SPDX-License-Identifier: Apache-2.0
#include "base/file_system.hpp"

#include <cerrno>

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace base {

Result<void> check_takes_files(const std::string& directory) {
    // Asks about a read-only file system, too, which not even root may write to.
    if (::faccessat(AT_FDCWD, directory.c_str(), W_OK | X_OK, AT_EACCESS) == 0) return {};
    const int number = errno;
    return fail(number == ENOENT ? Code::FileNotFound : Code::FileDenied,
                "cannot write in " + directory + ": " + errno_text(number));
}

Result<std::optional<std::uint64_t>> free_inodes(const std::string& path) {
    struct statvfs status{};
    if (::statvfs(path.c_str(), &status) != 0)
        return fail(Code::FileIo, "cannot ask for free inodes at " + path + ": " + errno_text(errno));
    if (status.f_files == 0) return std::optional<std::uint64_t>{};
    return std::optional(std::uint64_t{status.f_favail});
}

}  // namespace base
