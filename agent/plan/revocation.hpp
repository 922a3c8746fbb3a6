// SPDX-License-Identifier: Apache-2.0
// When a generation that is to be revoked may be: once nobody is seen serving it, or when it has to be. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/config/config.hpp"
#include "agent/memory/record.hpp"
#include "base/clock.hpp"

namespace agent {

/// Where this generation is served or may be: a target that has its files, an address that shows it, and
/// every address of which that is not known since the wanted generation was issued ("web, 192.0.2.7:443").
[[nodiscard]] std::vector<std::string> places_of(const CertificateConfig& certificate, const Record& record,
                                                 int generation);

/// A certificate that is gone from the configuration, as far as its record tells of it: the places where it
/// was put and looked at. Nobody looks there any more, so what was seen last stands.
[[nodiscard]] CertificateConfig as_remembered(const Record& record);

/// The instant from which this revocation is due: now where a newer generation is wanted and this one is out
/// of sight, else its deadline; after a failure not before the next attempt, unless somebody is `eager`.
/// Absent: not before something else happens.
[[nodiscard]] std::optional<base::Instant> revocation_time(const CertificateConfig& certificate,
                                                           const Record& record, const Revocation& revocation,
                                                           base::Instant now, bool eager);

/// The earliest of all.
[[nodiscard]] std::optional<base::Instant> next_revocation(const CertificateConfig& certificate,
                                                           const Record& record, base::Instant now,
                                                           bool eager);

/// Does a revocation wait for a look at the public names?
[[nodiscard]] bool waits_for_a_look(const Record& record, base::Instant now);

}  // namespace agent
