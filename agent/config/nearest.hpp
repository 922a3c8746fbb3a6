// SPDX-License-Identifier: Apache-2.0
// "Did you mean …?"
#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>

namespace agent {

/// The one of `candidates` that `word` was probably meant to be; empty if none is near.
[[nodiscard]] std::string nearest(std::string_view word,
                                  const std::set<std::string, std::less<>>& candidates);

}  // namespace agent
