// SPDX-License-Identifier: Apache-2.0
#include "agent/work/deploy.hpp"

#include <algorithm>
#include <mutex>
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
               const DeploymentWish& wish, Errand& errand)
        : s_(surroundings),
          certificate_(certificate),
          keeper_(keeper),
          errand_(errand),
          also_what_is_well_(wish.also_what_is_well),
          places_to_ask_(places_for_hooks(surroundings, certificate, kAsked)) {}

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

    /// Those of one service, one after the other.
    Result<void> to_all(const std::vector<const TargetConfig*>& targets, const Places& places) {
        Turns::Turn turn;
        for (const TargetConfig* target : targets) TRY(to(*target, places, turn));
        return {};
    }

    [[nodiscard]] const std::set<std::string>& left_alone() const { return left_alone_; }

  private:
    static constexpr const char* kAsked = "before_deploy";

    /// In its service's turn, which is kept for the next one.
    Result<void> to(const TargetConfig& target, const Places& places, Turns::Turn& turn) {
        if (!take(turn, places)) return leave_alone(target);
        const base::Anchors anchors = TRY(s_.anchors(certificate_, keeper_.record(), target.roots));
        if (already_serves(target, anchors)) return {};
        if (!is_allowed(target)) {
            turn.reset();  // somebody's program may hang, and others want to work at the service
            auto asked = ask(target);
            if (!asked) return note(target, {.error = std::move(asked).error()});
            if (!*asked) return leave_alone(target);
            if (!take(turn, places)) {
                s_.permissions.give(what_is_asked(target), s_.clock.steady());
                return leave_alone(target);
            }
        }
        TRY(keeper_.change(
            [&](Record& record) { record.target_for(target.name).attempting = wanted_.number; }));
        return note(target, transact(target, anchors));
    }

    bool take(Turns::Turn& turn, const Places& places) {
        if (!turn) turn = errand_.take(places);
        return turn != nullptr;
    }

    Result<void> leave_alone(const TargetConfig& target) {
        const std::scoped_lock guard(mutex_);
        left_alone_.insert(target.name);
        return {};
    }

    [[nodiscard]] std::string what_is_asked(const TargetConfig& target) const {
        return certificate_.name + "\n" + target.name + "\n" + std::to_string(wanted_.number);
    }

    /// By its hooks, in an earlier run that got no turn then; or it has none.
    [[nodiscard]] bool is_allowed(const TargetConfig& target) {
        return places_to_ask_.empty() || s_.permissions.use(what_is_asked(target), s_.clock.steady());
    }

    /// Its hooks, whether it may be done. False: there was no turn for them.
    Result<bool> ask(const TargetConfig& target) {
        const Turns::Turn turn = errand_.take(places_to_ask_);
        if (!turn) return false;
        auto allowed = ask_hooks(s_, certificate_, keeper_.record(), kAsked, target.name);
        if (!allowed) {
            base::Error error = std::move(allowed).error();
            error.message =
                certificate_.name + " on " + target.name + ": nothing was changed: " + error.message;
            return tl::make_unexpected(std::move(error).during("deploy"));
        }
        return true;
    }

    Result<void> note(const TargetConfig& target, const DeploymentOutcome& outcome) {
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
        RightClock clock = s_.clock_to_deploy_by(record);
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
        RightClock clock = s_.clock_to_deploy_by(keeper_.record());
        DeploymentOutcome outcome = deployers::deploy(request, *host, clock);
        if (outcome.error)
            outcome.error = with_rights_explained(s_.config, target, std::move(*outcome.error));
        return outcome;
    }

    Surroundings& s_;
    const CertificateConfig& certificate_;
    Keeper& keeper_;
    Errand& errand_;
    const bool also_what_is_well_;
    const Places places_to_ask_;
    std::mutex mutex_;
    std::set<std::string> left_alone_;  // under mutex_
    deployers::Generation wanted_;
    std::vector<deployers::Generation> earlier_;
    deployers::Expectation expectation_;
};

}  // namespace

Result<std::set<std::string>> deploy(Surroundings& s, const CertificateConfig& certificate, Keeper& keeper,
                                     const DeploymentWish& wish, Errand& errand) {
    Deployment deployment(s, certificate, keeper, wish, errand);
    TRY(deployment.load());

    struct Service {
        Places places{};
        std::vector<const TargetConfig*> targets{};
        Result<void> result{};
    };

    std::vector<Service> services;
    for (const TargetConfig& target : certificate.targets) {
        if (std::ranges::find(wish.targets, target.name) == wish.targets.end()) continue;
        const Places places = places_to_deploy(s.config.agent, target);
        auto service = std::ranges::find(services, places, &Service::places);
        if (service == services.end()) service = services.insert(service, {.places = places});
        service->targets.push_back(&target);
    }
    base::in_parallel(services.size(), s.config.agent.host_jobs, [&](std::size_t i) {
        services[i].result = deployment.to_all(services[i].targets, services[i].places);
    });
    for (Service& service : services) TRY(std::move(service.result));
    return deployment.left_alone();
}

}  // namespace agent
