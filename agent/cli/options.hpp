// SPDX-License-Identifier: Apache-2.0
// Reads the command line.
#pragma once

#include <optional>

#include "agent/cli/command.hpp"

namespace agent {

struct Parsed {
    Options options{};
    std::optional<int> exit_code{};  // set: everything is said already (--help, --version, wrong usage)
};

[[nodiscard]] Parsed parse_options(int argc, const char* const* argv);

}  // namespace agent
