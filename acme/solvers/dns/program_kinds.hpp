// SPDX-License-Identifier: Apache-2.0
// The providers that run somebody's program: rather than to write what 180 APIs want, run what is there.
#pragma once

#include <vector>

#include "acme/solvers/dns/provider.hpp"

namespace acme {

/// `plugin`, `exec`, `certbot-hooks`, `acme.sh` and `dehydrated`, in this order.
[[nodiscard]] std::vector<ProviderKind> program_kinds();

/// Our own protocol; see hooks/plugin.hpp.
[[nodiscard]] ProviderKind plugin_kind();
/// lego's: PROGRAM present|cleanup FQDN. VALUE, or -- DOMAIN TOKEN KEYAUTH.
[[nodiscard]] ProviderKind exec_kind();
/// The programs of certbot's --manual-auth-hook and --manual-cleanup-hook.
[[nodiscard]] ProviderKind certbot_hooks_kind();
/// acme.sh's dnsapi/, unchanged, in an acme.sh of its own.
[[nodiscard]] ProviderKind acme_sh_kind();
/// dehydrated's HOOK.
[[nodiscard]] ProviderKind dehydrated_kind();

}  // namespace acme
