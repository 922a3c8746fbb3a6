// SPDX-License-Identifier: Apache-2.0
// Asks the CA when it would like the newest generation to be renewed (RFC 9773), and remembers the answer.
#pragma once

#include "acme/renewal_info.hpp"
#include "agent/work/keeper.hpp"
#include "agent/work/surroundings.hpp"

namespace agent {

/// The suggestion after one more question, pure: an instant is drawn once for a window and again only when
/// the window changes (RFC 9773 §4.2); a question that failed keeps what was known, and is asked again later
/// and later, up to six hours.
[[nodiscard]] Suggestion next_suggestion(const std::optional<Suggestion>& before, int generation,
                                         const base::Result<acme::RenewalAnswer>& answer, base::Instant now,
                                         double chance);

/// Has the window moved into the past since it was asked for last, or was it there from the first? The CA
/// wants the generation replaced at once; one that has merely gone by does not say so.
[[nodiscard]] bool hurries(const std::optional<Suggestion>& before, const Suggestion& next,
                           base::Instant now);

/// Blocks for one exchange. A CA that does not answer is no error; only the store's errors are.
[[nodiscard]] base::Result<void> ask_for_renewal_window(Surroundings& surroundings, Keeper& keeper);

}  // namespace agent
