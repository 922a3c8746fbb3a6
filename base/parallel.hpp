// SPDX-License-Identifier: Apache-2.0
// Independent work at once, bounded.
#pragma once

#include <cstddef>
#include <functional>

namespace base {

/// Calls work(0) … work(count - 1), at most `at_once` at a time, and returns when all are done. What one of
/// them throws is thrown here when the others have ended. With one item, or at_once == 1, everything runs on
/// the calling thread.
void in_parallel(std::size_t count, std::size_t at_once, const std::function<void(std::size_t)>& work);

}  // namespace base
