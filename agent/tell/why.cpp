// SPDX-License-Identifier: Apache-2.0
#include "agent/tell/why.hpp"

#include <algorithm>

#include "agent/plan/hold.hpp"
#include "agent/plan/revocation.hpp"
#include "agent/plan/standing.hpp"
#include "agent/tell/hold_words.hpp"
#include "agent/tell/status.hpp"
#include "agent/tell/words.hpp"

namespace agent {

using base::ErrorClass;
using base::Instant;

namespace {

/// What is left meanwhile, and how bad that is.
std::string still_words(const CertificateStatus& status, Instant now) {
    const GenerationRecord* wanted = status.record.wanted();
    if (wanted == nullptr) return "Nothing of it is served yet.";
    const Instant expiry = status.served.oldest_not_after.value_or(wanted->not_after);
    if (expiry <= now) return "What is served expired " + relative(expiry, now) + ".";
    const std::string left = "lasts " + duration_words(expiry - now) + " more.";
    const std::string which = "eneration " + std::to_string(wanted->number);
    const Served& served = status.served;
    if (served.expected == 0) return "G" + which + " " + left + " Nobody looks where it is served.";
    if (served.serving == served.expected)
        return "Nothing is broken yet: g" + which + " is served everywhere and " + left;
    return std::to_string(served.serving) + " of " + std::to_string(served.expected) + " addresses serve g" +
           which + "; what is served " + left;
}

std::vector<std::string> targets_to_go(const CertificateStatus& status, bool that_failed) {
    std::vector<std::string> names;
    for (const TargetStatus& target : status.targets) {
        const bool is_chosen = !that_failed || target.record.failure;
        if (is_chosen && target.record.installed != target.wanted) names.push_back(target.config->name);
    }
    return names;
}

std::string sentence_without_trouble(const CertificateStatus& status, Instant now) {
    const std::string& name = status.record.name;
    const GenerationRecord& wanted = *status.record.wanted();
    if (const auto to_go = targets_to_go(status, /*that_failed=*/false); !to_go.empty())
        return "Generation " + std::to_string(wanted.number) + " of " + name +
               " is issued, and is to be deployed to " + listed(to_go) + ".";
    if (status.plan.renewal_due(now)) return name + " is due for renewal. " + still_words(status, now);
    const Served& served = status.served;
    const std::string places = served.expected == 0
                                   ? "Nobody looks where it is served."
                                   : "It is served by " + std::to_string(served.serving) + "/" +
                                         std::to_string(served.expected) + " addresses.";
    return name + " renews " + when_words(status.plan.renewal.at, now) + ". " + places;
}

std::string sentence_of(const CertificateStatus& status, Instant now) {
    const Record& record = status.record;
    const GenerationRecord* wanted = record.wanted();
    if (status.config == nullptr) {
        const std::string end = wanted == nullptr
                                    ? ""
                                    : " Its last generation " +
                                          std::string(wanted->not_after <= now ? "expired " : "expires ") +
                                          relative(wanted->not_after, now) + ".";
        return record.name + " is no longer in the configuration: it is neither renewed nor deployed." + end;
    }
    if (record.issuance) {
        const char* what = wanted == nullptr ? " cannot be issued. " : " cannot be renewed. ";
        return record.name + what + still_words(status, now);
    }
    if (wanted == nullptr) return record.name + " has never been issued.";
    const std::string generation = "Generation " + std::to_string(wanted->number) + " of " + record.name;
    if (wanted->revoked_at) return generation + " has been revoked and not replaced yet.";
    if (const auto failed = targets_to_go(status, /*that_failed=*/true); !failed.empty())
        return generation + " is issued, but not deployed to " + listed(failed) + ". " +
               still_words(status, now);
    if (const Hold* hold = status.plan.held())
        return generation + " is issued, and its deployment is " + brief_hold(*hold, now) + ". " +
               still_words(status, now);
    if (status.state == CertificateState::Unserved)
        return generation + " is deployed, but not seen served everywhere. " + still_words(status, now);
    return sentence_without_trouble(status, now);
}

/// The hint, and the command that does at once what is otherwise done by itself.
std::string to_do(const base::Error& error, const std::string& command) {
    if (error.hint.find("renewd ") != std::string::npos) return error.hint;
    if (!error.hint.empty()) return error.hint + ", then  " + command;
    switch (base::class_of(error.code)) {
        case ErrorClass::RateLimited:
            return "nothing: it is tried again by itself once the CA allows it";
        case ErrorClass::Transient:
        case ErrorClass::Conflict:
            return "nothing: it is tried again by itself; at once with  " + command;
        default:
            return "mend that, then  " + command;
    }
}

class Explainer {
  public:
    Explainer(const CertificateStatus& status, Instant now) : status_(status), now_(now) {}

    Explanation explain() && {
        said_.name = status_.record.name;
        said_.state = status_.state;
        said_.sentence = sentence_of(status_, now_);
        if (status_.config == nullptr) {
            for (const Condition& condition : status_.conditions) add("owes", condition.message);
            add("do", "nothing; to drop it, with its keys and its history:  renewd forget " + said_.name);
            return std::move(said_);
        }
        said_.reason = status_.plan.renewal.reason;
        add_changes();
        add_next();
        add_holds();
        add_second_ca();
        add_routine();
        add_revocations();
        add_obstacles();
        if (said_.obstacles.empty()) add_to_do();
        return std::move(said_);
    }

  private:
    void add_changes() {
        const GenerationRecord* wanted = status_.record.wanted();
        if (wanted == nullptr) return;
        said_.changes =
            changes_between(wanted->ordered_for, wanted_instead(*status_.config, wanted->ordered_for));
    }

    void offer(const char* action, std::optional<Instant> at) {
        if (!at) return;
        at = std::max(*at, now_);
        if (said_.at && *said_.at <= *at) return;
        said_.action = action;
        said_.at = at;
    }

    /// The order of the offers decides between equals: a deployment comes after an order, and before hooks.
    void add_next() {
        const Plan& plan = status_.plan;
        offer("renew", plan.renewal.held_until.value_or(plan.renewal.at));
        for (const TargetPlan& target : plan.targets) {
            if (target.action == TargetAction::Deploy) offer("deploy", target.at);
            if (target.held) offer("deploy", target.held->over_at());
        }
        offer("run_hooks", plan.hooks_at);
        offer("revoke", plan.revoke_at);
        add("renewal", when_words(plan.renewal.held_until.value_or(plan.renewal.at), now_));
        add("reason", reason_words(status_, now_));
        if (status_.held) add("held", status_.held->reason);
        for (const TargetPlan& target : plan.targets) {
            if (target.action == TargetAction::Deploy && target.at)
                add("deployment", target.target + ", " + when_words(*target.at, now_));
        }
        if (plan.hooks_at) add("hooks", listed(pending_hooks()) + ", " + when_words(*plan.hooks_at, now_));
    }

    void add_holds() {
        if (is_paused(status_.record, now_) && status_.plan.held() == nullptr)
            add("deploying", "is " + pause_words(*status_.record.pause) + "; nothing is held back yet");
        for (const TargetPlan& target : status_.plan.targets) {
            if (!target.held) continue;
            const std::string end = hold_end_words(*target.held, status_.config->window_ends_at);
            add("held",
                target.target + " is " + hold_words(*target.held, now_) + (end.empty() ? "" : "; ") + end);
        }
    }

    [[nodiscard]] std::vector<std::string> pending_hooks() const {
        std::vector<std::string> names;
        names.reserve(status_.record.hooks.size());
        for (const PendingHook& hook : status_.record.hooks)
            names.push_back(hook.event + (hook.target.empty() ? "" : " of " + hook.target));
        return names;
    }

    void add_second_ca() {
        const std::vector<std::string>& cas = status_.config->ca;
        const GenerationRecord* wanted = status_.record.wanted();
        if (wanted != nullptr && wanted->ordered_for.ca != cas.front())
            add("issued by", wanted->ordered_for.ca + "; the next order goes to " + cas.front() + " first");
        const auto& failure = status_.record.issuance;
        if (!failure || cas.size() < 2) return;
        const std::string others = listed({cas.begin() + 1, cas.end()});
        if (failure->error.code == base::Code::CaOrderPending) {
            add("second CA", others +
                                 ": asked with less than a quarter of the lifetime left, or after a day of "
                                 "this where nothing is held yet; the order is gone on with meanwhile");
        } else if (!is_of_the_ca(failure->error)) {
            add("second CA", others + ": not asked, this is no trouble of " + cas.front() + "'s own");
        } else if (may_ask_another_ca(*status_.config, status_.record, failure->error,
                                      status_.record.ca_failures, now_)) {
            add("second CA", others + ": asked as well, from now on");
        } else {
            add("second CA", others + ": asked after 3 failures that are " + cas.front() + "'s own (" +
                                 std::to_string(status_.record.ca_failures) +
                                 " so far), or with less than a quarter of the lifetime left");
        }
    }

    /// Looks and questions change nothing: they are told, not announced.
    void add_routine() {
        const Plan& plan = status_.plan;
        std::optional<Instant> look = plan.look_at;
        for (const TargetPlan& target : plan.targets) {
            if (target.action == TargetAction::Look && target.at)
                look = std::min(look.value_or(*target.at), *target.at);
        }
        if (look) add("looks", "again " + when_words(*look, now_));
        if (plan.ask_ca_at)
            add("asks", status_.record.wanted()->ordered_for.ca + " when to renew, " +
                            when_words(*plan.ask_ca_at, now_));
    }

    void add_revocations() {
        for (const Revocation& waiting : status_.record.revocations) {
            std::string text =
                "generation " + std::to_string(waiting.generation) + " (" + waiting.reason + ")";
            const auto places = places_of(*status_.config, status_.record, waiting.generation);
            text +=
                places.empty() ? ", once it has been replaced" : ", once it is gone from " + listed(places);
            if (waiting.not_later_than)
                text += "; at the latest " + when_words(*waiting.not_later_than, now_);
            add("revokes", text);
        }
    }

    void add_obstacles() {
        const Record& record = status_.record;
        if (status_.attention && status_.attention->error.code == base::Code::AgentOverdue) {
            const Attention& overdue = *status_.attention;
            said_.obstacles.push_back({.about = "agent",
                                       .error = overdue.error,
                                       .since = overdue.since,
                                       .to_do = overdue.error.hint});
        }
        if (record.issuance) add_failure("order", *record.issuance, "renewd renew " + record.name);
        for (const TargetStatus& target : status_.targets) {
            if (target.record.failure)
                add_failure("target " + target.config->name, *target.record.failure,
                            "renewd deploy " + record.name + " --target " + target.config->name);
        }
        add_public();
        add_records();
        for (const PendingHook& hook : record.hooks) {
            if (hook.failure) add_failure("hook " + hook.event, *hook.failure, "renewd renew " + record.name);
        }
        for (const Revocation& waiting : record.revocations) {
            if (waiting.failure)
                add_failure("revocation of generation " + std::to_string(waiting.generation),
                            *waiting.failure, "renewd renew " + record.name);
        }
    }

    /// With nothing in the way: what is due is done by the next run, or now.
    void add_to_do() {
        if (const Hold* hold = status_.plan.held()) {
            const bool is_paused = hold->by == HoldBy::Pause;
            add("do",
                (is_paused ? "renewd resume " + said_.name + "; only this once:  " : "nothing; at once:  ") +
                    std::string("renewd deploy ") + said_.name + " --now");
            return;
        }
        const bool is_due = said_.at && *said_.at <= now_;
        const std::string command = said_.action == "deploy" ? "renewd deploy " : "renewd renew ";
        add("do",
            is_due ? "nothing: the next run does it; at once with  " + command + said_.name : "nothing");
    }

    void add_failure(const std::string& about, const Failure& failure, const std::string& command) {
        said_.obstacles.push_back({.about = about,
                                   .error = failure.error,
                                   .count = failure.count,
                                   .since = failure.since,
                                   .next_attempt = failure.next_attempt,
                                   .to_do = to_do(failure.error, command)});
    }

    void add_public() {
        const auto error = public_error(status_.record);
        if (!error) return;
        said_.obstacles.push_back({.about = "public endpoints",
                                   .error = *error,
                                   .since = status_.record.endpoints_verified_at,
                                   .next_attempt = status_.plan.look_at,
                                   .to_do = error->hint});
    }

    void add_records() {
        const Record& record = status_.record;
        if (!status_.config->has_standing_records || !record.standing) return;
        if (record.standing->failure && !record.issuance)
            add_failure("record", *record.standing->failure, "renewd renew " + record.name);
        const auto ending = ending_record(*status_.config, record, now_);
        if (!ending) return;
        said_.obstacles.push_back({.about = "record",
                                   .error = ending->error,
                                   .since = ending->since,
                                   .next_attempt = status_.plan.records_at,
                                   .to_do = ending->error.hint});
    }

    void add(const char* about, std::string text) {
        said_.facts.push_back({.about = about, .text = std::move(text)});
    }

    const CertificateStatus& status_;
    Instant now_;
    Explanation said_;
};

}  // namespace

Explanation explain(const CertificateStatus& status, Instant now) {
    return Explainer(status, now).explain();
}

}  // namespace agent
