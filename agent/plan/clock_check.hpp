// SPDX-License-Identifier: Apache-2.0
// May this machine's clock be planned by? Pure: whoever calls says what the clock shows, and what is known of
// the true time from others. CAs tell it with each answer (Date), and sign it into each certificate.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/memory/record.hpp"
#include "agent/plan/ledger.hpp"
#include "base/clock.hpp"

namespace agent {

/// A CA's Date, as it was heard last.
struct HeardDate {
    base::Instant date{};
    /// How long ago, by a clock that runs on in sleep and that nobody sets (CLOCK_BOOTTIME); nothing where
    /// that is not known, because it was before this machine was started.
    std::optional<base::Seconds> ago{};
    std::string ca{};  // whose
};

struct ClockEvidence {
    base::Instant now{};               // what the wall clock shows
    std::optional<HeardDate> heard{};  // kept on disk; nothing before the first
    /// The latest not_before of all generations: it was no earlier when that one was issued.
    std::optional<base::Instant> latest_not_before{};
};

enum class ClockState {
    Right,    // within an hour of what is known
    Unheard,  // nothing speaks against it, and nobody has been asked since this machine was started
    Ahead,    // by more than an hour
    Behind,   // by more than an hour
};

struct ClockVerdict {
    ClockState state = ClockState::Right;
    /// The instant to plan by: the wall clock's where that is right, else the best that is known. A clock
    /// that is ahead makes nothing due, one that is behind puts nothing off.
    base::Instant plan_by{};
    /// Orders may be placed. Not with a clock that is ahead: what a CA issues now it would take for expired
    /// or not to be ordered again for months.
    bool may_order = true;
    /// Before orders that are due by the wall clock alone, a CA is to be asked for its Date.
    bool ask_first = false;
    std::string message{};  // for people; empty where all is well
    std::string hint{};
};

[[nodiscard]] ClockVerdict check_clock(const ClockEvidence& evidence);

/// Of several dates the one that is nearest to what our clock shows; nothing of none. One CA whose own clock
/// is wrong does not make ours so while another agrees with it.
[[nodiscard]] std::optional<HeardDate> nearest_date(const std::vector<HeardDate>& heard, base::Instant now);

/// What a clock that is ahead does to an order of this certificate: it waits a few minutes, and is looked at
/// again. It goes out all the same where the last of the lifetime has begun by the true time, too: it may be
/// the CA whose clock is wrong, and nothing may expire for that.
[[nodiscard]] std::optional<OrderHold> hold_of_clock(const ClockVerdict& verdict, const Record& record,
                                                     base::Instant now);

}  // namespace agent
