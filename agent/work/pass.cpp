// SPDX-License-Identifier: Apache-2.0
#include "agent/work/pass.hpp"

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <set>

#include <spdlog/spdlog.h>

#include "agent/plan/agenda.hpp"
#include "agent/plan/keeping.hpp"
#include "agent/tell/status.hpp"
#include "agent/work/ca_work.hpp"
#include "agent/work/deploy.hpp"
#include "agent/work/findings.hpp"
#include "agent/work/in_turn.hpp"
#include "agent/work/look.hpp"
#include "agent/work/outlook.hpp"
#include "agent/work/run_hooks.hpp"
#include "base/parallel.hpp"

namespace agent {

using base::Result;

namespace {

/// What there was no turn for, beside what is to be done at a CA.
struct TurnedAway {
    bool at_names = false;  // they are judged when all targets are done
    bool at_hooks = false;  // of what has happened
    std::set<std::string> targets{};
};

/// What is not done again for this generation in this pass, well or not.
struct Done {
    bool at_names = false;
    std::set<std::string> deployed{};
    std::set<std::string> looked_at{};
};

/// The work on one certificate in one pass. Each kind of work is done at most once, in however many runs:
/// what fails waits for a later pass.
class Pass {
  public:
    Pass(Surroundings& surroundings, const CertificateConfig& certificate, const PassOptions& options)
        : s_(surroundings),
          certificate_(certificate),
          options_(options),
          outlook_(surroundings, certificate, options),
          at_ca_(surroundings, certificate, options, outlook_, outcome_) {}

    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;
    ~Pass() = default;

    /// Is there anything to do? Mostly not, and that costs one look into the store and no lease.
    bool look() {
        outcome_.name = certificate_.name;
        bool is_due = false;
        unless_it_throws([&]() -> Result<void> {
            is_due = TRY(judge());
            return {};
        });
        return is_due;
    }

    /// What is not done for want of a turn stands in outcome().waits_for; then it is to be run again.
    void run(Turns::Turn turn) {
        errand_ = std::make_unique<Errand>(*s_.turns, std::move(turn));
        turned_away_ = {};
        unless_it_throws([this]() -> Result<void> {
            TRY(work());
            outcome_.waits_for = errand_->missed();
            return {};
        });
        if (outcome_.error) {
            outcome_.waits_for.clear();
            outcome_.gate.reset();
            outcome_.is_wish_left = false;
        }
        if (outcome_.waits_for.empty()) {
            s_.progress.finish(certificate_.name, ending());
        } else {
            s_.progress.step(certificate_.name, "waiting", "for its turn");
        }
        errand_.reset();
        keeper_.reset();
        is_again_ = true;
    }

    [[nodiscard]] CertificateOutcome& outcome() { return outcome_; }

  private:
    /// A bug that one certificate brings to light is its own trouble: the others go on.
    void unless_it_throws(const std::function<Result<void>()>& work) {
        try {
            auto result = work();
            if (!result) outcome_.error = std::move(result).error();
        } catch (const std::exception& bug) {
            outcome_.error = error_of_bug(bug);
        }
    }

    Result<bool> judge() {
        const auto known = TRY(s_.store.load(certificate_.name));
        const Record record = known.value_or(Record{.name = certificate_.name, .first_seen = s_.clock.now()});
        if (options_.may_renew) outlook_.ask_for_time(record);
        const bool is_damaged = !s_.store.findings(certificate_.name).empty();
        TRY(outlook_.judge_force(record));
        const Plan first = TRY(outlook_.plan_for(record));
        const bool is_due_at_ca = at_ca_.judge(first);
        note_hold(first);
        outcome_.gate = outlook_.gate();
        outcome_.is_wish_left = outlook_.hold().has_value();
        note_next(first, record);
        return options_.revocation || is_damaged || is_due_at_ca || has_work_at_targets(first);
    }

    Result<void> work() {
        keeper_ = TRY(open_in_turn(s_, certificate_.name, options_.wait));
        TRY(tell_findings(s_, certificate_.name, *keeper_));
        if (options_.revocation) TRY(want_revoked(s_, certificate_, *keeper_, *options_.revocation));
        at_ca_.begin(*keeper_, *errand_);
        TRY(at_ca_.revoke_and_ask());
        if (TRY(at_ca_.order())) done_ = {};
        if (keeper_->record().wanted() != nullptr) {
            // What a look finds drifted is repaired in the same pass; the public names are judged when all
            // targets are done.
            TRY(look_at_due_targets());
            TRY(deploy_what_is_due());
            TRY(look_at_public_names_if_due());
            TRY(raise_served(s_, certificate_, *keeper_));
            TRY(at_ca_.revoke_replaced());
        }
        if (!is_again_) TRY(at_ca_.clean_up());
        TRY(raise_expiring(s_, certificate_, *keeper_));
        turned_away_.at_hooks = !TRY(
            run_due_hooks(s_, certificate_, *keeper_, options_.wishes.is_eager() && !is_again_, *errand_));
        TRY(note_what_is_left());
        return prune();
    }

    /// What has been tried is not wanted any more: it is due again when it would be by itself.
    Result<void> note_what_is_left() {
        const Record record = keeper_->record();
        const bool is_tried = at_ca_.has_tried_to_order();
        const Plan wished = TRY(plan_again());
        note_hold(wished);
        outcome_.gate = outlook_.gate();
        outcome_.is_wish_left = !is_tried && (outlook_.hold() || !errand_->missed().empty());
        Plan left = options_.wishes == Wishes{} ? wished : TRY(outlook_.unasked_plan_for(record));
        if (is_tried) {
            outcome_.gate = outlook_.gate();
        } else {
            left.renewal = wished.renewal;
        }
        note_next(left, record);
        return {};
    }

    Result<Plan> plan_again() { return outlook_.plan_for(keeper_->record()); }

    [[nodiscard]] bool has_work_at_targets(const Plan& plan) const {
        const base::Instant now = s_.clock.now();
        return !chosen(plan, TargetAction::Deploy).empty() || !chosen(plan, TargetAction::Look).empty() ||
               (plan.look_at && *plan.look_at <= now) || (plan.hooks_at && *plan.hooks_at <= now) ||
               (plan.warn_at && *plan.warn_at <= now);
    }

    void note_next(const Plan& plan, const Record& record) {
        outcome_.next = next_by_itself(plan, record);
        outcome_.pressing_at = pressing_at(record, s_.clock.now());
    }

    /// When something is due that waits for no turn and stands at no gate: of those, whoever hands out the
    /// work knows.
    [[nodiscard]] base::Instant next_by_itself(Plan plan, const Record& record) const {
        at_ca_.drop_what_waits(plan, record);
        for (TargetPlan& target : plan.targets) {
            if (turned_away_.targets.contains(target.target)) target.at.reset();
        }
        if (turned_away_.at_names) plan.look_at.reset();
        if (turned_away_.at_hooks) plan.hooks_at.reset();
        return plan.next();
    }

    [[nodiscard]] bool is_asked_for(const std::string& target) const {
        const auto& only = options_.only_targets;
        return only.empty() || std::ranges::find(only, target) != only.end();
    }

    void note_hold(const Plan& plan) {
        outcome_.hold.reset();
        if (!options_.may_deploy) return;
        for (const TargetPlan& target : plan.targets) {
            if (!target.held || !is_asked_for(target.target) || outcome_.hold) continue;
            outcome_.hold = target.held;
            outcome_.held_target = target.target;
        }
    }

    /// The targets this action is due for, among those asked for.
    [[nodiscard]] std::vector<std::string> chosen(const Plan& plan, TargetAction action) const {
        std::vector<std::string> names;
        for (const TargetPlan* target : plan.due(action, s_.clock.now())) {
            if (is_asked_for(target->target)) names.push_back(target->target);
        }
        if (action == TargetAction::Deploy && !options_.may_deploy) names.clear();
        const auto& done = action == TargetAction::Deploy ? done_.deployed : done_.looked_at;
        std::erase_if(names, [&](const std::string& name) { return done.contains(name); });
        return names;
    }

    Result<void> deploy_what_is_due() {
        const std::vector<std::string> targets = chosen(TRY(plan_again()), TargetAction::Deploy);
        if (s_.stopping || targets.empty()) return {};
        outcome_.has_worked = true;
        const DeploymentWish wish{.targets = targets, .also_what_is_well = options_.wishes.deploy_again};
        done_.deployed.insert(targets.begin(), targets.end());
        const std::set<std::string> left = TRY(deploy(s_, certificate_, *keeper_, wish, *errand_));
        for (const std::string& target : left) done_.deployed.erase(target);
        turned_away_.targets.insert(left.begin(), left.end());
        return {};
    }

    Result<void> look_at_due_targets() {
        std::vector<std::string> targets = chosen(TRY(plan_again()), TargetAction::Look);
        if (s_.stopping || targets.empty()) return {};
        std::map<Places, Turns::Turn> turns;
        for (const TargetConfig& target : certificate_.targets) {
            if (std::ranges::find(targets, target.name) == targets.end()) continue;
            const Places places = places_to_look(s_.config.agent, target);
            const auto [turn, is_new] = turns.try_emplace(places);
            if (is_new) turn->second = errand_->take(places);
            if (turn->second) continue;
            std::erase(targets, target.name);
            turned_away_.targets.insert(target.name);
        }
        if (targets.empty()) return {};
        done_.looked_at.insert(targets.begin(), targets.end());
        return look_at_targets(s_, certificate_, *keeper_, targets);
    }

    Result<void> look_at_public_names_if_due() {
        const Plan now_due = TRY(plan_again());
        if (done_.at_names || !now_due.look_at || *now_due.look_at > s_.clock.now()) return {};
        Turns::Turn turn;
        if (turned_away_.targets.empty()) turn = errand_->take(places_to_look_at_names(s_.config.agent));
        turned_away_.at_names = turn == nullptr;
        if (!turn) return {};
        done_.at_names = true;
        return look_at_certificate(s_, certificate_, *keeper_);
    }

    /// What nobody needs any more goes, the record's word for it first.
    Result<void> prune() {
        const Record record = keeper_->record();
        const std::vector<int> kept = generations_to_keep(certificate_, record, s_.config.agent.keep);
        Record left = record;
        let_go(certificate_, left, kept);
        if (left == record) return {};
        TRY(keeper_->change([&](Record& changed) { let_go(certificate_, changed, kept); }));
        if (left.generations.size() == record.generations.size()) return {};
        return s_.store.prune(certificate_.name, kept);
    }

    [[nodiscard]] std::string ending() const {
        if (!keeper_) return {};
        const Record record = keeper_->record();
        if (record.issuance) return "not renewed";
        const CertificateStatus status = status_of(certificate_, record, /*has_open_order=*/false,
                                                   s_.config.agent.verify_every, s_.clock.now());
        const Served& served = status.served;
        if (served.expected == 0) return "nobody looks";
        return "served by " + std::to_string(served.serving) + "/" + std::to_string(served.expected) +
               (served.expected == 1 ? " address" : " addresses");
    }

    Surroundings& s_;
    const CertificateConfig& certificate_;
    const PassOptions& options_;
    CertificateOutcome outcome_{};
    Outlook outlook_;
    CaWork at_ca_;
    std::unique_ptr<Keeper> keeper_;
    std::unique_ptr<Errand> errand_;
    TurnedAway turned_away_{};  // in this run
    Done done_{};               // in this run or one before
    bool is_again_ = false;     // not the first run
};

}  // namespace

bool is_let_down_by_the_state(const CertificateOutcome& outcome) {
    return outcome.error && outcome.error->code != base::Code::StateLocked &&
           base::to_string(outcome.error->code).starts_with("state/");
}

base::Error error_of_bug(const std::exception& bug) {
    return {.code = base::Code::InternalUnexpected,
            .message = "something that renewd does not expect: " + std::string(bug.what()) +
                       "; it is tried again later",
            .hint = "this is a bug in renewd: please report it with this line"};
}

CertificateOutcome judge_only(Surroundings& s, const CertificateConfig& certificate,
                              const PassOptions& options) {
    Pass pass(s, certificate, options);
    if (pass.look()) pass.outcome().next = base::Instant{};
    return std::move(pass.outcome());
}

CertificateOutcome run_pass_on(Surroundings& s, const CertificateConfig& certificate,
                               const PassOptions& options, Turns::Turn turn) {
    Pass pass(s, certificate, options);
    if (pass.look()) pass.run(std::move(turn));
    return std::move(pass.outcome());
}

std::vector<CertificateOutcome> run_pass(Surroundings& s, const std::vector<std::string>& certificates,
                                         const PassOptions& options) {
    std::deque<Pass> passes;
    for (const std::string& name : certificates)
        passes.emplace_back(s, s.config.certificates.at(name), options);
    std::vector<char> is_due(passes.size());  // bytes of their own: each thread writes another one
    base::in_parallel(passes.size(), s.config.agent.jobs,
                      [&](std::size_t i) { is_due[i] = passes[i].look() ? 1 : 0; });
    std::vector<std::size_t> line;
    std::vector<base::Instant> pressing_at;
    for (std::size_t i = 0; i < passes.size(); ++i) {
        if (is_due[i] == 0) continue;
        line.push_back(i);
        pressing_at.push_back(passes[i].outcome().pressing_at.value_or(kNotKnown));
    }
    in_turns(*s.turns, s.config.agent.jobs, pressing_at, [&](std::size_t i, Turns::Turn turn) {
        passes[line[i]].run(std::move(turn));
        return passes[line[i]].outcome().waits_for;
    });
    std::vector<CertificateOutcome> outcomes;
    outcomes.reserve(passes.size());
    for (Pass& pass : passes) outcomes.push_back(std::move(pass.outcome()));
    return outcomes;
}

}  // namespace agent
