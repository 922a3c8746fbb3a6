// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/limit_watch.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <unordered_map>
#include <utility>

#include "base/registered_domain.hpp"

namespace agent {

using base::Identifier;
using base::Instant;

namespace {

constexpr std::size_t kIp6Network = 8;  // bytes of a /64, which count as one

std::string owner_of(const Identifier& name) {
    if (name.type == base::IdentifierType::Dns) return base::registered_domain(name.value).value_or("");
    const std::string bytes = base::address_bytes(name.value);
    if (bytes.size() <= kIp6Network) return name.value;
    return base::address_text(bytes.substr(0, kIp6Network) + std::string(kIp6Network, '\0')) + "/64";
}

/// What an order for this certificate is counted under; an empty one is the account.
std::vector<std::string> keys_of(const CertificateConfig& certificate, LimitKey kind) {
    std::set<std::string> keys;
    std::string all;
    switch (kind) {
        case LimitKey::Account:
            keys.insert("");
            break;
        case LimitKey::RegisteredDomain:
            for (const Identifier& name : certificate.names) keys.insert(owner_of(name));
            keys.erase("");
            break;
        case LimitKey::SameNames: {
            std::set<std::string> names;
            for (const Identifier& name : certificate.names) names.insert(name.value);
            for (const std::string& name : names) all += name + " ";
            keys.insert(all);
            break;
        }
    }
    return {keys.begin(), keys.end()};
}

/// All buckets of one limit.
class Buckets {
  public:
    explicit Buckets(const CaLimit& limit) : limit_(limit) {}

    /// True if there was room for one more.
    bool take(std::size_t bucket, Instant at) {
        Bucket& held = buckets_[bucket];
        held.used = used(held, at);
        held.since = at;
        if (held.used + 1 > limit_.most + kRounding) return false;
        held.used += 1;
        return true;
    }

    [[nodiscard]] int in_use(std::size_t bucket) const {
        return static_cast<int>(std::ceil(buckets_[bucket].used - kRounding));
    }

    /// The buckets a certificate's orders go into.
    const std::vector<std::size_t>& of(const CertificateConfig& certificate) {
        const auto [known, is_new] = by_certificate_.try_emplace(&certificate);
        if (!is_new) return known->second;
        for (const std::string& key : keys_of(certificate, limit_.key)) {
            const auto [found, is_first] = by_key_.try_emplace(key, buckets_.size());
            if (is_first) buckets_.push_back({.key = key});
            known->second.push_back(found->second);
        }
        return known->second;
    }

    /// For people: a registered domain; of names that are many, the certificate's.
    [[nodiscard]] std::string name_of(std::size_t bucket, const CertificateConfig& certificate) const {
        return limit_.key == LimitKey::SameNames ? certificate.name : buckets_[bucket].key;
    }

  private:
    static constexpr double kRounding = 1e-6;

    struct Bucket {
        std::string key{};
        double used = 0;
        Instant since{};
    };

    [[nodiscard]] double used(const Bucket& held, Instant at) const {
        const auto passed = static_cast<double>((at - held.since).count());
        return std::max(0.0, held.used - passed * limit_.most / static_cast<double>(limit_.per.count()));
    }

    const CaLimit& limit_;
    std::vector<Bucket> buckets_;
    std::unordered_map<std::string, std::size_t> by_key_;
    std::unordered_map<const CertificateConfig*, std::vector<std::size_t>> by_certificate_;
};

}  // namespace

void LimitWatch::add(const std::string& ca, const CertificateConfig& certificate, const FutureOrder& order) {
    const auto directory = directories_.find(ca);
    if (directory == directories_.end()) return;  // of a CA that is no longer asked
    std::vector<Counted>& orders = orders_[ca];
    if (limits_of(directory->second).empty()) return;
    orders.push_back({.certificate = &certificate, .order = order, .position = orders.size()});
}

ForecastLimit LimitWatch::hold_against(const CaLimit& limit, const std::vector<Counted>& orders) {
    ForecastLimit result{.limit = &limit};
    Buckets buckets(limit);
    for (const Counted& counted : orders) {
        const FutureOrder& order = counted.order;
        const bool is_spared =
            (limit.spares_renewals && order.is_renewal) || (limit.spares_suggested && order.is_suggested);
        if (is_spared) continue;
        bool has_room = true;
        for (const std::size_t bucket : buckets.of(*counted.certificate)) {
            has_room = buckets.take(bucket, order.at) && has_room;
            if (order.is_past || buckets.in_use(bucket) <= result.most_used) continue;
            result.most_used = buckets.in_use(bucket);
            result.at = order.at;
            result.about = buckets.name_of(bucket, *counted.certificate);
        }
        if (has_room || order.is_past || result.beyond++ > 0) continue;
        result.reached_at = order.at;
        result.reached_by = counted.certificate->name;
    }
    return result;
}

std::pair<std::vector<ForecastLimit>, std::vector<std::string>> LimitWatch::judge() {
    std::vector<ForecastLimit> told;
    std::vector<std::string> unlimited;
    for (auto& [ca, orders] : orders_) {
        const auto limits = limits_of(directories_.at(ca));
        if (limits.empty()) unlimited.push_back(ca);
        std::ranges::sort(
            orders, {}, [](const Counted& counted) { return std::pair(counted.order.at, counted.position); });
        for (const CaLimit& limit : limits) {
            told.push_back(hold_against(limit, orders));
            told.back().ca = ca;
        }
    }
    return {std::move(told), std::move(unlimited)};
}

}  // namespace agent
