// SPDX-License-Identifier: Apache-2.0
// The real Files: each method is its system call, and an errno becomes an Error here and nowhere else.
#include "base/file.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/encoding.hpp"

namespace base {

namespace {

/// A name may hold any byte but NUL and "/"; a message is a line of a log.
std::string cannot_do(std::string_view what, std::string_view path) {
    return "cannot " + std::string(what) + " " + printable(path, PATH_MAX);
}

Failure fail_errno(int number, std::string_view cannot, const std::string& path) {
    std::string message = cannot_do(cannot, path) + ": " + errno_text(number);
    switch (number) {
        case ENOENT:
            return fail(Code::FileNotFound, std::move(message));
        case EEXIST:
            return fail(Code::FileExists, std::move(message));
        case EACCES:
        case EPERM:
        case EROFS:
            return fail(Code::FileDenied, std::move(message));
        case ELOOP:
            return fail(Code::FileUnsafe, std::move(message));
        case ENOSPC:
            return fail(Code::StateNoSpace, std::move(message), "make room on the file system that holds it");
        case EDQUOT:
            return fail(Code::StateNoSpace, std::move(message), "make room in its owner's disk quota");
        default:
            return fail(Code::FileIo, std::move(message));
    }
}

/// Makes a system call about a path. A NUL byte would silently name another file.
template <class SystemCall>
Result<int> call_on_path(std::string_view cannot, const std::string& path, SystemCall system_call) {
    if (path.find('\0') != std::string::npos) {
        return fail(Code::FileUnsafe,
                    cannot_do(cannot, path.substr(0, path.find('\0'))) + ": NUL byte in the path");
    }
    int result = -1;
    do result = system_call(path.c_str());
    while (result < 0 && errno == EINTR);
    if (result < 0) return fail_errno(errno, cannot, path);
    return result;
}

/// What a descriptor was opened as; only errors ask.
std::string path_of(const Descriptor& file) {
    std::array<char, 4096> path{};
    const std::string link = "/proc/self/fd/" + std::to_string(file.number());
    const ssize_t length = ::readlink(link.c_str(), path.data(), path.size());
    if (length <= 0) return "descriptor " + std::to_string(file.number());
    return {path.data(), static_cast<std::size_t>(length)};
}

/// Makes a system call about an open file.
template <class SystemCall>
Result<ssize_t> call_on_file(std::string_view cannot, const Descriptor& file, SystemCall system_call) {
    ssize_t result = -1;
    do result = system_call(file.number());
    while (result < 0 && errno == EINTR);
    if (result < 0) {
        const int number = errno;  // path_of() makes calls of its own
        return fail_errno(number, cannot, path_of(file));
    }
    return result;
}

FileInfo to_info(const struct stat& status) {
    FileInfo info{.mode = status.st_mode & mode_t{07777},
                  .uid = status.st_uid,
                  .gid = status.st_gid,
                  .size = static_cast<std::uint64_t>(status.st_size)};
    if (S_ISREG(status.st_mode)) info.kind = FileKind::Regular;
    if (S_ISDIR(status.st_mode)) info.kind = FileKind::Directory;
    if (S_ISLNK(status.st_mode)) info.kind = FileKind::Symlink;
    return info;
}

}  // namespace

Descriptor::Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
    if (this != &other) {
        close();
        number_ = std::exchange(other.number_, -1);
    }
    return *this;
}

Descriptor::~Descriptor() {
    close();
}

void Descriptor::close() {
    // What close(2) says does not matter: whatever had to be durable was fsynced before, and Linux frees the
    // number in any case, so that trying again could close somebody else's file.
    if (number_ >= 0) (void)::close(std::exchange(number_, -1));
}

Result<Descriptor> SystemFiles::open(const std::string& path, int flags, mode_t mode) {
    return Descriptor(TRY(call_on_path(
        "open", path, [&](const char* name) { return ::open(name, flags | O_CLOEXEC | O_NOFOLLOW, mode); })));
}

Result<std::string> SystemFiles::read(const Descriptor& file, std::size_t size_max) {
    std::string bytes(size_max, '\0');
    const ssize_t taken = TRY(
        call_on_file("read", file, [&](int number) { return ::read(number, bytes.data(), bytes.size()); }));
    bytes.resize(static_cast<std::size_t>(taken));
    return bytes;
}

Result<std::size_t> SystemFiles::write(const Descriptor& file, std::string_view bytes) {
    return static_cast<std::size_t>(TRY(call_on_file(
        "write", file, [&](int number) { return ::write(number, bytes.data(), bytes.size()); })));
}

Result<void> SystemFiles::change_owner(const Descriptor& file, uid_t uid, gid_t gid) {
    TRY(call_on_file("change the owner of", file, [&](int number) { return ::fchown(number, uid, gid); }));
    return {};
}

Result<void> SystemFiles::change_mode(const Descriptor& file, mode_t mode) {
    TRY(call_on_file("change the mode of", file, [&](int number) { return ::fchmod(number, mode); }));
    return {};
}

Result<void> SystemFiles::sync(const Descriptor& file) {
    // Not through call_on_file(): after an fsync that did not work, a second one may say "done" about pages
    // that the kernel has already thrown away. EINVAL means that this file system has nothing to synchronise.
    if (::fsync(file.number()) == 0 || errno == EINVAL) return {};
    const int number = errno;
    return fail_errno(number, "bring to disk", path_of(file));
}

Result<void> SystemFiles::rename(const std::string& from, const std::string& to) {
    TRY(call_on_path("rename", from, [&](const char* name) { return ::rename(name, to.c_str()); }));
    return {};
}

Result<void> SystemFiles::link(const std::string& from, const std::string& to) {
    TRY(call_on_path("make the link", to, [&](const char* name) { return ::link(from.c_str(), name); }));
    return {};
}

Result<void> SystemFiles::symlink(const std::string& text, const std::string& path) {
    TRY(call_on_path("make the symbolic link", path,
                     [&](const char* name) { return ::symlink(text.c_str(), name); }));
    return {};
}

Result<void> SystemFiles::unlink(const std::string& path) {
    TRY(call_on_path("remove", path, [](const char* name) { return ::unlink(name); }));
    return {};
}

Result<void> SystemFiles::make_directory(const std::string& path, mode_t mode) {
    TRY(call_on_path("make the directory", path, [&](const char* name) { return ::mkdir(name, mode); }));
    return {};
}

Result<void> SystemFiles::remove_directory(const std::string& path) {
    TRY(call_on_path("remove the directory", path, [](const char* name) { return ::rmdir(name); }));
    return {};
}

Result<FileInfo> SystemFiles::info(const std::string& path) {
    struct stat status{};
    TRY(call_on_path("look at", path, [&](const char* name) { return ::lstat(name, &status); }));
    return to_info(status);
}

Result<FileInfo> SystemFiles::info(const Descriptor& file) {
    struct stat status{};
    TRY(call_on_file("look at", file, [&](int number) { return ::fstat(number, &status); }));
    return to_info(status);
}

Result<std::string> SystemFiles::read_symlink(const std::string& path) {
    std::array<char, 4096> text{};  // PATH_MAX: no symbolic link is longer
    const int length = TRY(call_on_path("read the symbolic link", path, [&](const char* name) {
        return static_cast<int>(::readlink(name, text.data(), text.size()));
    }));
    return std::string(text.data(), static_cast<std::size_t>(length));
}

Result<std::vector<std::string>> SystemFiles::list(const std::string& path) {
    auto opened = open(path, O_RDONLY | O_DIRECTORY, 0);
    if (!opened) {
        // Linux says "not a directory" of a symbolic link here, which would send the reader the wrong way.
        struct stat status{};
        const bool is_link = ::lstat(path.c_str(), &status) == 0 && S_ISLNK(status.st_mode);
        if (is_link) return fail_errno(ELOOP, "list", path);
        return tl::make_unexpected(std::move(opened).error());
    }
    const int number = ::fcntl(opened->number(), F_DUPFD_CLOEXEC, 0);  // the stream closes this one itself
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(number < 0 ? nullptr : ::fdopendir(number),
                                                        &::closedir);
    if (directory == nullptr) return fail_errno(errno, "list", path);
    std::vector<std::string> names;
    errno = 0;
    // Thread safe: glibc locks the stream, and this stream belongs to this call alone.
    for (const dirent* entry = ::readdir(directory.get()); entry != nullptr;  // NOLINT(concurrency-mt-unsafe)
         entry = ::readdir(directory.get())) {                                // NOLINT(concurrency-mt-unsafe)
        const std::string_view name(static_cast<const char*>(entry->d_name));
        if (name != "." && name != "..") names.emplace_back(name);
        errno = 0;
    }
    if (errno != 0) return fail_errno(errno, "list", path);
    std::ranges::sort(names);
    return names;
}

Result<bool> SystemFiles::lock(const Descriptor& file) {
    int result = -1;
    do result = ::flock(file.number(), LOCK_EX | LOCK_NB);
    while (result < 0 && errno == EINTR);
    if (result == 0) return true;
    const int number = errno;
    if (number == EWOULDBLOCK) return false;
    return fail_errno(number, "lock", path_of(file));
}

Result<std::uint64_t> SystemFiles::free_bytes(const std::string& path) {
    struct statvfs status{};
    TRY(call_on_path("ask for free space at", path,
                     [&](const char* name) { return ::statvfs(name, &status); }));
    return std::uint64_t{status.f_bavail} * std::uint64_t{status.f_frsize};
}

Result<bool> SystemFiles::is_in_memory(const std::string& path) {
    struct statfs status{};
    TRY(call_on_path("ask for the file system of", path,
                     [&](const char* name) { return ::statfs(name, &status); }));
    return status.f_type == TMPFS_MAGIC || status.f_type == RAMFS_MAGIC;
}

}  // namespace base
