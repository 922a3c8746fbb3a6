// SPDX-License-Identifier: Apache-2.0
#include "agent/work/residue.hpp"

#include <algorithm>

#include <spdlog/spdlog.h>

#include "agent/plan/retry.hpp"

namespace agent {

using base::Result;

namespace {

base::Error left_behind(const CertificateConfig& certificate, const acme::ChallengeTask& task,
                        const base::Error& error) {
    base::Error told = error;
    told.message = certificate.name + ": a challenge for " + task.identifier.value +
                   " is still there after its order: " + error.message;
    return std::move(told).during("authorize");
}

Failure count(const std::optional<Failure>& before, base::Error error, Surroundings& s) {
    return count_failure(before, std::move(error),
                         {.effort = Effort::Deployment, .now = s.clock.now(), .chance = s.chance()});
}

}  // namespace

void remember_residue(Surroundings& s, const CertificateConfig& certificate, Keeper& keeper,
                      const acme::ChallengeTask& task, const base::Error& error) {
    const SolverConfig* solver = solver_for(s.config, certificate, task.identifier);
    if (solver == nullptr) return;
    const Residue residue{.solver = solver->name,
                          .task = task,
                          .failure = count(std::nullopt, left_behind(certificate, task, error), s)};
    const auto kept = keeper.change([&](Record& record) {
        const bool is_known = std::ranges::any_of(
            record.residue, [&](const Residue& other) { return other.task == residue.task; });
        if (!is_known) record.residue.push_back(residue);
    });
    if (!kept)
        s.log.error("{}; it could not be remembered: {}", residue.failure.error.message,
                    kept.error().message);
}

Result<void> clean_up_residue(Surroundings& s, const CertificateConfig& certificate, Keeper& keeper,
                              bool regardless) {
    std::vector<Residue> left;
    for (Residue& residue : keeper.record().residue) {
        if (!regardless && believed_attempt(residue.failure, s.clock.now()) > s.clock.now()) {
            left.push_back(std::move(residue));
            continue;
        }
        CertificateConfig asker{.name = certificate.name, .solver = certificate.solver};
        if (certificate.ca.empty()) asker.solver = residue.solver;  // gone from the configuration
        const SolverConfig* config = solver_for(s.config, asker, residue.task.identifier);
        acme::Solver* solver = s.solver(asker, residue.task.identifier);
        if (config == nullptr || config->name != residue.solver || solver == nullptr) {
            s.log.warn("{}; solver {} is not its solver any more: it is left to you",
                       residue.failure.error.message, residue.solver);
            continue;
        }
        const auto gone = solver->clean_up(residue.task);
        if (gone) {
            s.remember(certificate.name, {.what = "cleaned_up", .text = residue.task.identifier.value});
            continue;
        }
        residue.failure = count(residue.failure, left_behind(certificate, residue.task, gone.error()), s);
        left.push_back(std::move(residue));
    }
    return keeper.change([&](Record& record) { record.residue = left; });
}

}  // namespace agent
