// SPDX-License-Identifier: Apache-2.0
// What the rest of renewd does with files, out of the calls of Files. Cleaning up is written out and not left
// to destructors: a test that "kills" renewd at a call throws through here, and a dead process cleans nothing
// up.
#include <algorithm>
#include <atomic>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "base/file.hpp"
#include "base/unsynced_file.hpp"

namespace base {

namespace {

constexpr std::size_t kChunkSize = std::size_t{4} * 1024;  // of a file that is longer than it was
constexpr std::size_t kNameSizeMax = 200;  // leaves room for the marks of a temporary name in NAME_MAX (255)
constexpr int kTemporaryNamesTried = 100;  // each one taken is what a killed process left behind
constexpr int kTreeDepthMax = 100;         // nothing of ours is deeper than ten; the stack is finite

std::string name_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos ? path : path.substr(slash + 1);
}

/// A name in the directory of `path` that no running process uses, and that people and `ls -a` can make sense
/// of.
std::string temporary_path(const std::string& path) {
    static std::atomic<unsigned> counter{0};
    return directory_of(path) + "/." + name_of(path).substr(0, kNameSizeMax) + ".renewd-" +
           std::to_string(::getpid()) + "-" + std::to_string(counter++);
}

/// Makes something under a temporary name for `path` and tells the name. A name that is taken was left behind
/// by a process that was killed (in a container every agent may be process 1): the next one is tried.
template <class Make>
Result<std::string> make_temporary(const std::string& path, Make make) {
    for (int tried = 1;; ++tried) {
        std::string temporary = temporary_path(path);
        Result<void> made = make(temporary);
        if (made) return temporary;
        if (made.error().code != Code::FileExists || tried == kTemporaryNamesTried) {
            return tl::make_unexpected(std::move(made).error());
        }
    }
}

/// Puts what is complete under a temporary name where it belongs; if that does not work, it is gone.
Result<void> publish(Files& files, const std::string& temporary, const std::string& path) {
    Result<void> renamed = files.rename(temporary, path);
    if (!renamed) (void)files.unlink(temporary);
    return renamed;
}

Result<void> write_all(Files& files, const Descriptor& file, std::string_view bytes,
                       const std::string& path) {
    while (!bytes.empty()) {
        const std::size_t taken = TRY(files.write(file, bytes));
        if (taken == 0) return fail(Code::FileIo, "cannot write " + path + ": no byte was taken");
        bytes.remove_prefix(taken);
    }
    return {};
}

Result<void> fill(Files& files, const Descriptor& file, const std::string& path, std::string_view content,
                  const FileAttributes& attributes) {
    // The owner first: changing it later would clear bits of the mode, and nobody must be let in before it is
    // right.
    if (attributes.uid || attributes.gid) {
        TRY(files.change_owner(file, attributes.uid.value_or(static_cast<uid_t>(-1)),
                               attributes.gid.value_or(static_cast<gid_t>(-1))));
    }
    TRY(files.change_mode(file, attributes.mode));
    return write_all(files, file, content, path);
}

Result<void> fill_and_sync(Files& files, const Descriptor& file, const std::string& path,
                           std::string_view content, const FileAttributes& attributes) {
    TRY(fill(files, file, path, content, attributes));
    return files.sync(file);
}

/// Makes a new file, and fills it in one of these two ways.
template <class Fill>
Result<void> make_file(Files& files, const std::string& path, std::string_view content,
                       const FileAttributes& attributes, Fill fill_it) {
    const Descriptor file = TRY(files.open(path, O_WRONLY | O_CREAT | O_EXCL, 0600));
    Result<void> filled = fill_it(files, file, path, content, attributes);
    if (!filled) (void)files.unlink(path);
    return filled;
}

Result<void> make_directory_durably(Files& files, const std::string& path, mode_t mode) {
    Result<void> made = files.make_directory(path, mode);
    if (!made && made.error().code == Code::FileExists) return {};  // somebody else was faster
    if (!made) return made;
    const Descriptor directory = TRY(files.open(path, O_RDONLY | O_DIRECTORY, 0));
    if (TRY(files.info(directory)).mode != mode)
        TRY(files.change_mode(directory, mode));  // the umask took some away
    return sync_directory(files, directory_of(path));
}

/// Gone already is as good as removed.
Result<void> unless_gone(Result<void> removed) {
    if (!removed && removed.error().code == Code::FileNotFound) return {};
    return removed;
}

Result<void> remove_below(Files& files, const std::string& path, int depth) {
    const Result<FileInfo> info = files.info(path);
    if (!info && info.error().code == Code::FileNotFound) return {};
    if (!info) return Failure(info.error());
    if (info->kind != FileKind::Directory) return unless_gone(files.unlink(path));
    if (depth == 0)
        return fail(Code::FileUnsafe, "cannot remove " + path + ": directories too deep in one another");
    for (const std::string& name : TRY(files.list(path))) {
        TRY(remove_below(files, (path + "/").append(name), depth - 1));
    }
    return unless_gone(files.remove_directory(path));
}

std::string process_id_in(Files& files, const Descriptor& file) {
    const auto text = files.read(file, 32);
    if (!text) return {};
    const std::size_t from = std::min(text->find_first_not_of(' '), text->size());
    return text->substr(from, text->find_first_not_of("0123456789", from) - from);
}

}  // namespace

Result<std::string> read_file(Files& files, const std::string& path, std::size_t size_max) {
    // O_NONBLOCK: opening a named pipe that somebody put there would otherwise wait for ever.
    const Descriptor file = TRY(files.open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0));
    const FileInfo info = TRY(files.info(file));
    if (info.kind != FileKind::Regular) return fail(Code::FileUnsafe, path + " is not a regular file");
    std::string content;
    std::uint64_t wanted = info.size + 1;  // it may grow or shrink meanwhile: only what was read counts
    while (content.size() <= size_max) {
        const std::size_t room = size_max + 1 - content.size();
        std::string chunk = TRY(files.read(file, std::min<std::uint64_t>(wanted, room)));
        if (chunk.empty()) return content;
        wanted = kChunkSize;
        content = content.empty() ? std::move(chunk) : std::move(content) + chunk;
    }
    return fail(Code::FileTooLarge, path + " is larger than " + std::to_string(size_max) + " bytes");
}

Result<void> write_new_file(Files& files, const std::string& path, std::string_view content,
                            const FileAttributes& attributes) {
    return make_file(files, path, content, attributes, fill_and_sync);
}

Result<void> write_unsynced(Files& files, const std::string& path, std::string_view content,
                            const FileAttributes& attributes) {
    const std::string temporary = TRY(make_temporary(
        path, [&](const std::string& name) { return make_file(files, name, content, attributes, fill); }));
    return publish(files, temporary, path);
}

Result<void> fill_file(Files& files, const std::string& path, std::string_view content,
                       const FileAttributes& attributes) {
    const Descriptor file = TRY(files.open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600));
    return fill_and_sync(files, file, path, content, attributes);
}

Result<void> write_whole(Files& files, const std::string& path, std::string_view content,
                         const FileAttributes& attributes) {
    const std::string temporary = TRY(make_temporary(
        path, [&](const std::string& name) { return write_new_file(files, name, content, attributes); }));
    return publish(files, temporary, path);
}

Result<void> write_durably(Files& files, const std::string& path, std::string_view content,
                           const FileAttributes& attributes) {
    TRY(write_whole(files, path, content, attributes));
    return sync_directory(files, directory_of(path));
}

Result<void> append_durably(Files& files, const std::string& path, std::string_view lines, mode_t mode) {
    auto file = files.open(path, O_WRONLY | O_APPEND, 0);
    const bool is_new = !file && file.error().code == Code::FileNotFound;
    if (is_new) file = files.open(path, O_WRONLY | O_APPEND | O_CREAT, mode);
    if (!file) return Failure(std::move(file).error());
    TRY(write_all(files, *file, "\n" + std::string(lines), path));
    TRY(files.sync(*file));
    return is_new ? sync_directory(files, directory_of(path)) : Result<void>{};
}

Result<void> sync_directory(Files& files, const std::string& path) {
    // "/.": the directory itself may well be a symbolic link of the administrator's.
    const Descriptor directory = TRY(files.open(path + "/.", O_RDONLY | O_DIRECTORY, 0));
    return files.sync(directory);
}

Result<void> make_directories(Files& files, const std::string& path, mode_t mode) {
    const Result<FileInfo> info = files.info(path);
    if (info) {
        if (info->kind == FileKind::Directory || info->kind == FileKind::Symlink) return {};
        return fail(Code::FileExists, path + " is no directory", "move it out of the way");
    }
    if (info.error().code != Code::FileNotFound) return Failure(info.error());
    const std::string parent = directory_of(path);
    if (parent != path) TRY(make_directories(files, parent, mode));
    return make_directory_durably(files, path, mode);
}

Result<void> remove_tree(Files& files, const std::string& path) {
    return remove_below(files, path, kTreeDepthMax);
}

Result<void> replace_symlink(Files& files, const std::string& text, const std::string& path) {
    const std::string temporary =
        TRY(make_temporary(path, [&](const std::string& name) { return files.symlink(text, name); }));
    TRY(publish(files, temporary, path));
    return sync_directory(files, directory_of(path));
}

bool exists(Files& files, const std::string& path) {
    return files.info(path).has_value();
}

std::string directory_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

Result<Lock> Lock::take(Files& files, const std::string& path) {
    Descriptor file = TRY(files.open(path, O_RDWR | O_CREAT, 0600));
    if (!TRY(files.lock(file))) {
        const std::string holder = process_id_in(files, file);
        return fail(Code::StateLocked,
                    path + " is locked by " + (holder.empty() ? "another process" : "process " + holder),
                    "wait for it to end, or stop it");
    }
    // For people only, so a full disk is no reason to do without the lock. One width, so that the id of an
    // earlier holder is covered; the file is never removed, or two processes could hold locks on two files of
    // one name.
    const std::string id = std::to_string(::getpid());
    (void)files.write(file, std::string(10 - std::min<std::size_t>(id.size(), 10), ' ') + id + "\n");
    return Lock(std::move(file));
}

}  // namespace base
