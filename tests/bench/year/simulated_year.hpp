// SPDX-License-Identifier: Apache-2.0
// A year of many certificates in seconds: the planner, the backoff, the suggestions of the CA, the ledger,
// and the agenda with its sixteen hands, exactly as the agent uses them, over simulated time, against a CA
// that enforces Let's Encrypt's limits with books of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/clock.hpp"

namespace year {

struct Story {
    std::size_t certificates = 83'000;  // a sixth lives 160 hours, a third 47 days, a half 90 days
    int days = 365;
    std::uint64_t seed = 1;
    int outage_day = 100;
    base::Seconds outage{3 * 86'400};
    int revocation_day = 200;  // the CA's windows of these move into the past; five days later they are void
    std::size_t revoked = 20'000;
    int new_day = 30;  // so many new ones in one minute, a tenth more all under one registered domain
    std::size_t added = 1'000;
    int change_day = 300;  // so many get another key type, and half as many another name
    std::size_t changed = 2'000;
};

struct Figures {
    std::size_t certificates = 0;
    std::size_t issued = 0;
    std::size_t refused = 0;              // by a limit of the CA: 429
    std::size_t expired = 0;              // before the next one was there
    std::size_t void_in_use = 0;          // revoked by the CA before they were replaced
    std::size_t unissued = 0;             // added, and without a certificate at the end of the year
    std::size_t spared = 0;               // orders in the CA's own window
    std::size_t held = 0;                 // times an order was put off for a limit
    std::size_t failed = 0;               // orders whose validation failed
    std::size_t unreachable = 0;          // attempts in the outage
    std::uint64_t questions = 0;          // for renewal information
    double least_left = 1;                // share of the life that was left when a successor was there
    double least_left_quiet = 1;          // the same, but for what the outage and the revocation delayed
    std::size_t median_hour = 0;          // certificates issued
    std::size_t busiest_steady_hour = 0;  // of the days before the first event of the story
    /// Of later days, but for three after each event. What was issued together is renewed in one window of
    /// the CA's, a hundredth of a life to either side, and so spreads slowly.
    std::size_t busiest_quiet_hour = 0;
    std::size_t busiest_hour = 0;
    base::Instant busiest_at{};
    base::Seconds longest_wait{};           // of an order that was due, for a hand
    base::Seconds outage_cleared_in{};      // from its end until nothing was overdue because of it
    base::Seconds revocation_cleared_in{};  // from its begin until the last one was replaced
    base::Seconds added_in{};   // until the last of the new ones was there, but for the one domain
    base::Seconds domain_in{};  // and of the one domain
};

/// The same figures for the same story, always.
[[nodiscard]] Figures simulate(const Story& story);

/// For people.
[[nodiscard]] std::string to_text(const Figures& figures);

}  // namespace year
