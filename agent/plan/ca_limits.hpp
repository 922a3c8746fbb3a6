// SPDX-License-Identifier: Apache-2.0
// How much the CAs we know let one account do. A table: a CA that is not in it has no known limits, and
// teaches them by its refusals.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"

namespace agent {

/// What is counted together.
enum class LimitKey { Account, RegisteredDomain, SameNames, Identifier };

/// What is counted.
enum class LimitCounts {
    Orders,        // when one is placed
    Certificates,  // when one is issued; an order that comes to nothing costs nothing
    FailedNames,   // when a name of an order could not be validated
};

/// A bucket of `most` that fills again evenly within `per`.
struct CaLimit {
    std::string_view id{};     // "new-orders"
    std::string_view words{};  // what there may be `most` of: "new orders in 3 h"
    LimitKey key = LimitKey::Account;
    LimitCounts counts = LimitCounts::Orders;
    int most = 0;
    base::Seconds per{};
    bool spares_renewals = false;  // the same names as in a certificate of the last kRenewalAge
    bool spares_suggested =
        false;  // in the window that the CA suggests, saying what is replaced (RFC 9773 §5)
    /// So many are not for orders by hand of what is not due.
    int kept_for_need = 0;
    bool ends_with_success = false;  // one success, and nothing is counted any more
    /// What the CA's refusal says where it is about this limit, in lower case.
    std::string_view told_by{};
};

/// How old a certificate may be for another one with its names to count as its renewal.
inline constexpr base::Seconds kRenewalAge = std::chrono::days(120);

/// Our own: an agent with many certificates due at once takes them one after the other.
inline constexpr CaLimit kPace{
    .id = "pace", .words = "orders at once, then one a second", .most = 60, .per = std::chrono::seconds(60)};

/// By the URL of the CA's directory.
[[nodiscard]] std::span<const CaLimit> limits_of(std::string_view directory);

/// The same limits, some of them with another number, by id: what a CA has agreed on with one of its
/// subscribers.
[[nodiscard]] std::vector<CaLimit> with_numbers(std::span<const CaLimit> limits,
                                                const std::map<std::string, int, std::less<>>& numbers);

/// "300 new orders in 3 h".
[[nodiscard]] std::string words_of(const CaLimit& limit);

}  // namespace agent
