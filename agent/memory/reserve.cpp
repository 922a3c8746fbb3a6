// SPDX-License-Identifier: Apache-2.0
#include "agent/memory/reserve.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include <fcntl.h>

#include "agent/memory/state_files.hpp"

namespace agent {

using base::Result;

namespace {

// A chain is 3 to 20 KiB and written twice, a record with a thousand targets is 200 KiB.
constexpr std::size_t kReservedBytes = std::size_t{256} * 1024;
constexpr std::size_t kBlockBytes = std::size_t{32} * 1024;
// With the one of the bytes: what takes the record's place, the link "live", and the history.
constexpr int kReservedInodes = 3;
constexpr std::string_view kName = "reserve";

/// Writes bytes that no file system can compress or leave out, a block at a time: in a batch many do so at
/// once.
Result<void> write_noise(base::Files& files, const base::Descriptor& file) {
    std::vector<std::uint64_t> block(kBlockBytes / sizeof(std::uint64_t));
    std::uint64_t state = 0x9E37'79B9'7F4A'7C15U;
    std::size_t left = kReservedBytes;
    while (left > 0) {
        for (std::uint64_t& word : block) {  // xorshift64
            state ^= state << 13U;
            state ^= state >> 7U;
            state ^= state << 17U;
            word = state;
        }
        const std::string_view bytes(reinterpret_cast<const char*>(block.data()),
                                     std::min(left, kBlockBytes));
        const std::size_t taken = TRY(files.write(file, bytes));
        if (taken == 0) return base::fail(base::Code::FileIo, "no byte of the reserve was taken");
        left -= taken;
    }
    return {};
}

Result<void> make_empty(base::Files& files, const std::string& path) {
    return as_state(files.open(path, O_WRONLY | O_CREAT | O_EXCL, kPrivate.mode)).map([](const auto&) {});
}

Result<void> take_room(base::Files& files, const std::string& path) {
    // Written, not only allocated: not every file system can promise blocks, and each knows what it holds.
    const base::Descriptor file = TRY(as_state(files.open(path, O_WRONLY | O_CREAT | O_EXCL, kPrivate.mode)));
    TRY(as_state(write_noise(files, file)));
    TRY(as_state(files.sync(file)));
    for (int i = 1; i < kReservedInodes; ++i) {
        TRY(make_empty(files, path + "." + std::to_string(i)));
    }
    return {};
}

}  // namespace

Result<void> make_reserve(base::Files& files, const std::string& directory,
                          std::span<const std::string_view> kept) {
    auto taken = take_room(files, (directory + "/").append(kName));
    for (const std::string_view name : kept) {
        if (taken) taken = make_empty(files, (directory + "/").append(name));
    }
    if (taken) return taken;
    // The others want what is left.
    static_cast<void>(release_reserve(files, directory));
    for (const std::string_view name : kept)
        static_cast<void>(base::remove_tree(files, (directory + "/").append(name)));
    return taken;
}

Result<void> release_reserve(base::Files& files, const std::string& directory) {
    for (const std::string& entry : TRY(as_state(files.list(directory)))) {
        if (entry.starts_with(kName))
            TRY(as_state(base::remove_tree(files, (directory + "/").append(entry))));
    }
    return {};
}

}  // namespace agent
