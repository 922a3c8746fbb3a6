// SPDX-License-Identifier: Apache-2.0
// Starting a program, in the one way renewd does it: see Command. For child.cpp only.
#pragma once

#include <sys/types.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/process.hpp"

namespace base {

/// A program that runs, as the leader of a process group of its own, and our ends of its pipes
/// (non-blocking). Where it may leave daemons, its outputs are files without a name, which outlive us and can
/// be written to without anybody who reads.
struct Spawned {
    pid_t id = -1;
    Descriptor handle{};  // a pidfd: readable once the program has ended
    Descriptor input{};
    Descriptor out{};
    Descriptor err{};
};

/// process/not-started with the reason. Ignores Command::input, deadline and output_max.
[[nodiscard]] Result<Spawned> spawn(const Command& command);

/// Sends a signal to the program and its process group. Who has ended, or may not be signalled, does not get
/// it.
void signal_group(const Spawned& spawned, int signal_number);

}  // namespace base
