// SPDX-License-Identifier: Apache-2.0
// Holds orders to come against the limits of their CAs. Pure; for forecasts only.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "agent/plan/forecast.hpp"

namespace agent {

struct FutureOrder {
    base::Instant at{};
    OrderAhead ahead{};
    bool is_past = false;  // counts, but is nothing to be told any more
};

class LimitWatch {
  public:
    /// `input` is borrowed.
    explicit LimitWatch(const ForecastInput& input)
        : limits_(input.limits), ledgers_(input.ledgers), now_(input.now) {}

    /// In any order of time.
    void add(const std::string& ca, const CertificateConfig& certificate, const FutureOrder& order);
    /// The limits of the CAs that were ordered from, and the CAs that have none we know.
    [[nodiscard]] std::pair<std::vector<ForecastLimit>, std::vector<std::string>> judge();

  private:
    struct Counted {
        const CertificateConfig* certificate = nullptr;
        base::Instant at{};
        bool is_renewal = false;
        bool is_suggested = false;
        bool is_past = false;
        std::size_t position = 0;  // what happens at one instant stays in its order
    };

    [[nodiscard]] static ForecastLimit hold_against(const CaLimit& limit, const std::vector<Counted>& orders,
                                                    const Ledger& ledger);

    const std::map<std::string, std::span<const CaLimit>>& limits_;
    const std::map<std::string, Ledger>& ledgers_;
    base::Instant now_;
    std::map<std::string, std::vector<Counted>> orders_;  // by CA
};

}  // namespace agent
