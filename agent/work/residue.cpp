// SPDX-License-Identifier: Apache-2.0
#include "agent/work/residue.hpp"

#include <algorithm>

#include <spdlog/spdlog.h>

#include "agent/plan/retry.hpp"
#include "agent/work/control.hpp"

namespace agent {

using base::Result;

namespace {

base::Error left_behind(const CertificateConfig& certificate, const acme::ChallengeTask& task,
                        const base::Error& error) {
    base::Error told = error;
    told.message = certificate.name + ": a challenge for " + task.identifier.value +
                   " could not be taken away: " + error.message;
    return std::move(told).during("authorize");
}

Failure count(const std::optional<Failure>& before, base::Error error, Surroundings& s) {
    return count_failure(before, std::move(error),
                         {.effort = Effort::Deployment, .now = s.clock.now(), .chance = s.chance()});
}

/// What is remembered of this task by this solver; the end where nothing is.
auto find(Record& record, const std::string& solver, const acme::ChallengeTask& task) {
    return std::ranges::find_if(record.residue, [&](const Residue& residue) {
        return residue.solver == solver && residue.task == task;
    });
}

std::string words_of(const CertificateConfig& certificate, const Residue& residue) {
    if (residue.failure) return residue.failure->error.message;
    return certificate.name + ": a challenge for " + residue.task.identifier.value +
           " was put up by a run that has ended";
}

}  // namespace

Result<void> expect_residue(Surroundings& s, const CertificateConfig& certificate, Keeper& keeper,
                            const std::vector<acme::ChallengeTask>& tasks) {
    Record record = keeper.record();
    std::vector<Residue> fresh;
    for (const acme::ChallengeTask& task : tasks) {
        const SolverConfig* solver = solver_for(s.config, certificate, task.identifier);
        if (solver == nullptr || find(record, solver->name, task) != record.residue.end()) continue;
        fresh.push_back({.solver = solver->name, .task = task});
    }
    if (fresh.empty()) return {};
    return keeper.change(
        [&](Record& changed) { changed.residue.insert(changed.residue.end(), fresh.begin(), fresh.end()); });
}

Result<void> expect_residue_of_command(Surroundings& s, const CertificateConfig& certificate, Keeper& keeper,
                                       const std::vector<acme::ChallengeTask>& tasks) {
    TRY(expect_residue(s, certificate, keeper, tasks));
    tell_agent(s.config.agent.state_dir, changed_line(certificate.name));
    return {};
}

void forget_residue(Surroundings& s, const CertificateConfig& certificate, Keeper& keeper,
                    const acme::ChallengeTask& task) {
    const SolverConfig* solver = solver_for(s.config, certificate, task.identifier);
    if (solver == nullptr) return;
    keeper.note([&](Record& record) {
        const auto known = find(record, solver->name, task);
        if (known != record.residue.end()) record.residue.erase(known);
    });
}

void remember_residue(Surroundings& s, const CertificateConfig& certificate, Keeper& keeper,
                      const acme::ChallengeTask& task, const base::Error& error) {
    const SolverConfig* solver = solver_for(s.config, certificate, task.identifier);
    if (solver == nullptr) return;
    const Failure failure = count(std::nullopt, left_behind(certificate, task, error), s);
    const auto kept = keeper.change([&](Record& record) {
        const auto known = find(record, solver->name, task);
        if (known == record.residue.end()) {
            record.residue.push_back({.solver = solver->name, .task = task, .failure = failure});
        } else if (!known->failure) {
            known->failure = failure;
        }
    });
    if (!kept) s.log.error("{}; it could not be remembered: {}", failure.error.message, kept.error().message);
}

Result<void> clean_up_residue(Surroundings& s, const CertificateConfig& certificate, Keeper& keeper,
                              bool regardless) {
    std::vector<Residue> left;
    for (Residue& residue : keeper.record().residue) {
        if (clean_up_time(residue, s.clock.now(), regardless) > s.clock.now()) {
            left.push_back(std::move(residue));
            continue;
        }
        const auto solver = s.config.solvers.find(residue.solver);
        if (solver == s.config.solvers.end()) {
            s.log.warn("{}; solver {} is not in the configuration any more: it is left to you",
                       words_of(certificate, residue), residue.solver);
            continue;
        }
        const auto gone = s.solver(solver->second).clean_up(residue.task);
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
