// SPDX-License-Identifier: Apache-2.0
// This machine as a host: executes an installation in this process.
#pragma once

#include <memory>

#include "base/file.hpp"
#include "deployers/hosts/host.hpp"

namespace deployers {

/// `files` is borrowed for as long as the host and its sessions live.
[[nodiscard]] std::unique_ptr<Host> make_local_host(base::Files& files);

}  // namespace deployers
