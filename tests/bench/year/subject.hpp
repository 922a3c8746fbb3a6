// SPDX-License-Identifier: Apache-2.0
// One certificate of the simulated year: what the agent remembers of it, and what the CA is asked for.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>

#include "agent/plan/ledger.hpp"
#include "agent/plan/plan.hpp"
#include "base/clock.hpp"
#include "tests/bench/year/simulated_ca.hpp"

namespace year {

enum class Origin { BeforeTheStory, Added, AddedToOneDomain };

struct Subject {
    std::size_t number = 0;  // in the order in which they have come
    Origin origin = Origin::BeforeTheStory;
    agent::CertificateConfig config{};
    agent::Record record{};
    base::Seconds life{};
    SimulatedCa::Request request{};              // of the next order; what it replaces is what there is
    std::optional<agent::OrderAhead> counted{};  // of an order that is under way
    bool is_placed = false;
    bool was_delayed = false;                    // by the outage or the revocation
    std::optional<base::Instant> asked_at{};     // the CA, last, with an answer
    std::optional<base::Instant> waits_since{};  // for a hand

    /// Has it ever been issued?
    [[nodiscard]] bool is_issued() const { return request.replaces >= 0; }

    void add_name(const std::string& name) {
        config.names.push_back({.type = base::IdentifierType::Dns, .value = name});
        request.names.insert(std::ranges::upper_bound(request.names, name), name);
    }
};

}  // namespace year
