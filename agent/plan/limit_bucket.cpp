// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/limit_bucket.hpp"

#include <algorithm>

#include "base/registered_domain.hpp"

namespace agent {

using base::Identifier;
using base::Instant;
using base::Milliseconds;

namespace {

constexpr std::size_t kIp6Network = 8;  // bytes of a /64, which count as one

std::string owner_of(const Identifier& name) {
    if (name.type == base::IdentifierType::Dns) return base::registered_domain(name.value).value_or("");
    const std::string bytes = base::address_bytes(name.value);
    if (bytes.size() <= kIp6Network) return name.value;
    return base::address_text(bytes.substr(0, kIp6Network) + std::string(kIp6Network, '\0')) + "/64";
}

}  // namespace

LimitInstant take_one(const CaLimit& limit, LimitInstant full_at, Instant at) {
    return std::max(full_at, LimitInstant(at)) + comes_back_in(limit);
}

int in_use(const CaLimit& limit, LimitInstant full_at, Instant at) {
    const Milliseconds back_in = full_at - LimitInstant(at);
    if (back_in <= Milliseconds(0)) return 0;
    const Milliseconds each = comes_back_in(limit);
    return static_cast<int>(std::min<std::int64_t>(limit.most, (back_in + each - Milliseconds(1)) / each));
}

Instant free_at(const CaLimit& limit, LimitInstant full_at, int kept_back) {
    const Milliseconds each = comes_back_in(limit);
    return std::chrono::ceil<base::Seconds>(full_at - each * (limit.most - 1 - kept_back));
}

LimitInstant bucket_free_at(const CaLimit& limit, Instant at) {
    return LimitInstant(at) + comes_back_in(limit) * (limit.most - 1);
}

std::vector<std::string> limit_keys(const std::vector<Identifier>& names, LimitKey kind) {
    if (kind == LimitKey::Account) return {""};
    std::vector<std::string> keys;
    keys.reserve(names.size());
    for (const Identifier& name : names) {
        if (kind == LimitKey::RegisteredDomain) {
            keys.push_back(owner_of(name));
        } else {
            // A wildcard is proven at the name below it (RFC 8555 §7.1.3).
            const bool is_proven_below = kind == LimitKey::Identifier && name.is_wildcard();
            keys.push_back(is_proven_below ? name.value.substr(2) : name.value);
        }
    }
    std::ranges::sort(keys);
    const auto repeated = std::ranges::unique(keys);
    keys.erase(repeated.begin(), repeated.end());
    std::erase(keys, "");
    if (kind != LimitKey::SameNames) return keys;
    std::string all;
    for (const std::string& name : keys) all += name + " ";
    return {all};
}

}  // namespace agent
