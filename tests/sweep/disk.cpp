// SPDX-License-Identifier: Apache-2.0
#include "tests/sweep/disk.hpp"

#include <algorithm>
#include <filesystem>
#include <map>
#include <ranges>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sweep {

namespace {

std::string name_of(const std::string& path) {
    return path.substr(path.rfind('/') + 1);
}

struct Identity {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::int64_t size = 0;
    bool is_directory = false;
};

Identity identity_of(int number) {
    struct stat status{};
    if (::fstat(number, &status) != 0) return {};
    return {.device = status.st_dev,
            .inode = status.st_ino,
            .size = status.st_size,
            .is_directory = S_ISDIR(status.st_mode)};
}

}  // namespace

void Disk::before_write(const base::Descriptor& file) {
    if (!remembers_) return;
    const std::scoped_lock guard(mutex_);
    const Identity it = identity_of(file.number());
    const bool known = std::ranges::any_of(
        unsynced_, [&](const Unsynced& one) { return one.device == it.device && one.inode == it.inode; });
    if (known) return;
    // Opened anew: a duplicate would share a lock, and hold it.
    const std::string name = "/proc/self/fd/" + std::to_string(file.number());
    base::Descriptor again(::open(name.c_str(), O_WRONLY | O_CLOEXEC));
    if (!again.is_open()) return;
    unsynced_.push_back(
        {.file = std::move(again), .device = it.device, .inode = it.inode, .durable_size = it.size});
}

void Disk::after_sync(const base::Descriptor& file) {
    if (!remembers_) return;
    const std::scoped_lock guard(mutex_);
    const Identity it = identity_of(file.number());
    if (it.is_directory) {
        std::erase_if(entries_, [&](const Entry& one) { return one.inode == it.inode; });
    } else {
        std::erase_if(unsynced_,
                      [&](const Unsynced& one) { return one.device == it.device && one.inode == it.inode; });
    }
}

Disk::Entry Disk::entry_for(const std::string& path, Done done) const {
    const std::string above = base::directory_of(path);
    base::Descriptor directory(::open(above.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    const std::uint64_t inode = identity_of(directory.number()).inode;
    return {.done = done, .directory = std::move(directory), .inode = inode, .name = name_of(path)};
}

void Disk::after_create(const std::string& path) {
    if (!remembers_) return;
    const std::scoped_lock guard(mutex_);
    entries_.push_back(entry_for(path, Done::Made));
}

void Disk::after_make_directory(const std::string& path) {
    if (!remembers_) return;
    const std::scoped_lock guard(mutex_);
    entries_.push_back(entry_for(path, Done::MadeDirectory));
}

std::string Disk::save(const std::string& path) {
    if (!remembers_) return {};
    const std::scoped_lock guard(mutex_);
    std::string saved = graveyard_ + "/" + std::to_string(::getpid()) + "-" + std::to_string(saved_++);
    if (::linkat(AT_FDCWD, path.c_str(), AT_FDCWD, saved.c_str(), 0) != 0) return {};
    return saved;
}

void Disk::after_remove(const std::string& path, const std::string& saved) {
    if (!remembers_) return;
    const std::scoped_lock guard(mutex_);
    Entry entry = entry_for(path, Done::Removed);
    entry.saved = saved;
    entries_.push_back(std::move(entry));
}

void Disk::after_rename(const std::string& from, const std::string& to, const std::string& saved) {
    if (!remembers_) return;
    const std::scoped_lock guard(mutex_);
    Entry entry = entry_for(to, Done::Renamed);
    entry.before = name_of(from);
    entry.saved = saved;
    entries_.push_back(std::move(entry));
}

void Disk::after_remove_directory(const std::string& path) {
    if (!remembers_) return;
    const std::scoped_lock guard(mutex_);
    entries_.push_back(entry_for(path, Done::RemovedDirectory));
}

void Disk::undo(const Entry& entry) {
    const int in = entry.directory.number();
    const char* name = entry.name.c_str();
    switch (entry.done) {
        case Done::Made:
            (void)::unlinkat(in, name, 0);
            return;
        case Done::MadeDirectory: {
            // What is in it has no name to be found by any more, synced or not.
            std::error_code ignored;
            std::filesystem::remove_all("/proc/self/fd/" + std::to_string(in) + "/" + entry.name, ignored);
            return;
        }
        case Done::RemovedDirectory:
            (void)::mkdirat(in, name, 0700);
            return;
        case Done::Renamed:
            (void)::renameat(in, name, in, entry.before.c_str());
            [[fallthrough]];
        case Done::Removed:
            if (!entry.saved.empty()) (void)::linkat(AT_FDCWD, entry.saved.c_str(), in, name, 0);
            return;
    }
}

void Disk::lose(Loss loss, std::uint64_t seed) {
    const std::scoped_lock guard(mutex_);
    std::mt19937_64 generator(seed);
    const auto draw = [&](std::uint64_t below) { return generator() % below; };
    // A directory's changes reach the disk in their order: the first so many are there, the others are not.
    std::map<std::uint64_t, std::size_t> held;
    std::map<std::uint64_t, std::size_t> all;
    for (const Entry& entry : entries_) ++all[entry.inode];
    for (const auto& [directory, count] : all)
        held[directory] = loss == Loss::Lost ? 0 : loss == Loss::Torn ? count : draw(count + 1);
    for (const Entry& entry : entries_ | std::views::reverse) {
        if (all[entry.inode]-- > held[entry.inode]) undo(entry);
    }
    for (const Unsynced& one : unsynced_) {
        const std::int64_t size = identity_of(one.file.number()).size;
        const std::int64_t fresh = std::max<std::int64_t>(size - one.durable_size, 0);
        const std::uint64_t part = loss == Loss::Lost ? 0 : loss == Loss::Torn ? 1 : draw(3);
        if (part < 2) (void)!::ftruncate(one.file.number(), one.durable_size + (part == 0 ? 0 : fresh / 2));
    }
}

void Disk::fill_up() {
    const std::scoped_lock guard(mutex_);
    full_ = true;
}

bool Disk::take(std::uint64_t bytes) {
    const std::scoped_lock guard(mutex_);
    const std::uint64_t wanted = (bytes + kBlock - 1) / kBlock;
    if (wanted > blocks_) return false;
    blocks_ -= wanted;
    return true;
}

bool Disk::take_inode() {
    const std::scoped_lock guard(mutex_);
    if (inodes_ == 0) return false;
    --inodes_;
    return true;
}

void Disk::give_back(const std::string& path) {
    struct stat status{};
    if (::lstat(path.c_str(), &status) != 0 || status.st_nlink > 1) return;
    const std::scoped_lock guard(mutex_);
    if (!full_) return;
    ++inodes_;
    if (S_ISREG(status.st_mode))
        blocks_ += (static_cast<std::uint64_t>(status.st_size) + kBlock - 1) / kBlock;
}

}  // namespace sweep
