// SPDX-License-Identifier: Apache-2.0
// Would a CA issue this certificate now? Tried before anybody is asked for it: a refusal counts against the
// account, and one that comes with a renewal in sixty days comes at night.
#pragma once

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

/// May this CA issue for every name of the certificate, by the account and the challenges it would use (RFC
/// 8659, RFC 8657)? ca/forbidden-by-caa, dns/bogus…. Names that are not public are not asked about.
[[nodiscard]] base::Result<void> check_caa_for(Surroundings& surroundings,
                                               const CertificateConfig& certificate, const CaConfig& ca);

/// CAA for every CA of the list, then every challenge as it would be answered: a token of our own is
/// presented, seen from here the way a CA sees it (http-01: at every address of the name; DNS: at every
/// authoritative server), and taken away again. Orders nothing. Blocks for as long as a challenge takes.
[[nodiscard]] std::vector<Trial> preflight(Surroundings& surroundings, const CertificateConfig& certificate);

}  // namespace agent
