// SPDX-License-Identifier: Apache-2.0
#include "agent/work/solvers.hpp"

#include <mutex>
#include <set>
#include <utility>

#include "acme/solvers/dns_01.hpp"
#include "acme/solvers/dns_persist_01.hpp"
#include "acme/solvers/http_01.hpp"
#include "acme/solvers/tls_alpn_01.hpp"

namespace agent {

using base::Result;

namespace {

/// Stands in for a solver that cannot be made, so that this holds up its own names and no others.
class Excuse final : public acme::Solver {
  public:
    Excuse(std::string type, base::Error error) : type_(std::move(type)), error_(std::move(error)) {}

    [[nodiscard]] std::string_view type() const override { return type_; }

    [[nodiscard]] bool outlives_us() const override { return false; }

    Result<void> present(const acme::ChallengeTask& task) override {
        const std::scoped_lock lock(mutex_);
        refused_.insert(task.token);
        return base::Failure(error_);
    }

    /// What it was asked to put up is nowhere. What an earlier run has put up is still there.
    Result<void> clean_up(const acme::ChallengeTask& task) override {
        const std::scoped_lock lock(mutex_);
        if (refused_.erase(task.token) > 0) return {};
        return base::Failure(error_);
    }

  private:
    std::string type_;
    base::Error error_;
    std::mutex mutex_;
    std::set<std::string> refused_;
};

Result<std::unique_ptr<acme::Solver>> make_dns(const SolverConfig& solver, const SolverEffects& effects) {
    const acme::ProviderKind* kind = acme::find_provider_kind(solver.provider);  // checked when it was read
    if (kind == nullptr) {
        return base::fail(base::Code::ConfigWrongValue,
                          "[solver." + solver.name + "]: there is no provider " + solver.provider);
    }
    acme::DnsSolverEffects own{
        .provider = TRY(kind->make(solver.settings, {.transport = effects.transport,
                                                     .dns = effects.dns,
                                                     .clock = effects.clock,
                                                     .plugin_path = effects.config.agent.plugin_path})),
        .dns = effects.dns,
        .clock = effects.clock};
    own.wait = [policy = solver.propagation, &dns = effects.dns, &clock = effects.clock,
                tell = effects.tell](std::span<const acme::ExpectedTxt> records) -> Result<void> {
        for (const std::string& note : TRY(acme::wait_until_propagated(records, policy, dns, clock))) {
            if (tell) tell(note);
        }
        return {};
    };
    const auto challenge =
        solver.type == "dns-01" ? acme::DnsChallenge::Dns01 : acme::DnsChallenge::DnsAccount01;
    return acme::make_dns_solver({.challenge = challenge, .ttl = solver.ttl}, std::move(own));
}

}  // namespace

acme::TxtReader txt_reader(const base::Dns& dns, const Config& config) {
    return [&dns, is_public = config.dns.is_public](const std::string& name) {
        return acme::read_txt(dns, name, is_public);
    };
}

Result<std::unique_ptr<acme::Solver>> make_solver(const SolverConfig& solver, const SolverEffects& effects) {
    if (solver.has_provider()) return make_dns(solver, effects);
    if (solver.type == "dns-persist-01") {
        return acme::make_dns_persist_solver(txt_reader(effects.dns, effects.config), effects.clock);
    }
    if (solver.type == "tls-alpn-01") return acme::make_tls_alpn_solver(solver.listen, effects.clock);
    return solver.listen.empty() ? acme::make_webroot_solver(effects.files, solver.webroot)
                                 : acme::make_listener_solver(solver.listen);
}

std::unique_ptr<acme::Solver> make_solver_or_excuse(const SolverConfig& solver,
                                                    const SolverEffects& effects) {
    auto made = make_solver(solver, effects);
    if (made) return std::move(*made);
    return std::make_unique<Excuse>(solver.type, std::move(made).error());
}

}  // namespace agent
