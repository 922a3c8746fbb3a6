// SPDX-License-Identifier: Apache-2.0
// What a disk may forget. Until a file is synced its bytes may be lost, and until its directory is synced its
// name may be: whatever was done and not synced is remembered here, so that it can be undone. And a disk that
// is full: what is freed can be used again.
#pragma once

#include <cstdint>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.hpp"

namespace sweep {

enum class Loss { Lost, Torn, Mixed };

/// Thread safe. Calls are announced before or after they are made, as the names say.
class Disk {
  public:
    Disk(std::string graveyard, bool remembers) : graveyard_(std::move(graveyard)), remembers_(remembers) {}

    void before_write(const base::Descriptor& file);
    void after_sync(const base::Descriptor& file);
    void after_create(const std::string& path);
    void after_make_directory(const std::string& path);

    void after_link(const std::string& path) { after_create(path); }

    /// What goes away by the call; to be handed to the announcement after it.
    [[nodiscard]] std::string save(const std::string& path);
    void after_remove(const std::string& path, const std::string& saved);
    void after_rename(const std::string& from, const std::string& to, const std::string& saved);
    void after_remove_directory(const std::string& path);

    /// The power fails.
    void lose(Loss loss, std::uint64_t seed);

    // --- a full disk
    void fill_up();

    [[nodiscard]] bool is_full() const { return full_; }

    /// May this much be written? Takes it if so.
    [[nodiscard]] bool take(std::uint64_t bytes);
    [[nodiscard]] bool take_inode();
    /// The space of what is about to go.
    void give_back(const std::string& path);

    [[nodiscard]] std::uint64_t free_bytes() const { return blocks_ * kBlock; }

  private:
    enum class Done { Made, MadeDirectory, Removed, RemovedDirectory, Renamed };

    /// Something done to a directory that may be forgotten.
    struct Entry {
        Done done{};
        base::Descriptor directory{};  // an O_PATH handle: it follows the directory wherever it goes
        std::uint64_t inode = 0;       // of the directory
        std::string name{};
        std::string before{};  // of a rename: the name that it had
        std::string saved{};   // what was there before, in the graveyard
    };

    /// A file with bytes that may be forgotten.
    struct Unsynced {
        base::Descriptor file{};
        std::uint64_t device = 0;
        std::uint64_t inode = 0;
        std::int64_t durable_size = 0;
    };

    [[nodiscard]] Entry entry_for(const std::string& path, Done done) const;
    static void undo(const Entry& entry);

    static constexpr std::uint64_t kBlock = 4096;
    std::string graveyard_;
    bool remembers_;
    std::mutex mutex_;
    std::vector<Entry> entries_{};
    std::vector<Unsynced> unsynced_{};
    unsigned saved_ = 0;
    bool full_ = false;
    std::uint64_t blocks_ = 0;  // that are free; they come from what was freed
    std::uint64_t inodes_ = 0;
};

}  // namespace sweep
