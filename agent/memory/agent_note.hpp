// SPDX-License-Identifier: Apache-2.0
// What a running agent says of itself, for `status` and others that only read: a small file in the state
// directory.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/file.hpp"

namespace agent {

struct AgentNote {
    base::Instant since{};
    /// Why the configuration's files are not in force; empty: they are.
    std::string config_error{};
    std::optional<base::Instant> config_accepted_at{};  // of the one that is in force
    friend bool operator==(const AgentNote&, const AgentNote&) = default;
};

/// In the name of this process.
[[nodiscard]] std::string to_text(const AgentNote& note);
/// Nothing if it is of a process that is gone.
[[nodiscard]] std::optional<AgentNote> parse_note(std::string_view text);

/// In the name of this process. Not durable: it means nothing after a power cut. state/….
[[nodiscard]] base::Result<void> write_note(base::Files& files, const std::string& state_dir,
                                            const AgentNote& note);
void remove_note(base::Files& files, const std::string& state_dir);
/// Of an agent that runs now; nothing if none does.
[[nodiscard]] std::optional<AgentNote> read_note(base::Files& files, const std::string& state_dir);

}  // namespace agent
