// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/ca_limits.hpp"

#include <array>

namespace agent {

using namespace std::chrono_literals;

namespace {

constexpr base::Seconds kWeek = std::chrono::days(7);

// letsencrypt.org/docs/rate-limits, as of August 2026.
constexpr std::array kLetsEncrypt{
    CaLimit{"new-orders", "300 new orders in 3 h", LimitKey::Account, 300, 3h, true, true},
    CaLimit{"registered-domain", "50 certificates for a registered domain in 7 days",
            LimitKey::RegisteredDomain, 50, kWeek, true, true},
    CaLimit{"same-names", "5 certificates for the same names in 7 days", LimitKey::SameNames, 5, kWeek, false,
            true},
};

// letsencrypt.org/docs/staging-environment; the limit for a domain is out of anybody's reach.
constexpr std::array kLetsEncryptStaging{
    CaLimit{"new-orders", "1,500 new orders in 3 h", LimitKey::Account, 1500, 3h, true, true},
    CaLimit{"same-names", "30,000 certificates for the same names in 7 days", LimitKey::SameNames, 30000,
            kWeek, false, true},
};

}  // namespace

std::span<const CaLimit> limits_of(std::string_view directory) {
    if (directory.starts_with("https://acme-v02.api.letsencrypt.org/")) return kLetsEncrypt;
    if (directory.starts_with("https://acme-staging-v02.api.letsencrypt.org/")) return kLetsEncryptStaging;
    return {};
}

}  // namespace agent
