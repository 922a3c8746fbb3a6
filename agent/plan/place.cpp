// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/place.hpp"

#include <algorithm>
#include <utility>

namespace agent {

namespace {

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) text += '\n' + word;
    return text;
}

/// Host and reload command; empty where nothing is reloaded.
std::string service_of(const TargetConfig& target) {
    if (target.parameters.reload.empty()) return {};
    return target.host + joined(target.parameters.reload);
}

/// Another machine hangs as a whole; on this one, it is a service that does.
std::string trouble_of(const TargetConfig& target) {
    if (!target.host.empty()) return "host " + target.host;
    const std::string service = service_of(target);
    return service.empty() ? "this machine" : "service " + service;
}

/// Of what waits within something that has a share already.
std::size_t share_within(std::size_t jobs) {
    return share_of(share_of(jobs));
}

Places each_once(Places places) {
    std::ranges::sort(places);
    const auto again = std::ranges::unique(places);
    places.erase(again.begin(), again.end());
    return places;
}

}  // namespace

std::size_t share_of(std::size_t jobs) {
    const std::size_t left_for_others = std::max<std::size_t>(1, jobs / 4);
    return jobs > 1 ? jobs - left_for_others : 1;
}

Places places_at_ca(const AgentConfig& agent, const std::string& ca) {
    return {{.name = "CA " + ca, .most = share_of(agent.jobs)}};
}

Places places_to_prove(const Config& config, const CertificateConfig& certificate) {
    Places places;
    for (const base::Identifier& name : certificate.names) {
        const SolverConfig* solver = solver_for(config, certificate, name);
        if (solver != nullptr && solver->has_provider())
            places.push_back({.name = "solver " + solver->name, .most = share_within(config.agent.jobs)});
    }
    return each_once(std::move(places));
}

Places places_to_run(const AgentConfig& agent, const std::vector<std::vector<std::string>>& programs) {
    Places places;
    for (const std::vector<std::string>& argv : programs)
        places.push_back({.name = "program" + joined(argv), .most = share_within(agent.jobs)});
    return each_once(std::move(places));
}

Places places_to_look(const AgentConfig& agent, const TargetConfig& target) {
    return {{.name = trouble_of(target), .most = share_of(agent.jobs)}};
}

Places places_to_look_at_names(const AgentConfig& agent) {
    return {{.name = "public names", .most = share_of(agent.jobs)}};
}

Places places_to_deploy(const AgentConfig& agent, const TargetConfig& target) {
    Places places = places_to_look(agent, target);
    std::string service = service_of(target);
    if (!service.empty()) places.push_back({.name = "reload " + std::move(service), .most = 1});
    return places;
}

}  // namespace agent
