// SPDX-License-Identifier: Apache-2.0
// Certificates that are gone from the configuration: never renewed and never deployed, kept until somebody
// forgets them. What they still owe to others is paid.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "agent/work/surroundings.hpp"

namespace agent {

/// Answers whether a certificate stands in the configuration.
using IsConfigured = std::function<bool(const std::string& certificate)>;

/// Those the store has and the configuration has not, sorted.
[[nodiscard]] base::Result<std::vector<std::string>> removed_certificates(Store& store,
                                                                          const IsConfigured& is_configured);

/// Takes away challenges that were left behind, where their solver still exists, and revokes what has a
/// deadline, each when it is due, or at once for somebody `eager`. What cannot be done is in the log and the
/// record; one that another renewd is at work on is left for the next time.
void tend_removed(Surroundings& surroundings, const std::string& certificate, bool eager);

/// All of them.
void tend_all_removed(Surroundings& surroundings, const IsConfigured& is_configured, bool eager);

}  // namespace agent
