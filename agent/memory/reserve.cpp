// SPDX-License-Identifier: Apache-2.0
#include "agent/memory/reserve.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <fcntl.h>

#include "agent/memory/state_files.hpp"

namespace agent {

using base::Result;

namespace {

// A chain is 3 to 20 KiB and written twice, a record with a thousand targets is 200 KiB.
constexpr std::size_t kReservedBytes = std::size_t{256} * 1024;
// Four files of a generation, the record, the link "live", the history, and the temporary names of what is
// replaced.
constexpr int kReservedInodes = 8;
constexpr std::string_view kName = "reserve";

/// Bytes that no file system can compress or leave out.
std::string incompressible(std::size_t size) {
    std::string bytes(size, '\0');
    std::uint64_t state = 0x9E37'79B9'7F4A'7C15U;
    for (char& byte : bytes) {  // xorshift64
        state ^= state << 13U;
        state ^= state >> 7U;
        state ^= state << 17U;
        byte = static_cast<char>(state >> 56U);
    }
    return bytes;
}

Result<void> take_room(base::Files& files, const std::string& path) {
    // Written, not only allocated: not every file system can promise blocks, and each knows what it holds.
    TRY(as_state(base::write_new_file(files, path, incompressible(kReservedBytes), kPrivate)));
    for (int i = 1; i < kReservedInodes; ++i) {
        constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL;
        TRY(as_state(files.open(path + "." + std::to_string(i), kFlags, kPrivate.mode)));
    }
    return {};
}

}  // namespace

Result<void> make_reserve(base::Files& files, const std::string& directory) {
    const auto taken = take_room(files, (directory + "/").append(kName));
    // The others want what is left.
    if (!taken) static_cast<void>(release_reserve(files, directory));
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
