// SPDX-License-Identifier: Apache-2.0
// What holds back several at once, and lets few of them through when it opens. Pure.
#pragma once

#include <chrono>
#include <string>

#include "agent/plan/place.hpp"
#include "base/clock.hpp"

namespace agent {

/// A limit of a CA as it stands for orders of one kind: when one more may be placed is the same instant for
/// all whom it holds. Whoever is looked into after that and is still held tells when it opens again.
struct Gate {
    std::string name{};
    base::Instant opens_at{};
    Places behind{};  // without a turn there nobody need go through
    friend bool operator==(const Gate&, const Gate&) = default;
};

/// After so long whoever stands at a gate is looked into in any case.
inline constexpr base::Seconds kLongestAtGate = std::chrono::hours(6);

}  // namespace agent
