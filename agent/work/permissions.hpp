// SPDX-License-Identifier: Apache-2.0
// What hooks have let happen, and what has not happened since because others had their turn first: they are
// not asked again for it.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "base/clock.hpp"

namespace agent {

/// Thread safe.
class Permissions {
  public:
    void give(const std::string& what, base::Steady now);
    /// Each is good once, and not for long: what a hook has looked at changes.
    [[nodiscard]] bool use(const std::string& what, base::Steady now);

  private:
    std::mutex mutex_;
    std::map<std::string, base::Steady> given_;
};

}  // namespace agent
