// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/ca_limits.hpp"

#include <array>

#include "agent/tell/words.hpp"

namespace agent {

using namespace std::chrono_literals;

namespace {

constexpr base::Seconds kWeek = std::chrono::days(7);

constexpr CaLimit new_orders(int most) {
    return {.id = "new-orders",
            .words = "new orders in 3 h",
            .most = most,
            .per = 3h,
            .spares_renewals = true,
            .spares_suggested = true,
            .told_by = "too many new orders"};
}

constexpr CaLimit same_names(int most) {
    return {.id = "same-names",
            .words = "certificates for the same names in 7 days",
            .key = LimitKey::SameNames,
            .counts = LimitCounts::Certificates,
            .most = most,
            .per = kWeek,
            .spares_suggested = true,
            .kept_for_need = 1,
            .told_by = "exact set of"};
}

constexpr CaLimit failed_validations(int most) {
    return {.id = "failed-validations",
            .words = "failed validations of a name in 1 h",
            .key = LimitKey::Identifier,
            .counts = LimitCounts::FailedNames,
            .most = most,
            .per = 1h,
            .spares_suggested = true,
            .told_by = "too many failed authorizations"};
}

/// One comes back a day, and all with the first success.
constexpr CaLimit failures_in_a_row(int most) {
    return {.id = "failures-in-a-row",
            .words = "failed validations of a name in a row, then it is paused",
            .key = LimitKey::Identifier,
            .counts = LimitCounts::FailedNames,
            .most = most,
            .per = std::chrono::days(most),
            .spares_suggested = true,
            .ends_with_success = true,
            .told_by = "consecutive authorization failures"};
}

// letsencrypt.org/docs/rate-limits, as of August 2026.
constexpr std::array kLetsEncrypt{
    new_orders(300),
    CaLimit{.id = "registered-domain",
            .words = "certificates for a registered domain in 7 days",
            .key = LimitKey::RegisteredDomain,
            .counts = LimitCounts::Certificates,
            .most = 50,
            .per = kWeek,
            .spares_renewals = true,
            .spares_suggested = true,
            .told_by = "already issued for \""},
    same_names(5),
    failed_validations(5),
    failures_in_a_row(1152),
};

// letsencrypt.org/docs/staging-environment; the limit for a domain is out of anybody's reach.
constexpr std::array kLetsEncryptStaging{
    new_orders(1500),
    same_names(30000),
    failed_validations(200),
    failures_in_a_row(3600),
};

}  // namespace

std::span<const CaLimit> limits_of(std::string_view directory) {
    if (directory.starts_with("https://acme-v02.api.letsencrypt.org/")) return kLetsEncrypt;
    if (directory.starts_with("https://acme-staging-v02.api.letsencrypt.org/")) return kLetsEncryptStaging;
    return {};
}

std::vector<CaLimit> with_numbers(std::span<const CaLimit> limits,
                                  const std::map<std::string, int, std::less<>>& numbers) {
    std::vector<CaLimit> changed(limits.begin(), limits.end());
    for (CaLimit& limit : changed) {
        const auto number = numbers.find(limit.id);
        if (number == numbers.end()) continue;
        limit.most = number->second;
        if (limit.ends_with_success) limit.per = std::chrono::days(limit.most);  // still one a day
    }
    return changed;
}

std::string words_of(const CaLimit& limit) {
    return number(static_cast<std::size_t>(limit.most)) + " " + std::string(limit.words);
}

}  // namespace agent
