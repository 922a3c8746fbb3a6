// SPDX-License-Identifier: Apache-2.0
// What each CA said of the time last, for the next process: a small file in the state directory that may be
// lost at any time.
#pragma once

#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/file.hpp"

namespace agent {

struct KeptDate {
    std::string ca{};
    base::Instant date{};         // of the CA
    base::Instant now{};          // by our wall clock, when it came; for people
    std::string boot{};           // which start of this machine that was; empty: not known
    base::Seconds since_boot{0};  // by the clock that nobody sets
    friend bool operator==(const KeptDate&, const KeptDate&) = default;
};

/// Of this start of the machine (random(4)), 32 hexadecimal digits. Where /proc holds processes alone, as in
/// the sandbox of our units, the service manager says it, in RENEWD_BOOT_ID. Empty where nobody does.
[[nodiscard]] std::string boot_id();

/// Replaces them all. state/….
[[nodiscard]] base::Result<void> write_dates(base::Files& files, const std::string& state_dir,
                                             const std::vector<KeptDate>& kept);
/// None where there is no file, or none that can be read.
[[nodiscard]] std::vector<KeptDate> read_dates(base::Files& files, const std::string& state_dir);

}  // namespace agent
