// SPDX-License-Identifier: Apache-2.0
// One certificate of the simulated year, and what becomes of its orders.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "agent/plan/ledger.hpp"
#include "agent/plan/plan.hpp"
#include "base/clock.hpp"

namespace year {

enum class Kind { Place, Finish, GiveUp };

/// What comes of an order that is under way.
struct Event {
    base::Instant at{};
    std::size_t certificate = 0;
    Kind kind = Kind::Place;

    friend bool operator>(const Event& a, const Event& b) {
        return std::tie(a.at, a.certificate) > std::tie(b.at, b.certificate);
    }
};

/// One certificate, what the agent remembers of it, and what the CA calls it.
struct Subject {
    agent::CertificateConfig config{};
    agent::Record record{};
    std::string domain{};
    base::Seconds life{};
    std::int64_t number = -1;                    // at the CA; -1: never issued
    std::optional<agent::OrderAhead> counted{};  // of an order that is under way
    bool is_placed = false;
    bool was_delayed = false;                    // by the outage or the revocation
    std::optional<base::Instant> asked_at{};     // the CA, last, with an answer
    std::optional<base::Instant> waits_since{};  // for a hand
};

inline std::vector<std::string> names_of(const Subject& subject) {
    std::vector<std::string> names;
    names.reserve(subject.config.names.size());
    for (const base::Identifier& name : subject.config.names) names.push_back(name.value);
    std::ranges::sort(names);
    return names;
}

}  // namespace year
