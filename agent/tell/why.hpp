// SPDX-License-Identifier: Apache-2.0
// Why one certificate stands as it does: the next action, its instant and the reason, or what stands in the
// way and what a person can do. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "agent/plan/ledger.hpp"
#include "agent/plan/plan.hpp"
#include "agent/tell/states.hpp"

namespace agent {

/// "reason": "2/3 of its 90 days will have passed".
struct Fact {
    std::string about{};
    std::string text{};
};

/// What stands in the way.
struct Obstacle {
    std::string about{};  // "order", "target web", "hook renewed"
    base::Error error{};
    int count = 0;  // failures in a row; 0: not tried, only seen
    std::optional<base::Instant> since{};
    std::optional<base::Instant> next_attempt{};
    std::string to_do{};
};

struct Explanation {
    std::string name{};
    CertificateState state = CertificateState::Ok;
    std::string sentence{};  // how it stands
    /// "renew", "deploy", "run_hooks", "revoke": the next that changes something; empty: nothing will.
    std::string action{};
    std::optional<base::Instant> at{};      // of the action; never in the past
    std::optional<RenewalReason> reason{};  // of the next renewal; absent: there will be none
    std::vector<std::string> changes{};     // that ask for a new order: "+www.example.com"
    std::vector<Fact> facts{};
    std::vector<Obstacle> obstacles{};
};

[[nodiscard]] Explanation explain(const CertificateStatus& status, base::Instant now);

/// What another order would be for, against what the last one was for: "its names: +www.example.com
/// -old.example.com", "its key type: ecdsa-p256, now rsa-2048". Empty where they are equal.
[[nodiscard]] std::vector<std::string> changes_between(const OrderedFor& before, const OrderedFor& wanted);

/// Why it is renewed when it is, in plain words.
[[nodiscard]] std::string reason_words(const CertificateStatus& status, base::Instant now);

/// What is left of a CA's limits: "298 left of 300 new orders in 3 h; …". Failures are told where there were
/// some.
[[nodiscard]] std::string limit_words(const std::vector<LimitLeft>& limits);

/// For people: at most `width` columns, but for words that are longer.
[[nodiscard]] std::string to_text(const Explanation& explanation, base::Instant now, std::size_t width);
/// `why --json`, version 1.
[[nodiscard]] nlohmann::json to_json(const Explanation& explanation, base::Instant now);

}  // namespace agent
