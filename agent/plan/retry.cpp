// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/retry.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace agent {

using std::chrono::duration_cast;
using namespace std::chrono_literals;

namespace {

constexpr base::Seconds kRetryAfterMax = 7 * 24h;
constexpr base::Seconds kShortest = 30s;

base::Seconds growing(base::Seconds first, double factor, base::Seconds most, int count) {
    const double seconds = static_cast<double>(first.count()) * std::pow(factor, std::min(count - 1, 30));
    return std::min(most, base::Seconds(static_cast<std::int64_t>(std::min(seconds, 1e9))));
}

/// What a CA refused for a reason that time rarely mends: Let's Encrypt's own advice (1, 10, 100 minutes,
/// then daily).
base::Seconds refused_delay(int count) {
    constexpr std::array<base::Seconds, 4> kSteps{1min, 10min, 100min, 6h};
    return count <= static_cast<int>(kSteps.size()) ? kSteps[static_cast<std::size_t>(std::max(count, 1) - 1)]
                                                    : base::Seconds(24h);
}

base::Seconds issuance_delay(const base::Error& error, int count) {
    // Somebody has to lift the pause at the CA first; once a day is how it is noticed.
    if (error.code == base::Code::CaPaused) return 24h;
    // A person's roots may be wrong, or the CA's own certificate has run out, and that is over without us.
    if (error.code == base::Code::NetUntrusted) return growing(1min, 2.5, 6h, count);
    switch (base::class_of(error.code)) {
        case base::ErrorClass::Transient:
        case base::ErrorClass::Conflict:
            return growing(1min, 2.5, 6h, count);
        case base::ErrorClass::RateLimited:
            // Without an instant an hour is a guess; "now" is meant, but not again and again.
            return error.retry_at ? growing(30s, 2, 1h, count) : growing(1h, 2, 24h, count);
        case base::ErrorClass::Refused:
            return refused_delay(count);
        case base::ErrorClass::Configuration:
        case base::ErrorClass::Corrupt:
            return 24h;
    }
    return 24h;
}

/// However little is left, nobody is asked more often than this; and yet there is another try before the end.
base::Seconds least_wait(base::Seconds left) {
    constexpr base::Seconds kUsual = 10min;
    if (left <= base::Seconds(0)) return kUsual;  // there is nothing to be saved by hurry
    return std::clamp(left / 2, base::Seconds(1min), kUsual);
}

/// The instant that the CA has named, as far as it is kept to.
base::Instant believed(const RetryInput& input) {
    constexpr base::Seconds kLook = 1h;  // at an order that it is at work on
    constexpr base::Seconds kDay = 24h;
    const base::Instant now = input.now;
    const base::Instant asked = std::min(*input.error->retry_at, now + kRetryAfterMax);
    if (input.error->code == base::Code::CaOrderPending) return std::min(asked, now + kLook);
    const bool is_limit = base::class_of(input.error->code) == base::ErrorClass::RateLimited;
    if (!input.expiry) return is_limit ? asked : std::min(asked, now + kDay);
    const base::Seconds left = std::max(base::Seconds(0), *input.expiry - now);
    // A server that is overloaded is asked again in time; a limit is asked once more before the end, and then
    // a few times.
    const base::Instant last = *input.expiry - input.lifetime / 20;
    base::Instant most = now + std::max(least_wait(left), left / (is_limit ? 4 : 12));
    if (is_limit && now < last) most = last;
    const base::Instant turn = *input.expiry - input.lifetime / 4 + 1s;
    if (input.has_another_ca && now < turn) most = std::min(most, turn);
    return std::min(asked, most);
}

}  // namespace

base::Instant next_attempt(const RetryInput& input) {
    base::Seconds delay = input.effort == Effort::Issuance ? issuance_delay(*input.error, input.count)
                                                           : growing(30s, 2, 15min, input.count);
    if (input.expiry) {
        // For a certificate of 160 hours, a day between tries would be far too long (RFC 9773 says nothing;
        // arithmetic does).
        const base::Seconds left = std::max(base::Seconds(0), *input.expiry - input.now);
        delay = std::min(delay, std::max(least_wait(left), left / 12));
    }
    const double jitter = 0.75 + 0.5 * input.chance;
    delay = std::max(kShortest / 2,
                     base::Seconds(static_cast<std::int64_t>(static_cast<double>(delay.count()) * jitter)));
    base::Instant at = input.now + delay;
    if (input.error->retry_at) {
        const base::Instant asked = believed(input);
        // A CA that names an instant to come means it: exactly that one.
        const bool is_limit = base::class_of(input.error->code) == base::ErrorClass::RateLimited;
        at = is_limit && asked > input.now ? asked : std::max(at, asked);
    }
    return at;
}

base::Instant believed_attempt(const Failure& failure, base::Instant now) {
    constexpr base::Seconds kLongest = 30h;  // a day and its jitter
    const base::Seconds longest = failure.error.retry_at ? kRetryAfterMax : kLongest;
    return failure.next_attempt > now + longest ? now : failure.next_attempt;
}

base::Instant clean_up_time(const Residue& residue, base::Instant now, bool eager) {
    return residue.failure && !eager ? believed_attempt(*residue.failure, now) : now;
}

Failure count_failure(const std::optional<Failure>& before, base::Error error, RetryInput input) {
    const bool goes_on = before && before->error.code == error.code;
    Failure failure{.count = goes_on ? before->count + 1 : 1, .since = goes_on ? before->since : input.now};
    input.error = &error;
    input.count = failure.count;
    failure.next_attempt = next_attempt(input);
    failure.error = std::move(error);
    return failure;
}

}  // namespace agent
