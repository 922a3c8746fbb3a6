// SPDX-License-Identifier: Apache-2.0
// Where work is done that is not ours to hurry: a CA, a host, a service. Each bears only so much of it at
// once, so that one that is slow or hangs takes some hands, and not all.
#pragma once

#include <compare>
#include <cstddef>
#include <string>
#include <vector>

#include "agent/config/config.hpp"

namespace agent {

struct Place {
    std::string name{};
    std::size_t most = 1;  // pieces of work at once
    friend auto operator<=>(const Place&, const Place&) = default;
};

/// All that one step needs, at the same time; each once.
using Places = std::vector<Place>;

/// How many of agent.jobs may be at one place: all but a quarter of them, which is left for the others.
[[nodiscard]] std::size_t share_of(std::size_t jobs);

/// For whatever is asked of this CA.
[[nodiscard]] Places places_at_ca(const AgentConfig& agent, const std::string& ca);
/// For proving its names with records at DNS providers: for each, some fewer than may be at a CA, which waits
/// meanwhile.
[[nodiscard]] Places places_to_prove(const Config& config, const CertificateConfig& certificate);
/// For somebody's programs, by their argv: for each, some fewer than may be anywhere else.
[[nodiscard]] Places places_to_run(const AgentConfig& agent,
                                   const std::vector<std::vector<std::string>>& programs);
/// For a look at what this target serves.
[[nodiscard]] Places places_to_look(const AgentConfig& agent, const TargetConfig& target);
/// For a look at the public names of any certificate.
[[nodiscard]] Places places_to_look_at_names(const AgentConfig& agent);
/// For a transaction: one at a time for a service (host and reload command), because its config test sees all
/// files at once, and nobody else may reload it meanwhile.
[[nodiscard]] Places places_to_deploy(const AgentConfig& agent, const TargetConfig& target);

}  // namespace agent
