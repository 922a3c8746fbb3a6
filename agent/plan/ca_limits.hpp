// SPDX-License-Identifier: Apache-2.0
// How much the CAs we know let one account do. A table: a CA that is not in it has no known limits.
#pragma once

#include <span>
#include <string_view>

#include "base/clock.hpp"

namespace agent {

/// What is counted together.
enum class LimitKey { Account, RegisteredDomain, SameNames };

/// A bucket of `most` that fills again evenly within `per`.
struct CaLimit {
    std::string_view id{};     // "new-orders"
    std::string_view words{};  // "300 new orders in 3 h"
    LimitKey key = LimitKey::Account;
    int most = 0;
    base::Seconds per{};
    bool spares_renewals = false;  // the same names as in a certificate of the last kRenewalAge
    bool spares_suggested =
        false;  // in the window that the CA suggests, saying what is replaced (RFC 9773 §5)
};

/// How old a certificate may be for another one with its names to count as its renewal.
inline constexpr base::Seconds kRenewalAge = std::chrono::days(120);

/// By the URL of the CA's directory.
[[nodiscard]] std::span<const CaLimit> limits_of(std::string_view directory);

}  // namespace agent
