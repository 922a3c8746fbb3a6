// SPDX-License-Identifier: Apache-2.0
// When what is served runs out, and when that is told. Pure.
#pragma once

#include <optional>

#include "agent/config/config.hpp"
#include "agent/memory/record.hpp"
#include "base/clock.hpp"

namespace agent {

/// The oldest generation of ours that some address was last seen serving, of those that the configuration has
/// somebody look at; where none was, the wanted one. nullptr before the first.
[[nodiscard]] const GenerationRecord* oldest_served(const CertificateConfig& certificate,
                                                    const Record& record);

/// The instants at which it is told that a generation runs out: in its last tenth, and, of one that lives for
/// ten days or more, in its last three days. The earlier one is stage 1.
[[nodiscard]] base::Instant warning_time(const GenerationRecord& generation, int stage);
[[nodiscard]] int stages_of(const GenerationRecord& generation);

/// The warning that is due now and has not been given; nothing if there is none.
[[nodiscard]] std::optional<ExpiryWarning> due_warning(const CertificateConfig& certificate,
                                                       const Record& record, base::Instant now);
/// When the next one is; absent where all have been given.
[[nodiscard]] std::optional<base::Instant> next_warning(const CertificateConfig& certificate,
                                                        const Record& record);

}  // namespace agent
