// SPDX-License-Identifier: Apache-2.0
// Would a CA issue this certificate now? Tried before anybody is asked for it: a refusal counts against the
// account, and one that comes with a renewal in sixty days comes at night.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/work/surroundings.hpp"

namespace agent {

/// One thing that was tried.
struct Trial {
    std::string what{};                  // "www.example.com, http-01"
    std::string text{};                  // how it went, for people
    bool is_note = false;                // worth knowing, and no obstacle
    std::optional<base::Error> error{};  // what would stop an issuance
};

/// CAA for every CA of the list, then every challenge as it would be answered: a token of our own is
/// presented, seen from here the way a CA sees it (http-01, tls-alpn-01: at every address of the name; DNS:
/// as `propagation` says), and taken away again. What depends on the account is tried for every CA of the
/// list. Of names that are not public only CAA is left out. Orders nothing. Blocks for as long as a challenge
/// takes.
[[nodiscard]] std::vector<Trial> preflight(Surroundings& surroundings, const CertificateConfig& certificate);

/// Does the resolver check DNSSEC, so that a broken zone would be noticed? Seen by an answer about one of
/// these names, or about the root, that says so, or that is withheld. Absent: nobody answers.
[[nodiscard]] std::optional<bool> checks_signatures(const base::Dns& dns,
                                                    const std::vector<base::Identifier>& names);

}  // namespace agent
