// SPDX-License-Identifier: Apache-2.0
// How fast a CA may be asked, so that it never has to say 503: Let's Encrypt publishes limits for each
// address, others are asked freely until they have complained once.
#pragma once

#include <mutex>
#include <string_view>

#include "base/clock.hpp"

namespace acme {

/// A token bucket: `burst` requests at once, then `per_second`.
struct Rate {
    double per_second = 0;
    double burst = 0;
};

/// What one CA takes from one address.
struct Rates {
    Rate nonces{};  // newNonce and the directory
    Rate others{};
};

/// Nothing to hold back for a CA that is not known; its host is taken from the directory's URL. Pure.
[[nodiscard]] bool has_known_rates(std::string_view directory);

/// Let's Encrypt's published limits (per address and second, with the burst), a little below them.
inline constexpr Rates kCarefulRates{.nonces = {.per_second = 15, .burst = 8},
                                     .others = {.per_second = 200, .burst = 100}};

/// Thread safe.
class Pace {
  public:
    explicit Pace(bool is_careful) : is_careful_(is_careful) {}

    enum class Kind { Nonce, Other };
    /// How many of `wanted` requests may go now; they are counted as sent.
    [[nodiscard]] std::size_t take(Kind kind, std::size_t wanted, base::Steady now);
    /// How long until at least one more may go.
    [[nodiscard]] base::Milliseconds wait(Kind kind, base::Steady now) const;
    /// The CA has said 429 or 503: careful from now on.
    void complained();

  private:
    struct Bucket {
        double missing = 0;  // of the burst
        base::Steady since{};
    };

    [[nodiscard]] static Rate rate_of(Kind kind);
    [[nodiscard]] double missing(Kind kind, base::Steady now) const;

    [[nodiscard]] const Bucket& bucket(Kind kind) const { return kind == Kind::Nonce ? nonces_ : others_; }

    mutable std::mutex mutex_;
    bool is_careful_;
    Bucket nonces_{};
    Bucket others_{};
};

}  // namespace acme
