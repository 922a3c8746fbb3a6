// SPDX-License-Identifier: Apache-2.0
// What lies beside the files while an installation is under way, and where the locks are. All names follow
// from the installation alone, so that the run after an interrupted one finds what that left. receiver.sh
// makes the same names.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "deployers/installation.hpp"

namespace deployers {

/// A directory of ours (0700) beside the first published file: ".renewd-<12 hex digits of the id's SHA-256>".
/// It holds the journal, and on a remote host the bundle. Services that read a whole directory pass over a
/// name with a dot.
[[nodiscard]] std::string work_directory(const Installation& installation);

/// The names, beside `path`, of its new content before it is published and of what was there before.
[[nodiscard]] std::string new_name(const std::string& work, const std::string& path);
[[nodiscard]] std::string old_name(const std::string& work, const std::string& path);

/// Where locks live. Not beside the files, for the targets of one service have directories of their own; not
/// in /run/lock or /tmp, where everybody may write, and so could hold up every deployment. Root:
/// /run/renewd-locks; others: `own`, a directory of theirs. 0700.
[[nodiscard]] std::string lock_directory(uid_t user, const std::string& own = {});
/// Held while anything of a service is changed, tested or reloaded; the service is what one reload command
/// reloads.
[[nodiscard]] std::string service_lock_name(const std::vector<std::string>& reload);
/// Held from the first look to commit or restore: what has a journal but no holder of this lock was
/// interrupted.
[[nodiscard]] std::string target_lock_name(const std::string& work);

/// What an interrupted run had in hand, and what is to be put back: one line a file.
struct JournalEntry {
    std::string sha256{};  // of the new content
    bool had = false;      // something was there before, and lies at old_name() now
    std::string path{};
    friend bool operator==(const JournalEntry&, const JournalEntry&) = default;
};

using Journal = std::vector<JournalEntry>;

[[nodiscard]] std::string to_text(const Journal& journal);
/// Lines that are none of ours are left out.
[[nodiscard]] Journal parse_journal(std::string_view text);

}  // namespace deployers
