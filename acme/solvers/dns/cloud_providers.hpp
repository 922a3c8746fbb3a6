// SPDX-License-Identifier: Apache-2.0
// The providers behind HTTP APIs, one file each; cloud_kinds() lists them.
#pragma once

#include "acme/solvers/dns/provider.hpp"

namespace acme {

[[nodiscard]] ProviderKind acme_dns_kind();
[[nodiscard]] ProviderKind cloudflare_kind();
[[nodiscard]] ProviderKind digitalocean_kind();
[[nodiscard]] ProviderKind gandi_kind();
[[nodiscard]] ProviderKind hetzner_kind();
[[nodiscard]] ProviderKind powerdns_kind();
[[nodiscard]] ProviderKind route53_kind();

}  // namespace acme
