// SPDX-License-Identifier: Apache-2.0
// When a thing that failed is tried again. Pure. Orders are tried sparingly, because CAs count; deployments
// and looks have a faster schedule of their own and never cause an order. Nothing is ever given up.
#pragma once

#include <optional>

#include "agent/memory/record.hpp"
#include "base/clock.hpp"
#include "base/error.hpp"

namespace agent {

enum class Effort { Issuance, Deployment };

struct RetryInput {
    Effort effort = Effort::Issuance;
    const base::Error* error = nullptr;
    int count = 1;  // failures in a row, this one included
    base::Instant now{};
    std::optional<base::Instant>
        expiry{};                 // of what is served meanwhile: the less is left, the sooner the next try
    base::Seconds lifetime{0};    // its whole
    bool has_another_ca = false;  // which may be asked with a quarter of it left
    double chance = 0.5;          // uniformly from [0, 1): the jitter
};

/// Never in the past, and not before error->retry_at, as far as that is believed: up to seven days; up to an
/// hour where the CA is at work on an order; and only for as long as there is time for another try, and for
/// another CA.
[[nodiscard]] base::Instant next_attempt(const RetryInput& input);

/// When it is tried again: as it was written, or now where no right clock can have written that.
[[nodiscard]] base::Instant believed_attempt(const Failure& failure, base::Instant now);

/// When a challenge is taken away: at once where that has not been tried, or with `eager`.
[[nodiscard]] base::Instant clean_up_time(const Residue& residue, base::Instant now, bool eager);

/// The failure after one more: counted on where the code is the same, begun anew where it is another.
/// Error and count are not the caller's to fill in.
[[nodiscard]] Failure count_failure(const std::optional<Failure>& before, base::Error error,
                                    RetryInput input);

}  // namespace agent
