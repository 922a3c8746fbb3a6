// SPDX-License-Identifier: Apache-2.0
// Which machine this state belongs to. A copy on another machine works: orders are the account's, not the
// machine's. But where both go on, both renew the same certificates with the same account.
#pragma once

#include <optional>
#include <string>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/file.hpp"

namespace agent {

/// Where a machine says who it is; systemd's.
inline constexpr const char* kMachineIdFile = "/etc/machine-id";

/// Notes this machine in the state directory; tells, once, if another one was noted there. Nothing where this
/// machine does not say who it is (most containers).
[[nodiscard]] base::Result<std::optional<base::Error>> note_machine(
    base::Files& files, const std::string& state_directory, base::Instant now,
    const std::string& machine_id_file = kMachineIdFile);
/// When it was noted that another machine had written here; nothing where none had.
[[nodiscard]] std::optional<base::Instant> moved_at(base::Files& files, const std::string& state_directory);
/// What is said of it.
[[nodiscard]] base::Error moved_error(const std::string& state_directory);

}  // namespace agent
