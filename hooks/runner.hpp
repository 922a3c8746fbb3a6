// SPDX-License-Identifier: Apache-2.0
// Runs somebody's programs at an event: no shell, a clean environment, a time limit for the whole process
// group.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "hooks/event.hpp"

namespace hooks {

struct Hook {
    std::vector<std::string> argv{};
    /// It lies in the hooks directory: who can change it, or the way to it, is judged right before it is run.
    bool is_found = false;
};

/// The executable files of `directory`/`event`/ in byte order, and the links that lead nowhere; names
/// beginning with "." or ending in "~" are passed over, and no directory means no hooks.
[[nodiscard]] base::Result<std::vector<Hook>> find_hooks(base::Files& files, const std::string& directory,
                                                         std::string_view event);

struct HookReport {
    /// What they printed, for the history; bounded, printable lines.
    std::string output{};
    /// hook/failed: the first that failed, how, and what it said last; or that somebody else can change it,
    /// and it was not run: root runs these. Absent: all went well.
    std::optional<base::Error> error{};
};

/// Runs all of them, one after the other, also past one that fails. Blocks up to `timeout` for each.
[[nodiscard]] HookReport run_hooks(base::Files& files, const std::vector<Hook>& hooks, const Event& event,
                                   base::Seconds timeout);

}  // namespace hooks
