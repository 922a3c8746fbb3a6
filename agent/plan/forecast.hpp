// SPDX-License-Identifier: Apache-2.0
// The renewals to come: the planner itself, over simulated time, against the CAs' limits. Pure; a year of
// 83,000 certificates takes seconds.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "agent/config/config.hpp"
#include "agent/memory/record.hpp"
#include "agent/plan/ca_limits.hpp"
#include "agent/plan/ledger.hpp"
#include "base/clock.hpp"

namespace agent {

struct ForecastSubject {
    const CertificateConfig* config = nullptr;
    Record record{};
    bool has_open_order = false;
};

struct ForecastInput {
    std::vector<ForecastSubject> subjects{};
    std::map<std::string, std::span<const CaLimit>> limits{};  // of each CA
    std::map<std::string, Ledger> ledgers{};  // of CAs that have one; without, generations tell what was used
    base::Instant now{};
    int days = 90;  // calendar days in UTC, today included
    /// Uniformly from [0, 1): where in a CA's window a renewal falls.
    std::function<double()> chance{};
};

struct ForecastDay {
    base::Instant day{};                            // its first second, UTC
    std::map<std::string, std::size_t> renewals{};  // by CA

    [[nodiscard]] std::size_t total() const;
};

/// How near the orders come to one limit of one CA.
struct ForecastLimit {
    std::string ca{};
    const CaLimit* limit = nullptr;
    int most_used = 0;                          // of limit->most, at one time
    std::optional<int> left_now{};              // of the account's, by its ledger
    std::string about{};                        // a registered domain, or a certificate; empty: the account
    std::optional<base::Instant> at{};          // of most_used; absent: nothing counts towards it
    std::optional<base::Instant> reached_at{};  // the first order that would be refused
    std::string reached_by{};                   // its certificate
    std::size_t beyond = 0;                     // orders that would have to wait
};

struct Forecast {
    base::Instant now{};
    std::vector<ForecastDay> days{};
    std::vector<ForecastLimit> limits{};   // the known ones of all CAs in use
    std::vector<std::string> unlimited{};  // CAs in use of which no limits are known
    std::size_t certificates = 0;
    std::size_t assumed = 0;  // certificates never issued, whose lifetime was taken from others

    [[nodiscard]] std::size_t total() const;
};

/// Every order succeeds when it is planned, at the first CA of its list, for as long a life as the
/// certificate has now. A CA that has suggested a window will suggest the same part of the next life.
[[nodiscard]] Forecast forecast(const ForecastInput& input);

}  // namespace agent
