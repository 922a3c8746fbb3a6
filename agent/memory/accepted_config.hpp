// SPDX-License-Identifier: Apache-2.0
// The configuration that was accepted last, kept in the state directory: a broken file never stops renewals.
#pragma once

#include <optional>
#include <string>

#include "agent/config/catalogue.hpp"
#include "agent/config/config.hpp"
#include "base/clock.hpp"
#include "base/file.hpp"

namespace agent {

struct AcceptedConfig {
    ConfigFiles files{};
    base::Instant accepted_at{};
};

/// Makes it durable, unless it is there already. It is as large as all else an agent holds: nothing makes a
/// copy of it but a new one's way to the disk. state/….
[[nodiscard]] base::Result<void> keep_accepted(base::Files& files, const std::string& state_dir,
                                               const ConfigFiles& config, base::Instant accepted_at);
/// Of this main file; nothing where none was kept, or what was kept is damaged.
[[nodiscard]] std::optional<AcceptedConfig> load_accepted(base::Files& files, const std::string& state_dir,
                                                          const std::string& main_file);

/// What a start with the same files needs not find out again; nothing where the files are others.
[[nodiscard]] std::optional<CatalogueList> load_list(base::Files& files, const std::string& state_dir,
                                                     const ConfigFiles& config);
[[nodiscard]] base::Result<void> keep_list(base::Files& files, const std::string& state_dir,
                                           const CatalogueList& list, const ConfigFiles& config);

}  // namespace agent
