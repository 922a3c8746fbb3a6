// SPDX-License-Identifier: Apache-2.0
#include "agent/work/deploy.hpp"

#include <algorithm>
#include <utility>

#include <spdlog/spdlog.h>

#include "agent/plan/drift.hpp"
#include "agent/plan/plan.hpp"
#include "agent/plan/retry.hpp"
#include "agent/work/local_rights.hpp"
#include "agent/work/look.hpp"
#include "agent/work/run_hooks.hpp"
#include "base/parallel.hpp"
#include "deployers/deployer.hpp"
#include "deployers/limits.hpp"
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
            count_failure(target.failure, *outcome.error,
                          {.effort = Effort::Deployment,
                           .now = now,
                           .expiry = served == nullptr ? std::nullopt : std::optional(served->not_after),
                           .chance = chance});
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

std::vector<int> earlier_on_target(std::vector<int> earlier, const TargetRecord& held, int wanted, int keep) {
    constexpr std::size_t kMost = deployers::kListMax - 1;
    const auto is_held = [&](int number) { return number == held.installed || number == held.serving; };
    std::erase_if(earlier, [&](int number) { return number <= wanted - keep && !is_held(number); });
    std::ranges::sort(earlier);
    std::size_t too_many = earlier.size() - std::min(earlier.size(), kMost);
    std::erase_if(earlier, [&](int number) {
        if (too_many == 0 || is_held(number)) return false;
        too_many -= 1;
        return true;
    });
    return earlier;
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

    [[nodiscard]] std::vector<deployers::Generation> earlier_on(const TargetConfig& target) const {
        const Record record = keeper_.record();
        static const TargetRecord unknown;
        const TargetRecord* known = record.target(target.name);
        std::vector<int> numbers;
        numbers.reserve(earlier_.size());
        for (const deployers::Generation& generation : earlier_) numbers.push_back(generation.number);
        numbers = earlier_on_target(std::move(numbers), known == nullptr ? unknown : *known, wanted_.number,
                                    s_.config.agent.keep);
        std::vector<deployers::Generation> chosen;
        for (const deployers::Generation& generation : earlier_) {
            if (std::ranges::find(numbers, generation.number) != numbers.end()) chosen.push_back(generation);
        }
        return chosen;
    }

    [[nodiscard]] std::vector<std::string> revoked() const {
        std::vector<std::string> leaves;
        for (const GenerationRecord& generation : keeper_.record().generations)
            if (generation.revoked_at) leaves.push_back(generation.sha256);
        return leaves;
    }

    DeploymentOutcome transact(const TargetConfig& target, const base::Anchors& anchors) {
        const deployers::Deployer* deployer = deployers::find_deployer(target.deployer);
        auto installation = deployer->plan(wanted_, earlier_on(target), target.parameters);
        if (!installation) return {.error = std::move(installation).error().during("deploy")};
        const auto host = s_.host(target);
        deployers::DeploymentRequest request{.wanted = &wanted_,
                                             .earlier = expectation_.earlier,
                                             .revoked = revoked(),
                                             .installation = std::move(*installation),
                                             .endpoints = target.endpoints,
                                             .anchors = &anchors,
                                             .names = names_of_targets(s_),
                                             .verify_for = target.verify_for};
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

Result<std::vector<std::string>> deploy(Surroundings& s, const CertificateConfig& certificate, Keeper& keeper,
                                        const DeploymentWish& wish, Errand& errand) {
    Deployment deployment(s, certificate, keeper, wish.also_what_is_well);
    TRY(deployment.load());

    // Those of one service come one after the other, in one turn.
    struct Group {
        Places places{};
        std::vector<const TargetConfig*> targets{};
        bool is_turned_away = false;
        Result<void> result{};
    };

    std::vector<Group> groups;
    for (const TargetConfig& target : certificate.targets) {
        if (std::ranges::find(wish.targets, target.name) == wish.targets.end()) continue;
        const Places places = places_to_deploy(s.config.agent, target);
        auto group = std::ranges::find(groups, places, &Group::places);
        if (group == groups.end()) group = groups.insert(group, {.places = places});
        group->targets.push_back(&target);
    }
    base::in_parallel(groups.size(), s.config.agent.host_jobs, [&](std::size_t i) {
        Group& group = groups[i];
        const Turns::Turn turn = errand.take(group.places);
        group.is_turned_away = turn == nullptr;
        for (const TargetConfig* target : group.targets) {
            if (turn && group.result) group.result = deployment.to(*target);
        }
    });
    std::vector<std::string> turned_away;
    for (Group& group : groups) {
        TRY(std::move(group.result));
        for (const TargetConfig* target : group.targets) {
            if (group.is_turned_away) turned_away.push_back(target->name);
        }
    }
    return turned_away;
}

}  // namespace agent
