// SPDX-License-Identifier: Apache-2.0
// The answers of receiver.sh that host.hpp does not know.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "deployers/installation.hpp"

namespace deployers {

/// The answer to `inspect`: {"version":1,"files":["<sha256>",""]}, in the order of `paths`; an empty one is
/// not there. host/protocol, or the error the other side reports.
[[nodiscard]] base::Result<std::vector<FileDigest>> parse_digests(std::string_view text,
                                                                  const std::vector<std::string>& paths);

}  // namespace deployers
