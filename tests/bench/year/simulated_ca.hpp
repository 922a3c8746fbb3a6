// SPDX-License-Identifier: Apache-2.0
// A CA as Let's Encrypt is, as far as limits and renewal information go: the numbers and rules of
// letsencrypt.org/docs/rate-limits and of Boulder's ARI, kept in books of its own that share nothing with
// renewd's.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"

namespace year {

/// Tokens that come back evenly, as a number and the instant it was true.
class Tokens {
  public:
    [[nodiscard]] bool has_one(double most, double per, base::Instant now) {
        fill(most, per, now);
        return left_ >= 1 - 1e-6;
    }

    void spend(double most, double per, base::Instant now) {
        fill(most, per, now);
        left_ = std::max(0.0, left_ - 1);
    }

  private:
    void fill(double most, double per, base::Instant now) {
        if (!is_known_) left_ = most;
        const auto passed = is_known_ ? static_cast<double>((now - since_).count()) : 0.0;
        left_ = std::min(most, left_ + passed * most / per);
        since_ = now;
        is_known_ = true;
    }

    double left_ = 0;
    base::Instant since_{};
    bool is_known_ = false;
};

/// Sorted.
using Names = std::vector<std::string>;

class SimulatedCa {
  public:
    struct Window {
        base::Instant start{};
        base::Instant end{};
    };

    /// What it counts for certificates with exactly the same names.
    struct NameSet {
        Tokens issued{};
        std::optional<base::Instant> last_issued{};

        [[nodiscard]] bool is_renewed(base::Instant now) const {
            return last_issued && now - *last_issued <= std::chrono::days(120);
        }
    };

    struct HashOfNames {
        std::size_t operator()(const Names& names) const {
            return std::accumulate(names.begin(), names.end(), std::size_t{0},
                                   [](std::size_t hash, const std::string& name) {
                                       return hash * 31 + std::hash<std::string>{}(name);
                                   });
        }
    };

    using NameSets = std::unordered_map<Names, NameSet, HashOfNames>;

    /// What it knows of a certificate that it has issued.
    struct Issued {
        NameSets::value_type* set = nullptr;  // of sets_, whose elements stay where they are
        base::Instant not_before{};
        base::Instant not_after{};
        bool is_replaced = false;
        bool is_to_be_revoked = false;
    };

    struct Request {
        Names names{};
        std::string domain{};        // the registered domain of all of them
        std::int64_t replaces = -1;  // a certificate's number
    };

    /// Boulder's core/objects.go: the ideal is 2/3 of the life, 1/2 below ten days, and a hundredth of the
    /// life to either side; what is to be revoked had its time an hour ago.
    [[nodiscard]] Window window(std::int64_t certificate, base::Instant now) const {
        const Issued& one = issued_[static_cast<std::size_t>(certificate)];
        if (one.is_to_be_revoked) return {now - std::chrono::hours(1), now - std::chrono::minutes(30)};
        const base::Seconds life = one.not_after - one.not_before;
        const base::Seconds ideal = life < std::chrono::days(10) ? life / 2 : life * 2 / 3;
        return {one.not_before + ideal - life / 100, one.not_before + ideal + life / 100};
    }

    /// The limit that refuses this order; empty: it is placed.
    [[nodiscard]] std::string_view place(const Request& request, base::Instant now) {
        if (is_ari_renewal(request, now)) {
            issued_[static_cast<std::size_t>(request.replaces)].is_replaced = true;
            return {};
        }
        for (const std::string& name : request.names) {
            if (!failures_[name].has_one(5, kHour, now)) return "failed-validations";
        }
        NameSet& set = set_of(request).second;
        if (!set.issued.has_one(5, kWeek, now)) return "same-names";
        if (set.is_renewed(now)) return {};
        if (!domains_[request.domain].has_one(50, kWeek, now)) return "registered-domain";
        if (!orders_.has_one(300, 3 * kHour, now)) return "new-orders";
        orders_.spend(300, 3 * kHour, now);
        return {};
    }

    /// The number of a new certificate.
    std::int64_t issue(const Request& request, base::Seconds life, base::Instant now) {
        NameSets::value_type& kept = set_of(request);
        NameSet& set = kept.second;
        if (!set.is_renewed(now)) domains_[request.domain].spend(50, kWeek, now);
        set.issued.spend(5, kWeek, now);
        set.last_issued = now;
        return keep(kept, now, now + life);
    }

    void fail(const std::string& name, base::Instant now) { failures_[name].spend(5, kHour, now); }

    /// One that was issued before the story begins.
    std::int64_t remember(const Names& names, base::Instant not_before, base::Instant not_after) {
        NameSets::value_type& kept = *sets_.try_emplace(names).first;
        kept.second.last_issued = not_before;
        return keep(kept, not_before, not_after);
    }

    void will_revoke(std::int64_t certificate) {
        issued_[static_cast<std::size_t>(certificate)].is_to_be_revoked = true;
    }

    [[nodiscard]] const Issued& certificate(std::int64_t number) const {
        return issued_[static_cast<std::size_t>(number)];
    }

  private:
    static constexpr double kHour = 3600;
    static constexpr double kWeek = 7 * 24 * kHour;

    /// That of the certificate it replaces, where its names are the same: nothing is looked for then.
    NameSets::value_type& set_of(const Request& request) {
        if (request.replaces >= 0) {
            NameSets::value_type& before = *certificate(request.replaces).set;
            if (before.first == request.names) return before;
        }
        return *sets_.try_emplace(request.names).first;
    }

    std::int64_t keep(NameSets::value_type& set, base::Instant not_before, base::Instant not_after) {
        issued_.push_back({.set = &set, .not_before = not_before, .not_after = not_after});
        return static_cast<std::int64_t>(issued_.size()) - 1;
    }

    /// RFC 9773 §5 and Boulder's wfe: not replaced yet, a name in common, and now is within its window.
    [[nodiscard]] bool is_ari_renewal(const Request& request, base::Instant now) const {
        if (request.replaces < 0) return false;
        const Issued& old = certificate(request.replaces);
        const bool shares = std::ranges::any_of(request.names, [&](const std::string& name) {
            return std::ranges::binary_search(old.set->first, name);
        });
        const Window open = window(request.replaces, now);
        return !old.is_replaced && shares && open.start <= now && now <= open.end;
    }

    std::deque<Issued> issued_;
    Tokens orders_;
    std::unordered_map<std::string, Tokens> domains_;
    std::unordered_map<std::string, Tokens> failures_;
    NameSets sets_;
};

}  // namespace year
