// SPDX-License-Identifier: Apache-2.0
// Looks at endpoints and writes down what was seen; changes nothing on any target.
#pragma once

#include <string>
#include <vector>

#include "agent/work/keeper.hpp"
#include "agent/work/surroundings.hpp"
#include "deployers/probe/resolve.hpp"

namespace agent {

/// Looks at these targets, all at once, and remembers the verdicts. Blocks for the handshakes.
[[nodiscard]] base::Result<void> look_at_targets(Surroundings& surroundings,
                                                 const CertificateConfig& certificate, Keeper& keeper,
                                                 const std::vector<std::string>& targets);

/// Looks at the certificate's own endpoints.
[[nodiscard]] base::Result<void> look_at_certificate(Surroundings& surroundings,
                                                     const CertificateConfig& certificate, Keeper& keeper);

/// Writes what was seen of a target into its record, with the event `verified` where it has come to be seen
/// serving what is wanted. Pure.
void note_verdicts(Record& record, const std::string& target,
                   const std::vector<deployers::EndpointVerdict>& verdicts, base::Instant now);

/// When and how a look came about.
struct LookMoment {
    base::Instant now{};
    base::Seconds verify_every{};
    double chance = 0.5;       // uniformly from [0, 1): the jitter of what is done about it
    bool was_serving = false;  // the last look had seen the wanted generation everywhere, and this one says
                               // something else
};

/// Writes into the record that a look has not shown what it should: of a target that had been seen serving,
/// a drift, with its event. Pure.
void note_look(Record& record, const CertificateConfig& certificate, const std::string& target,
               const base::Error& error, const LookMoment& moment);

/// The generation that every address shows; 0 where they differ, show somebody else's, or nothing was seen.
[[nodiscard]] int generation_seen(const Record& record,
                                  const std::vector<deployers::EndpointVerdict>& verdicts);

/// Whom a look at targets asks for names: what /etc/hosts says of them holds, as it does for who wrote it.
[[nodiscard]] deployers::NameSource names_of_targets(const Surroundings& surroundings);
/// Whom a look at a certificate's own endpoints asks: what visitors ask, that is DNS alone, unless all names
/// are private ones.
[[nodiscard]] deployers::NameSource names_of_visitors(const Surroundings& surroundings);

/// What should be seen of the wanted generation.
[[nodiscard]] deployers::Expectation expectation_of(const Record& record);

}  // namespace agent
