// SPDX-License-Identifier: Apache-2.0
// Asking the kernel whether a process that is not our child still runs.
#pragma once

#include <fstream>
#include <string>

#include "base/clock.hpp"

namespace tests {

/// Neither gone nor a zombie that nobody has reaped.
inline bool is_running(const std::string& id) {
    std::ifstream stat("/proc/" + id + "/stat");
    std::string text;
    std::getline(stat, text);
    const std::size_t name_end = text.rfind(") ");
    return name_end != std::string::npos && text.at(name_end + 2) != 'Z' && text.at(name_end + 2) != 'X';
}

/// A killed process takes a moment to be gone.
inline bool ends_soon(const std::string& id) {
    base::SystemClock clock;
    for (int tries = 0; tries < 500 && is_running(id); ++tries) clock.sleep(base::Milliseconds(10));
    return !is_running(id);
}

}  // namespace tests
