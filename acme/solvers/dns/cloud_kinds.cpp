// SPDX-License-Identifier: Apache-2.0
#include "acme/solvers/dns/cloud_kinds.hpp"

#include "acme/solvers/dns/cloud_providers.hpp"

namespace acme {

std::vector<ProviderKind> cloud_kinds() {
    return {cloudflare_kind(), route53_kind(),  digitalocean_kind(), hetzner_kind(),
            gandi_kind(),      powerdns_kind(), acme_dns_kind()};
}

}  // namespace acme
