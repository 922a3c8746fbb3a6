// SPDX-License-Identifier: Apache-2.0
// Files that survive a power cut. `Files` is the seam to the operating system, one method a system call, so
// that a test can count, fail or cut off every single one; what the rest of renewd calls are the functions
// below it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "base/error.hpp"

namespace base {

enum class FileKind { Regular, Directory, Symlink, Other };

struct FileInfo {
    FileKind kind = FileKind::Other;
    mode_t mode = 0;  // permission bits only
    uid_t uid = 0;
    gid_t gid = 0;
    std::uint64_t size = 0;
};

/// An open descriptor, closed when it goes. Every descriptor of renewd is O_CLOEXEC from birth.
class Descriptor {
  public:
    Descriptor() = default;

    explicit Descriptor(int number) : number_(number) {}

    Descriptor(Descriptor&& other) noexcept;
    Descriptor& operator=(Descriptor&& other) noexcept;
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor();

    [[nodiscard]] int number() const { return number_; }

    [[nodiscard]] bool is_open() const { return number_ >= 0; }

    void close();

  private:
    int number_ = -1;
};

/// The operating system's files. Each method is one outward call; errors carry the path and the errno's text,
/// as file/not-found, file/exists, file/denied, file/unsafe (a symbolic link where none may be),
/// state/no-space or file/io.
class Files {
  public:
    virtual ~Files() = default;
    /// open(2) with O_CLOEXEC | O_NOFOLLOW added.
    virtual Result<Descriptor> open(const std::string& path, int flags, mode_t mode) = 0;
    /// At most `size_max` bytes; an empty string at the end of the file.
    virtual Result<std::string> read(const Descriptor& file, std::size_t size_max) = 0;
    /// How many bytes were taken.
    virtual Result<std::size_t> write(const Descriptor& file, std::string_view bytes) = 0;
    virtual Result<void> change_owner(const Descriptor& file, uid_t uid, gid_t gid) = 0;
    virtual Result<void> change_mode(const Descriptor& file, mode_t mode) = 0;
    virtual Result<void> sync(const Descriptor& file) = 0;
    virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
    virtual Result<void> link(const std::string& from, const std::string& to) = 0;
    virtual Result<void> symlink(const std::string& text, const std::string& path) = 0;
    virtual Result<void> unlink(const std::string& path) = 0;
    virtual Result<void> make_directory(const std::string& path, mode_t mode) = 0;
    virtual Result<void> remove_directory(const std::string& path) = 0;
    /// lstat(2).
    virtual Result<FileInfo> info(const std::string& path) = 0;
    /// fstat(2): what was really opened, whatever has happened to its name since.
    virtual Result<FileInfo> info(const Descriptor& file) = 0;
    virtual Result<std::string> read_symlink(const std::string& path) = 0;
    /// The names in a directory, sorted, without "." and "..". file/unsafe where `path` itself is a symbolic
    /// link.
    virtual Result<std::vector<std::string>> list(const std::string& path) = 0;
    /// flock(2), exclusive, without waiting. False: somebody else holds it.
    virtual Result<bool> lock(const Descriptor& file) = 0;
    /// Free bytes of the file system that holds `path`, for this user.
    virtual Result<std::uint64_t> free_bytes(const std::string& path) = 0;
    /// Does the file system that holds `path` live in memory, and forget everything at a reboot (tmpfs,
    /// ramfs)?
    virtual Result<bool> is_in_memory(const std::string& path) = 0;
};

class SystemFiles final : public Files {
  public:
    Result<Descriptor> open(const std::string& path, int flags, mode_t mode) override;
    Result<std::string> read(const Descriptor& file, std::size_t size_max) override;
    Result<std::size_t> write(const Descriptor& file, std::string_view bytes) override;
    Result<void> change_owner(const Descriptor& file, uid_t uid, gid_t gid) override;
    Result<void> change_mode(const Descriptor& file, mode_t mode) override;
    Result<void> sync(const Descriptor& file) override;
    Result<void> rename(const std::string& from, const std::string& to) override;
    Result<void> link(const std::string& from, const std::string& to) override;
    Result<void> symlink(const std::string& text, const std::string& path) override;
    Result<void> unlink(const std::string& path) override;
    Result<void> make_directory(const std::string& path, mode_t mode) override;
    Result<void> remove_directory(const std::string& path) override;
    Result<FileInfo> info(const std::string& path) override;
    Result<FileInfo> info(const Descriptor& file) override;
    Result<std::string> read_symlink(const std::string& path) override;
    Result<std::vector<std::string>> list(const std::string& path) override;
    Result<bool> lock(const Descriptor& file) override;
    Result<std::uint64_t> free_bytes(const std::string& path) override;
    Result<bool> is_in_memory(const std::string& path) override;
};

/// Who a file belongs to and who may read it; set on the descriptor before the first byte is written.
struct FileAttributes {
    mode_t mode = 0600;
    std::optional<uid_t> uid{};
    std::optional<gid_t> gid{};
};

/// The whole file; file/too-large above `size_max` bytes, file/unsafe where it is no regular file.
[[nodiscard]] Result<std::string> read_file(Files& files, const std::string& path, std::size_t size_max);
/// Writes a complete new file beside nothing: O_EXCL, attributes first, then the bytes, then fsync. It is not
/// durable under its name until sync_directory().
[[nodiscard]] Result<void> write_new_file(Files& files, const std::string& path, std::string_view content,
                                          const FileAttributes& attributes);
/// The same for a file that is there already, or not, and that nobody reads yet: it is filled in its place.
[[nodiscard]] Result<void> fill_file(Files& files, const std::string& path, std::string_view content,
                                     const FileAttributes& attributes);
/// Replaces `path` atomically: temporary file in the same directory, fsync, rename. For several files of one
/// directory, which sync_directory() makes durable under their names together.
[[nodiscard]] Result<void> write_whole(Files& files, const std::string& path, std::string_view content,
                                       const FileAttributes& attributes);
/// Replaces `path` atomically and durably: temporary file in the same directory, fsync, rename, fsync of the
/// directory. Whoever reads `path` sees the old content or the new one, whatever happens.
[[nodiscard]] Result<void> write_durably(Files& files, const std::string& path, std::string_view content,
                                         const FileAttributes& attributes);
/// Adds whole lines to a file, durably; it is made, with this mode, if it is not there. An empty line goes
/// before them, in case the last writer was cut off in the middle of his: readers pass over empty lines.
[[nodiscard]] Result<void> append_durably(Files& files, const std::string& path, std::string_view lines,
                                          mode_t mode);
/// fsync of a directory, which makes the names in it durable.
[[nodiscard]] Result<void> sync_directory(Files& files, const std::string& path);
/// Makes the directory and its missing parents, each with `mode`, durably. What exists is left as it is.
[[nodiscard]] Result<void> make_directories(Files& files, const std::string& path, mode_t mode);
/// Removes a file, link or directory with all it holds; nothing there is no error. Links are not followed.
[[nodiscard]] Result<void> remove_tree(Files& files, const std::string& path);
/// Points the symbolic link `path` at `text` atomically and durably.
[[nodiscard]] Result<void> replace_symlink(Files& files, const std::string& text, const std::string& path);
/// True if something is there, a dangling link included.
[[nodiscard]] bool exists(Files& files, const std::string& path);

/// "/a/b" of "/a/b/c"; "." where there is no slash.
[[nodiscard]] std::string directory_of(const std::string& path);

/// A lock that the kernel frees when its holder dies. Held until it goes.
class Lock {
  public:
    /// Does not wait: state/locked, naming the holder's process id, if somebody else has it.
    [[nodiscard]] static Result<Lock> take(Files& files, const std::string& path);

  private:
    explicit Lock(Descriptor file) : file_(std::move(file)) {}

    Descriptor file_;
};

/// The ids for a user's and a group's name (or number); config/wrong-value for names nobody has here.
[[nodiscard]] Result<uid_t> user_id(const std::string& name);
[[nodiscard]] Result<gid_t> group_id(const std::string& name);

}  // namespace base
