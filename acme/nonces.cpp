// SPDX-License-Identifier: Apache-2.0
#include "acme/nonces.hpp"

#include <algorithm>
#include <utility>

#include "acme/limits.hpp"
#include "base/encoding.hpp"

namespace acme {

bool is_nonce(std::string_view value) {
    return base::is_base64url(value, kNonceBytesMax);
}

void NoncePool::put(std::string_view nonce, base::Steady now) {
    if (!is_nonce(nonce)) return;
    const std::scoped_lock lock(mutex_);
    if (kept_.size() >= kNoncesKept) kept_.pop_front();
    kept_.push_back(Kept{.nonce = std::string(nonce), .since = now});
}

std::optional<std::string> NoncePool::take(base::Steady now) {
    const std::scoped_lock lock(mutex_);
    if (kept_.empty()) return std::nullopt;
    Kept newest = std::move(kept_.back());
    kept_.pop_back();
    if (now - newest.since <= kNonceAgeMax) return std::move(newest.nonce);
    kept_.clear();  // the others are older still
    return std::nullopt;
}

std::size_t NoncePool::count(base::Steady now) {
    const std::scoped_lock lock(mutex_);
    return static_cast<std::size_t>(
        std::ranges::count_if(kept_, [&](const Kept& kept) { return now - kept.since <= kNonceAgeMax; }));
}

void NoncePool::clear() {
    const std::scoped_lock lock(mutex_);
    kept_.clear();
}

}  // namespace acme
