// SPDX-License-Identifier: Apache-2.0
// This machine as a host for an agent that is not root: the root helper (apply.hpp) at the other end of a
// Unix socket does what the administrator's list allows.
#pragma once

#include <memory>
#include <string>

#include "deployers/hosts/host.hpp"

namespace deployers {

/// `socket` is the path of the helper's socket. Errors are those of a receiver (host/…), and those of the
/// helper itself: deploy/not-allowed, deploy/unsafe-path, file/unsafe, config/syntax.
[[nodiscard]] std::unique_ptr<Host> make_helper_host(const std::string& socket);

/// Is the helper there, and does it work for us? Errors are those above. Touches nothing. Blocks up to a
/// minute, normally for milliseconds.
[[nodiscard]] base::Result<void> greet_helper(const std::string& socket);

/// Asks the helper whether it would do this, and how many lines its list has. Touches nothing; the contents
/// of the files need not be the real ones. Blocks up to a minute, normally for milliseconds.
[[nodiscard]] base::Result<std::size_t> ask_helper(const std::string& socket,
                                                   const Installation& installation);

}  // namespace deployers
