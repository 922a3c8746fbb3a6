// SPDX-License-Identifier: Apache-2.0
// What the parts of the file store share: how files of the state are read, written and locked.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

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

/// The same for what may belong to another user: says who has to own it.
template <class T>
base::Result<T> as_owned(base::Result<T> result, const std::string& directory) {
    if (!result && result.error().code == base::Code::FileDenied) {
        result.error().hint = "whoever runs renewd must own its state:  chown -R USER: " + directory;
    }
    return as_state(std::move(result));
}

/// Removes what a writer that was killed left in a directory under temporary names; one that is not there has
/// none. For whoever holds the lease of all files in it whose names begin with `of`: nobody else writes
/// these.
[[nodiscard]] base::Result<void> remove_leftovers(base::Files& files, const std::string& directory,
                                                  std::string_view of = "");
/// The same where others may be writing now: only what a process has left that is gone. Best effort.
void remove_leftovers_of_the_dead(base::Files& files, const std::string& directory);

/// Removes a file or directory of ours with all it holds, at once for whoever looks: under the name of a
/// left-over first, so that a run which is killed meanwhile leaves no half of it. Nothing there is no error.
[[nodiscard]] base::Result<void> remove_at_once(base::Files& files, const std::string& path);

/// The right to write in this directory what begins with `of`; it is made if it is missing, and cleared of
/// left-overs of such files.
[[nodiscard]] base::Result<std::unique_ptr<Lease>> take_lease(base::Files& files,
                                                              const std::string& directory,
                                                              std::string_view of = "");

/// The file's text, or nothing where there is none.
[[nodiscard]] base::Result<std::optional<std::string>> read_if_there(base::Files& files,
                                                                     const std::string& path,
                                                                     std::size_t size_max);

}  // namespace agent
