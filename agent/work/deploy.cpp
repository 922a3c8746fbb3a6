// SPDX-License-Identifier: Apache-2.0
#include "agent/work/deploy.hpp"

#include <algorithm>

#include <spdlog/spdlog.h>

#include "agent/plan/drift.hpp"
#include "agent/plan/plan.hpp"
#include "agent/plan/retry.hpp"
#include "agent/work/local_rights.hpp"
#include "agent/work/look.hpp"
#include "agent/work/run_hooks.hpp"
#include "base/parallel.hpp"
#include "deployers/deployer.hpp"
#include "deployers/probe/look.hpp"

namespace agent {

using base::Result;
using deployers::DeploymentOutcome;

void note_outcome(Record& record, const std::string& name, const std::string& fingerprint,
                  const DeploymentOutcome& outcome, int wanted, Moment moment) {
    const auto [now, chance] = moment;
    TargetRecord& target = record.target_for(name);
    const bool is_unknown = outcome.error && outcome.error->code == base::Code::DeployOutcomeUnknown;
    const bool is_news = outcome.wrote || target.installed != wanted;
    if (!is_unknown) target.attempting = 0;
    // What is put there anew, or elsewhere, has no past of being put back.
    Drift drift = target.installed == wanted && target.fingerprint == fingerprint ? target.drift : Drift{};
    if (outcome.installed) {
        target.installed = wanted;
        target.fingerprint = fingerprint;
        if (is_news || !target.deployed_at) target.deployed_at = now;
    }
    if (!outcome.error && is_news)
        record.hooks.push_back({.event = "deployed", .target = name, .generation = wanted});
    if (!outcome.endpoints.empty()) note_verdicts(record, name, outcome.endpoints, now);
    if (!outcome.error && drift.seen_at) note_repair(drift, now);
    target.drift = std::move(drift);
    if (outcome.error) {
        const GenerationRecord* served = record.generation(target.serving);
        target.failure =
            count_failure(target.failure, *outcome.error, Effort::Deployment, now,
                          served == nullptr ? std::nullopt : std::optional(served->not_after), chance);
        if (target.failure->count == 1) {
            record.hooks.push_back({.event = "failed",
                                    .target = name,
                                    .generation = wanted,
                                    .error = std::string(base::to_string(outcome.error->code))});
        }
    } else {
        target.failure.reset();
    }
}

namespace {

class Deployment {
  public:
    Deployment(Surroundings& surroundings, const CertificateConfig& certificate, Keeper& keeper,
               bool also_what_is_well)
        : s_(surroundings),
          certificate_(certificate),
          keeper_(keeper),
          also_what_is_well_(also_what_is_well) {}

    Result<void> load() {
        const Record record = keeper_.record();
        wanted_ = TRY(s_.store.generation(certificate_.name, record.wanted()->number));
        expectation_ = expectation_of(record);
        for (const GenerationRecord& generation : record.generations) {
            if (generation.number == wanted_.number) continue;
            // One whose files are gone or damaged cannot be recognised on a host; that is all it costs.
            if (auto earlier = s_.store.generation(certificate_.name, generation.number))
                earlier_.push_back(std::move(*earlier));
        }
        return {};
    }

    Result<void> to(const TargetConfig& target) {
        const std::scoped_lock turn(s_.service_turn(target));
        const base::Anchors anchors = TRY(s_.anchors(certificate_, target.roots));
        if (already_serves(target, anchors)) return {};
        const DeploymentOutcome outcome = TRY(put_on(target, anchors));
        tell(target, outcome);
        s_.progress.step(certificate_.name, target.name,
                         outcome.served      ? "served"
                         : outcome.installed ? "installed"
                                             : "not installed");
        return keeper_.change([&](Record& record) {
            note_outcome(record, target.name, fingerprint(target), outcome, wanted_.number,
                         {.now = s_.clock.now(), .chance = s_.chance()});
        });
    }

  private:
    /// Where its hooks let it happen.
    Result<DeploymentOutcome> put_on(const TargetConfig& target, const base::Anchors& anchors) {
        auto allowed = ask_hooks(s_, certificate_, keeper_.record(), "before_deploy", target.name);
        if (!allowed) {
            base::Error error = std::move(allowed).error();
            error.message =
                certificate_.name + " on " + target.name + ": nothing was changed: " + error.message;
            return DeploymentOutcome{.error = std::move(error).during("deploy")};
        }
        TRY(keeper_.change(
            [&](Record& record) { record.target_for(target.name).attempting = wanted_.number; }));
        return transact(target, anchors);
    }

    void tell(const TargetConfig& target, const DeploymentOutcome& outcome) {
        std::string remarks;
        for (const std::string& remark : outcome.remarks) remarks += (remarks.empty() ? "" : "; ") + remark;
        if (!remarks.empty()) s_.log.info("{}", remarks);
        if (outcome.error) s_.log.warn("{}", outcome.error->message);
        s_.remember(certificate_.name, {.what = outcome.error ? "not_deployed" : "deployed",
                                        .generation = wanted_.number,
                                        .target = target.name,
                                        .text = remarks,
                                        .error = outcome.error});
    }

    /// What is in place and has meanwhile come to be served, by a reload of somebody else's, needs nothing
    /// from us.
    bool already_serves(const TargetConfig& target, const base::Anchors& anchors) {
        const Record record = keeper_.record();
        const TargetRecord* known = record.target(target.name);
        const bool is_in_place = known != nullptr && known->installed == wanted_.number &&
                                 known->attempting == 0 && known->fingerprint == fingerprint(target);
        if (!is_in_place || also_what_is_well_ || target.endpoints.empty()) return false;
        RightClock clock = s_.clock_for(record);
        const auto verdicts =
            deployers::look(target.endpoints, expectation_,
                            {.anchors = anchors, .clock = clock, .names = names_of_targets(s_)});
        if (!deployers::all_serving(verdicts)) return false;
        return keeper_
            .change([&](Record& changed) { note_verdicts(changed, target.name, verdicts, s_.clock.now()); })
            .has_value();
    }

    /// The generations that may be on the target now, or have to stay there: what it has, and the newest
    /// agent.keep.
    [[nodiscard]] std::vector<deployers::Generation> earlier_on(const TargetConfig& target) const {
        const Record record = keeper_.record();
        static const TargetRecord unknown;
        const TargetRecord* known = record.target(target.name);
        const TargetRecord& held = known == nullptr ? unknown : *known;
        std::vector<deployers::Generation> chosen;
        for (const deployers::Generation& generation : earlier_) {
            const int number = generation.number;
            const bool is_recent = number > wanted_.number - s_.config.agent.keep;
            if (is_recent || number == held.installed || number == held.serving) chosen.push_back(generation);
        }
        return chosen;
    }

    /// Until when an earlier generation may be put back: one that was revoked, never.
    [[nodiscard]] base::Instant end_of(const deployers::Generation& generation) const {
        const Record record = keeper_.record();
        const GenerationRecord* known = record.generation(generation.number);
        if (known != nullptr && known->revoked_at) return *known->revoked_at;
        return generation.chain.front().not_after();
    }

    DeploymentOutcome transact(const TargetConfig& target, const base::Anchors& anchors) {
        const deployers::Deployer* deployer = deployers::find_deployer(target.deployer);
        auto installation = deployer->plan(wanted_, earlier_on(target), target.parameters);
        if (!installation) return {.error = std::move(installation).error().during("deploy")};
        const auto host = s_.host(target);
        deployers::DeploymentRequest request{.wanted = &wanted_,
                                             .earlier = expectation_.earlier,
                                             .installation = std::move(*installation),
                                             .endpoints = target.endpoints,
                                             .anchors = &anchors,
                                             .names = names_of_targets(s_),
                                             .verify_for = target.verify_for};
        if (!earlier_.empty()) request.earlier_not_after = end_of(earlier_.back());
        request.progress = [&](std::string_view step, std::string_view detail) {
            s_.progress.step(certificate_.name, target.name,
                             std::string(step) + (detail.empty() ? "" : " ") + std::string(detail));
        };
        RightClock clock = s_.clock_for(keeper_.record());
        DeploymentOutcome outcome = deployers::deploy(request, *host, clock);
        if (outcome.error)
            outcome.error = with_rights_explained(s_.config, target, std::move(*outcome.error));
        return outcome;
    }

    Surroundings& s_;
    const CertificateConfig& certificate_;
    Keeper& keeper_;
    bool also_what_is_well_;
    deployers::Generation wanted_;
    std::vector<deployers::Generation> earlier_;
    deployers::Expectation expectation_;
};

}  // namespace

Result<void> deploy(Surroundings& s, const CertificateConfig& certificate, Keeper& keeper,
                    const std::vector<std::string>& targets, bool also_what_is_well) {
    Deployment deployment(s, certificate, keeper, also_what_is_well);
    TRY(deployment.load());
    std::vector<const TargetConfig*> chosen;
    for (const TargetConfig& target : certificate.targets) {
        if (std::ranges::find(targets, target.name) != targets.end()) chosen.push_back(&target);
    }
    std::vector<Result<void>> results(chosen.size());
    base::in_parallel(chosen.size(), s.config.agent.host_jobs,
                      [&](std::size_t i) { results[i] = deployment.to(*chosen[i]); });
    for (Result<void>& result : results) TRY(std::move(result));
    return {};
}

}  // namespace agent
