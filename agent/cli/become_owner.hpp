// SPDX-License-Identifier: Apache-2.0
// `sudo renewd …` is the agent's own user before it touches the state (DESIGN.md §10): it sees what the agent
// sees, may what the agent may, and leaves no file behind that the agent cannot read.
#pragma once

#include <string>

#include "base/error.hpp"

namespace agent {

/// For a process of root whose `state_dir` belongs to somebody else: becomes that user for good, with his
/// groups and without root's rights, except that of listening below port 1024 (which the unit can be given,
/// too). Answers that user's name; empty where nothing had to be done: not root, or a state directory that is
/// root's or does not exist yet. To be called before there are threads. state/unwritable where the kernel
/// does not let us; the process is to end then.
[[nodiscard]] base::Result<std::string> become_owner(const std::string& state_dir);

}  // namespace agent
