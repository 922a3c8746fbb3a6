// SPDX-License-Identifier: Apache-2.0
// What a CA said of the time last, for the next process: a small file in the state directory that may be lost
// at any time.
#pragma once

#include <optional>
#include <string>

#include "base/clock.hpp"
#include "base/file.hpp"

namespace agent {

struct KeptDate {
    base::Instant date{};         // of the CA
    base::Instant now{};          // by our wall clock, when it came; for people
    std::string boot{};           // which start of this machine that was; empty: not known
    base::Seconds since_boot{0};  // by the clock that nobody sets
    friend bool operator==(const KeptDate&, const KeptDate&) = default;
};

/// Of this start of the machine (random(4)); empty where the kernel does not say.
[[nodiscard]] std::string boot_id();

/// Replaces it. state/….
[[nodiscard]] base::Result<void> write_date(base::Files& files, const std::string& state_dir,
                                            const KeptDate& kept);
/// Nothing where there is none, or none that can be read.
[[nodiscard]] std::optional<KeptDate> read_date(base::Files& files, const std::string& state_dir);

}  // namespace agent
