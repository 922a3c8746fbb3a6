// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/ca_limits.hpp"

#include <array>

namespace agent {

using namespace std::chrono_literals;

namespace {

constexpr base::Seconds kWeek = std::chrono::days(7);

constexpr CaLimit new_orders(std::string_view words, int most) {
    return {.id = "new-orders",
            .words = words,
            .most = most,
            .per = 3h,
            .spares_renewals = true,
            .spares_suggested = true,
            .told_by = "too many new orders"};
}

constexpr CaLimit same_names(std::string_view words, int most) {
    return {.id = "same-names",
            .words = words,
            .key = LimitKey::SameNames,
            .counts = LimitCounts::Certificates,
            .most = most,
            .per = kWeek,
            .spares_suggested = true,
            .kept_for_need = 1,
            .told_by = "exact set of"};
}

constexpr CaLimit failed_validations(std::string_view words, int most) {
    return {.id = "failed-validations",
            .words = words,
            .key = LimitKey::Identifier,
            .counts = LimitCounts::FailedNames,
            .most = most,
            .per = 1h,
            .spares_suggested = true,
            .told_by = "too many failed authorizations"};
}

/// One comes back a day, and all with the first success.
constexpr CaLimit failures_in_a_row(std::string_view words, int most) {
    return {.id = "failures-in-a-row",
            .words = words,
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
    new_orders("300 new orders in 3 h", 300),
    CaLimit{.id = "registered-domain",
            .words = "50 certificates for a registered domain in 7 days",
            .key = LimitKey::RegisteredDomain,
            .counts = LimitCounts::Certificates,
            .most = 50,
            .per = kWeek,
            .spares_renewals = true,
            .spares_suggested = true,
            .told_by = "already issued for \""},
    same_names("5 certificates for the same names in 7 days", 5),
    failed_validations("5 failed validations of a name in 1 h", 5),
    failures_in_a_row("1,152 failed validations of a name in a row, then it is paused", 1152),
};

// letsencrypt.org/docs/staging-environment; the limit for a domain is out of anybody's reach.
constexpr std::array kLetsEncryptStaging{
    new_orders("1,500 new orders in 3 h", 1500),
    same_names("30,000 certificates for the same names in 7 days", 30000),
    failed_validations("200 failed validations of a name in 1 h", 200),
    failures_in_a_row("3,600 failed validations of a name in a row, then it is paused", 3600),
};

}  // namespace

std::span<const CaLimit> limits_of(std::string_view directory) {
    if (directory.starts_with("https://acme-v02.api.letsencrypt.org/")) return kLetsEncrypt;
    if (directory.starts_with("https://acme-staging-v02.api.letsencrypt.org/")) return kLetsEncryptStaging;
    return {};
}

}  // namespace agent
