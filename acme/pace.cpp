// SPDX-License-Identifier: Apache-2.0
#include "acme/pace.hpp"

#include <algorithm>
#include <cmath>

namespace acme {

bool has_known_rates(std::string_view directory) {
    constexpr std::string_view kScheme = "https://";
    if (!directory.starts_with(kScheme)) return false;
    directory.remove_prefix(kScheme.size());
    return directory.substr(0, directory.find_first_of(":/")).ends_with(".api.letsencrypt.org");
}

Rate Pace::rate_of(Kind kind) {
    return kind == Kind::Nonce ? kCarefulRates.nonces : kCarefulRates.others;
}

double Pace::missing(Kind kind, base::Steady now) const {
    const Bucket& held = bucket(kind);
    const double passed = std::chrono::duration<double>(now - held.since).count();
    return std::max(0.0, held.missing - passed * rate_of(kind).per_second);
}

std::size_t Pace::take(Kind kind, std::size_t wanted, base::Steady now) {
    const std::scoped_lock lock(mutex_);
    if (!is_careful_) return wanted;
    const double left = rate_of(kind).burst - missing(kind, now);
    const std::size_t granted = std::min(wanted, static_cast<std::size_t>(std::max(0.0, left)));
    Bucket& held = kind == Kind::Nonce ? nonces_ : others_;
    held = {.missing = missing(kind, now) + static_cast<double>(granted), .since = now};
    return granted;
}

base::Milliseconds Pace::wait(Kind kind, base::Steady now) const {
    const std::scoped_lock lock(mutex_);
    if (!is_careful_) return base::Milliseconds{0};
    const double over = missing(kind, now) + 1 - rate_of(kind).burst;
    return base::Milliseconds{
        static_cast<long>(std::ceil(std::max(0.0, over) / rate_of(kind).per_second * 1000))};
}

void Pace::complained() {
    const std::scoped_lock lock(mutex_);
    is_careful_ = true;
}

}  // namespace acme
