// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/limit_watch.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "agent/plan/limit_bucket.hpp"

namespace agent {

using base::Instant;

namespace {

/// All buckets of one limit.
class Buckets {
  public:
    Buckets(const CaLimit& limit, const Ledger& ledger) : limit_(limit), ledger_(ledger) {}

    /// True if there was room for one more.
    bool take(std::size_t bucket, Instant at) {
        Bucket& held = buckets_[bucket];
        if (free_at(limit_, held.full_at) > at) return false;
        held.full_at = take_one(limit_, held.full_at, at);
        return true;
    }

    [[nodiscard]] int used(std::size_t bucket, Instant at) const {
        return in_use(limit_, buckets_[bucket].full_at, at);
    }

    /// The buckets a certificate's orders go into.
    const std::vector<std::size_t>& of(const CertificateConfig& certificate) {
        const auto [known, is_new] = by_certificate_.try_emplace(&certificate);
        if (!is_new) return known->second;
        for (const std::string& key : limit_keys(certificate.names, limit_.key)) {
            const auto [found, is_first] = by_key_.try_emplace(key, buckets_.size());
            if (is_first)
                buckets_.push_back({.key = key, .full_at = ledger_.bucket(bucket_name(limit_, key))});
            known->second.push_back(found->second);
        }
        return known->second;
    }

    /// For people: a registered domain; of names that are many, the certificate's.
    [[nodiscard]] std::string name_of(std::size_t bucket, const CertificateConfig& certificate) const {
        return limit_.key == LimitKey::SameNames ? certificate.name : buckets_[bucket].key;
    }

  private:
    struct Bucket {
        std::string key{};
        LimitInstant full_at{};
    };

    const CaLimit& limit_;
    const Ledger& ledger_;
    std::vector<Bucket> buckets_;
    std::unordered_map<std::string, std::size_t> by_key_;
    std::unordered_map<const CertificateConfig*, std::vector<std::size_t>> by_certificate_;
};

}  // namespace

void LimitWatch::add(const std::string& ca, const CertificateConfig& certificate, const FutureOrder& order) {
    const auto limits = limits_.find(ca);
    if (limits == limits_.end()) return;  // of a CA that is no longer asked
    std::vector<Counted>& orders = orders_[ca];
    if (limits->second.empty()) return;
    orders.push_back({.certificate = &certificate,
                      .at = order.at,
                      .is_renewal = order.ahead.is_renewal,
                      .is_suggested = order.ahead.is_suggested,
                      .is_past = order.is_past,
                      .position = orders.size()});
}

ForecastLimit LimitWatch::hold_against(const CaLimit& limit, const std::vector<Counted>& orders,
                                       const Ledger& ledger) {
    ForecastLimit result{.limit = &limit};
    Buckets buckets(limit, ledger);
    for (const Counted& order : orders) {
        const bool is_spared =
            (limit.spares_renewals && order.is_renewal) || (limit.spares_suggested && order.is_suggested);
        if (is_spared) continue;
        bool has_room = true;
        for (const std::size_t bucket : buckets.of(*order.certificate)) {
            has_room = buckets.take(bucket, order.at) && has_room;
            const int used = buckets.used(bucket, order.at);
            if (order.is_past || used <= result.most_used) continue;
            result.most_used = used;
            result.at = order.at;
            result.about = buckets.name_of(bucket, *order.certificate);
        }
        if (has_room || order.is_past || result.beyond++ > 0) continue;
        result.reached_at = order.at;
        result.reached_by = order.certificate->name;
    }
    return result;
}

std::pair<std::vector<ForecastLimit>, std::vector<std::string>> LimitWatch::judge() {
    std::vector<ForecastLimit> told;
    std::vector<std::string> unlimited;
    for (auto& [ca, orders] : orders_) {
        const auto limits = limits_.at(ca);
        if (limits.empty()) unlimited.push_back(ca);
        std::ranges::sort(orders, {},
                          [](const Counted& counted) { return std::pair(counted.at, counted.position); });
        static const Ledger unknown;
        const auto known = ledgers_.find(ca);
        const Ledger& ledger = known == ledgers_.end() ? unknown : known->second;
        for (const CaLimit& limit : limits) {
            if (limit.counts == LimitCounts::FailedNames) continue;  // nobody plans to fail
            told.push_back(hold_against(limit, orders, ledger));
            told.back().ca = ca;
            if (known != ledgers_.end() && limit.key == LimitKey::Account)
                told.back().left_now =
                    limit.most - in_use(limit, ledger.bucket(bucket_name(limit, "")), now_);
        }
    }
    return {std::move(told), std::move(unlimited)};
}

}  // namespace agent
