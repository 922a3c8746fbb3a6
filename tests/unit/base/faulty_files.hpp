// SPDX-License-Identifier: Apache-2.0
// The real file system, with one fault at a chosen call. A test runs the same work with the fault at the
// first call, the second, … until the work is done before its fault comes: then every single call has been
// through it.
#pragma once

#include <algorithm>
#include <functional>
#include <limits>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.hpp"

namespace tests {

enum class Fault {
    Fail,      // the call does nothing and returns an error; all later calls work again
    Kill,      // the process dies before the call takes effect (a write: after half of its bytes)
    PowerCut,  // as Kill, and whatever was written and not fsynced is lost: those files are empty afterwards
};

/// Thrown by every call of a process that is dead. Never an error that renewd's own code may see.
struct Killed {};

class FaultyFiles final : public base::Files {
  public:
    static constexpr std::size_t kNever = std::numeric_limits<std::size_t>::max();

    FaultyFiles() = default;

    /// The fault comes at the `at`-th call, counted from 1; `code` is what a failing call returns.
    FaultyFiles(Fault fault, std::size_t at, base::Code code = base::Code::FileIo)
        : fault_(fault), at_(at), code_(code) {}

    /// No write takes more than this.
    void set_write_max(std::size_t size) { write_max_ = size; }

    /// Called with each call, as calls() has it, before it is made: what somebody else does in between.
    std::function<void(const std::string& what)> before_each{};

    /// The fault has come.
    [[nodiscard]] bool struck() const { return calls_.size() >= at_; }

    /// What was asked, in order: "open /a/b", "sync", "rename /a/c /a/b" …
    [[nodiscard]] const std::vector<std::string>& calls() const { return calls_; }

    base::Result<base::Descriptor> open(const std::string& path, int flags, mode_t mode) override {
        return call("open " + path, [&] { return system_.open(path, flags, mode); });
    }

    base::Result<std::string> read(const base::Descriptor& file, std::size_t size_max) override {
        return call("read", [&] { return system_.read(file, size_max); });
    }

    base::Result<std::size_t> write(const base::Descriptor& file, std::string_view bytes) override {
        if (fault_ == Fault::PowerCut) note_unsynced(file);
        if (fault_ != Fault::Fail && calls_.size() + 1 == at_)
            (void)system_.write(file, bytes.substr(0, bytes.size() / 2));
        return call("write", [&] { return system_.write(file, bytes.substr(0, write_max_)); });
    }

    base::Result<void> change_owner(const base::Descriptor& file, uid_t uid, gid_t gid) override {
        return call("change_owner", [&] { return system_.change_owner(file, uid, gid); });
    }

    base::Result<void> change_mode(const base::Descriptor& file, mode_t mode) override {
        return call("change_mode", [&] { return system_.change_mode(file, mode); });
    }

    base::Result<void> sync(const base::Descriptor& file) override {
        return call("sync", [&] {
            note_synced(file);
            return system_.sync(file);
        });
    }

    base::Result<void> rename(const std::string& from, const std::string& to) override {
        return call("rename " + from + " " + to, [&] { return system_.rename(from, to); });
    }

    base::Result<void> link(const std::string& from, const std::string& to) override {
        return call("link " + from + " " + to, [&] { return system_.link(from, to); });
    }

    base::Result<void> symlink(const std::string& text, const std::string& path) override {
        return call("symlink " + text + " " + path, [&] { return system_.symlink(text, path); });
    }

    base::Result<void> unlink(const std::string& path) override {
        return call("unlink " + path, [&] { return system_.unlink(path); });
    }

    base::Result<void> make_directory(const std::string& path, mode_t mode) override {
        return call("make_directory " + path, [&] { return system_.make_directory(path, mode); });
    }

    base::Result<void> remove_directory(const std::string& path) override {
        return call("remove_directory " + path, [&] { return system_.remove_directory(path); });
    }

    base::Result<base::FileInfo> info(const std::string& path) override {
        return call("info " + path, [&] { return system_.info(path); });
    }

    base::Result<base::FileInfo> info(const base::Descriptor& file) override {
        return call("info", [&] { return system_.info(file); });
    }

    base::Result<std::string> read_symlink(const std::string& path) override {
        return call("read_symlink " + path, [&] { return system_.read_symlink(path); });
    }

    base::Result<std::vector<std::string>> list(const std::string& path) override {
        return call("list " + path, [&] { return system_.list(path); });
    }

    base::Result<bool> lock(const base::Descriptor& file) override {
        return call("lock", [&] { return system_.lock(file); });
    }

    base::Result<bool> is_in_memory(const std::string& path) override {
        return call("is_in_memory " + path, [&] { return system_.is_in_memory(path); });
    }

    base::Result<std::uint64_t> free_bytes(const std::string& path) override {
        return call("free_bytes " + path, [&] { return system_.free_bytes(path); });
    }

  private:
    /// Counts a call and does it, unless it is the one, or the process is dead already.
    template <class SystemCall>
    auto call(std::string what, SystemCall system_call) -> decltype(system_call()) {
        if (before_each) before_each(what);
        const std::size_t number = count(std::move(what));
        if (number < at_ || (number > at_ && fault_ == Fault::Fail)) return system_call();
        if (fault_ == Fault::Fail) return base::fail(code_, "injected at call " + std::to_string(number));
        if (fault_ == Fault::PowerCut) lose_unsynced();
        throw Killed{};
    }

    std::size_t count(std::string what) {
        const std::scoped_lock guard(mutex_);
        calls_.push_back(std::move(what));
        return calls_.size();
    }

    static bool is_same(const base::Descriptor& one, const base::Descriptor& other) {
        struct stat a{};
        struct stat b{};
        return ::fstat(one.number(), &a) == 0 && ::fstat(other.number(), &b) == 0 && a.st_dev == b.st_dev &&
               a.st_ino == b.st_ino;
    }

    /// Opened anew, as a duplicate would share a lock and hold it; only what may not be opened is duplicated.
    void note_unsynced(const base::Descriptor& file) {
        const std::scoped_lock guard(mutex_);
        const std::string name = "/proc/self/fd/" + std::to_string(file.number());
        base::Descriptor again(::open(name.c_str(), O_WRONLY | O_CLOEXEC));
        if (!again.is_open()) again = base::Descriptor(::fcntl(file.number(), F_DUPFD_CLOEXEC, 0));
        unsynced_.push_back(std::move(again));
    }

    void note_synced(const base::Descriptor& file) {
        const std::scoped_lock guard(mutex_);
        std::erase_if(unsynced_, [&](const base::Descriptor& other) { return is_same(file, other); });
    }

    void lose_unsynced() {
        const std::scoped_lock guard(mutex_);
        for (const base::Descriptor& file : unsynced_) (void)!::ftruncate(file.number(), 0);
        unsynced_.clear();
    }

    base::SystemFiles system_;
    Fault fault_ = Fault::Fail;
    std::size_t at_ = kNever;
    base::Code code_ = base::Code::FileIo;
    std::size_t write_max_ = kNever;
    std::mutex mutex_;
    std::vector<std::string> calls_;
    std::vector<base::Descriptor> unsynced_;
};

/// Does work(files) with the fault at the first call, then the second, … and examine(files, n) after each,
/// until the work is done before its fault comes. Returns how many calls were struck: a test should know that
/// it is not 0.
template <class Work, class Examine>
std::size_t at_every_call(Fault fault, Work work, Examine examine) {
    for (std::size_t number = 1;; ++number) {
        FaultyFiles files(fault, number);
        try {
            work(files);
        } catch (const Killed&) {  // NOLINT(bugprone-empty-catch): examine() looks at what is left
        }
        if (!files.struck()) return number - 1;
        examine(files, number);
    }
}

}  // namespace tests
