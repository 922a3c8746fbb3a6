// SPDX-License-Identifier: Apache-2.0
#include "acme/retry.hpp"

#include <algorithm>
#include <charconv>
#include <system_error>

#include "acme/limits.hpp"
#include "base/text.hpp"

namespace acme {
namespace {

base::Milliseconds doubled(base::Milliseconds first, unsigned times, base::Milliseconds most) {
    for (; times > 0 && first < most; --times) first *= 2;
    return std::min(first, most);
}

}  // namespace

std::optional<base::Seconds> parse_retry_after(std::string_view value, base::Instant now) {
    value = base::trimmed(value);
    long long seconds = 0;
    const char* begin = value.data();
    const char* end = begin + value.size();
    const auto [stop, problem] = std::from_chars(begin, end, seconds);
    if (stop == end && !value.empty()) {
        if (problem == std::errc::result_out_of_range) {
            return value.starts_with('-') ? base::Seconds{0} : kRetryAfterMax;
        }
        return base::Seconds{std::clamp<long long>(seconds, 0, kRetryAfterMax.count())};
    }
    const auto date = base::parse_http_date(value);
    if (!date) return std::nullopt;
    return std::clamp(std::chrono::duration_cast<base::Seconds>(*date - now), base::Seconds{0},
                      kRetryAfterMax);
}

std::optional<base::Seconds> retry_after_of(const base::HttpResponse& answer, base::Instant now) {
    return parse_retry_after(answer.header("retry-after"),
                             base::parse_http_date(answer.header("date")).value_or(now));
}

base::Milliseconds look_wait(unsigned look, std::optional<base::Seconds> asked,
                             base::Milliseconds answered_in) {
    if (look == 0) {
        return asked ? kFirstLookAsked
                     : std::clamp(kFirstLook - answered_in, base::Milliseconds{0}, kFirstLook);
    }
    if (asked) return std::clamp(*asked, kLookWaitMin, kLookWaitMax);
    return doubled(std::clamp(2 * answered_in, kSecondLookMin, kSecondLookMax), look - 1, kLaterLookMax);
}

base::Milliseconds nonce_pause(unsigned tries) {
    // The first rejection is nearly always an aged nonce: the fresh one of the answer may go at once.
    if (tries <= 2) return base::Milliseconds{0};
    return doubled(base::Milliseconds{25}, tries - 3, base::Milliseconds{300});
}

base::Milliseconds resend_pause(unsigned tries) {
    return doubled(base::Milliseconds{250}, tries - 1, base::Milliseconds{2'000});
}

}  // namespace acme
