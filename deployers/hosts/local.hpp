// SPDX-License-Identifier: Apache-2.0
// This machine as a host: executes an installation in this process.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/file.hpp"
#include "deployers/hosts/host.hpp"

namespace deployers {

/// The file to execute for what argv[0] names, or why it is not to be run.
using FindProgram = std::function<base::Result<std::string>(const std::string& name)>;

/// `files` is borrowed for as long as the host and its sessions live. `find_program` is asked right before
/// each command is run, and what it answers is what is run; without it, programs are those of
/// base::kSystemPath. `own_locks` is where an ordinary user's locks are (lock_directory()); whoever deploys
/// as that user has to name the same.
[[nodiscard]] std::unique_ptr<Host> make_local_host(base::Files& files, FindProgram find_program = {},
                                                    std::string own_locks = {});

}  // namespace deployers
