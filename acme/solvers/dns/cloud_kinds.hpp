// SPDX-License-Identifier: Apache-2.0
// DNS providers that are reached over an HTTP API. Their keys in [solver.X], beside those they all have,
// `endpoint` (another https address of the same API; http on a loopback address), `roots` and `proxy`:
//
//   cloudflare    api_token (secret): Zone:Read, DNS:Edit
//   route53       access_key_id, secret_access_key (secret), session_token (secret, optional),
//                 region (default us-east-1), zone_id (optional: spares the right to list zones)
//   digitalocean  token (secret): domain:read, domain:create, domain:delete
//   hetzner       token (secret): of a project of the Hetzner Console, read and write
//   gandi         token (secret): a personal access token that may manage domains' technical configuration
//   powerdns      server (its web server's URL; no endpoint), api_key (secret), server_id (default localhost)
//   acme-dns      server (its URL; no endpoint), storage (JSON file of accounts, mode 0600)
#pragma once

#include <vector>

#include "acme/solvers/dns/provider.hpp"

namespace acme {

/// In the order in which messages list them.
[[nodiscard]] std::vector<ProviderKind> cloud_kinds();

}  // namespace acme
