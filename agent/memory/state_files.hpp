// SPDX-License-Identifier: Apache-2.0
// What the parts of the file store share: how files of the state are read, written and locked.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "agent/memory/store.hpp"
#include "base/file.hpp"

namespace agent {

inline constexpr std::size_t kStateFileMax = 4'194'304;
inline constexpr std::size_t kPemFileMax = 262'144;
inline constexpr base::FileAttributes kPrivate{.mode = 0600};
inline constexpr mode_t kPrivateDirectory = 0700;

/// What the caller can act on: everything that is not "disk full" or a finding of ours is "cannot be
/// written".
template <class T>
base::Result<T> as_state(base::Result<T> result) {
    if (result) return result;
    base::Error error = std::move(result).error();
    switch (error.code) {
        case base::Code::StateNoSpace:
        case base::Code::StateLocked:
        case base::Code::StateCorrupt:
        case base::Code::StateNewer:
            break;
        default:
            error.code = base::Code::StateUnwritable;
    }
    return tl::make_unexpected(std::move(error));
}

/// The right to write in this directory, which is made if it is missing.
[[nodiscard]] base::Result<std::unique_ptr<Lease>> take_lease(base::Files& files,
                                                              const std::string& directory);

/// The file's text, or nothing where there is none.
[[nodiscard]] base::Result<std::optional<std::string>> read_if_there(base::Files& files,
                                                                     const std::string& path,
                                                                     std::size_t size_max);

}  // namespace agent
