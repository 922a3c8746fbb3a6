// SPDX-License-Identifier: Apache-2.0
// What a CA suggests of when to renew (RFC 9773), and how far it is followed. No I/O; the time comes in.
#pragma once

#include <optional>

#include "agent/memory/record.hpp"

namespace agent {

/// What the CA has said about this generation; nullptr if nothing.
[[nodiscard]] const Suggestion* suggestion_for(const Record& record, const GenerationRecord& generation);

/// The latest instant that a CA's suggestion may put a renewal off to: a twentieth of the lifetime before its
/// end.
[[nodiscard]] base::Instant latest_renewal(const GenerationRecord& generation);

/// RFC 9773 §4.2: the suggested instant; where it comes before we look again (in `sleeps_for`; 0: at any
/// time), it is now. A window may bring a renewal forward without limit, but not one of a generation after
/// another for ever: what is the third in a row is kept for a day, a tenth of a short life. For a suggestion
/// that has an instant and an end.
[[nodiscard]] base::Instant renewal_suggested(const Suggestion& said, const GenerationRecord& current,
                                              base::Instant now, base::Seconds sleeps_for);

/// When its CA is asked about the newest generation: while there is something to renew, not after expiry, and
/// not after a replacement (RFC 9773 §4.3); first within six hours of issuance, sooner for a short life.
/// Nothing: not at all.
[[nodiscard]] std::optional<base::Instant> question_time(const Record& record, base::Instant now);

/// GenerationRecord::early_in_a_row of what is issued now, and takes the place of Record::wanted().
[[nodiscard]] int early_in_a_row(const Record& record, bool is_forced, base::Instant now);

}  // namespace agent
