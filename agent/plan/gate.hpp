// SPDX-License-Identifier: Apache-2.0
// What holds back several at once, and lets few of them through when it opens. Pure.
#pragma once

#include <string>

#include "base/clock.hpp"

namespace agent {

/// A limit of a CA as it stands for orders of one kind: whoever it holds, it holds until the same instant.
/// Who comes through closes it again, mostly.
struct Gate {
    std::string name{};
    base::Instant opens_at{};
    friend bool operator==(const Gate&, const Gate&) = default;
};

}  // namespace agent
