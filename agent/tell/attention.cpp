// SPDX-License-Identifier: Apache-2.0
#include "agent/tell/attention.hpp"

#include <algorithm>

#include "agent/plan/expiry.hpp"
#include "agent/plan/hold.hpp"
#include "agent/plan/overdue.hpp"
#include "agent/plan/standing.hpp"
#include "agent/tell/hold_words.hpp"
#include "agent/tell/status.hpp"
#include "agent/tell/words.hpp"

namespace agent {

using base::Code;
using base::Instant;
using deployers::AddressVerdict;
using deployers::EndpointVerdict;
using deployers::Verdict;
using namespace std::chrono_literals;

namespace {

constexpr int kFailuresToBother = 3;
constexpr base::Seconds kPatience = 6h;

bool is_running_out(const GenerationRecord& generation, Instant expiry, Instant now) {
    return generation.not_after - warning_time(generation, 1) > expiry - now;
}

/// A thing that fails needs a person once it has failed three times or for six hours; unserved past its
/// deadline, at once.
bool bothers(const Failure& failure, bool at_once, Instant now) {
    return at_once || failure.count >= kFailuresToBother || now - failure.since >= kPatience;
}

bool is_about_serving(const base::Error& error) {
    return base::to_string(error.code).starts_with("verify/") || error.code == Code::DeployNotRunning ||
           error.code == Code::DeployContested;
}

base::Error held_error(const CertificateStatus& status, const TargetStatus& target, Instant now) {
    const Hold& hold = *target.held;
    const std::string& name = status.config->name;
    const bool is_paused = hold.by == HoldBy::Pause;
    return {.code = Code::DeployHeld,
            .message = name + ": generation " + std::to_string(target.wanted) + " is not deployed to " +
                       target.config->name + " yet: " + hold_words(hold, now),
            .hint = (is_paused ? "renewd resume " + name + ", or only this once:  " : "at once:  ") +
                    "renewd deploy " + name + " --now",
            .step = "deploy"};
}

class Judge {
  public:
    Judge(CertificateStatus& status, Instant now) : status_(status), now_(now) {}

    void judge() {
        const Record& record = status_.record;
        if (record.issuance)
            note(*record.issuance, about_order(record.issuance->error),
                 /*at_once=*/record.issuance->error.code == Code::CaPaused);
        for (const TargetStatus& target : status_.targets) {
            if (target.record.failure)
                note(*target.record.failure,
                     target.config->host.empty() ? target.config->name : target.config->host,
                     is_about_serving(target.record.failure->error));
        }
        if (everything_installed()) note_public();
        for (const PendingHook& hook : record.hooks) {
            if (hook.failure) note(*hook.failure, hook.event, /*at_once=*/true);
        }
        for (const Residue& residue : record.residue) {
            if (residue.failure) note(*residue.failure, residue.solver, /*at_once=*/false);
        }
        for (const Revocation& waiting : record.revocations) {
            if (waiting.failure)
                note(*waiting.failure, about_order(waiting.failure->error), /*at_once=*/false);
        }
        note_records();
        note_holds();
        note_revoked();
        note_age();
    }

  private:
    /// What orders that fail alike have in common: the CA, or what it said.
    [[nodiscard]] std::string about_order(const base::Error& error) const {
        if (is_of_the_ca(error)) return status_.config->ca.front();
        return error.problem.substr(error.problem.rfind(':') + 1);
    }

    [[nodiscard]] bool everything_installed() const {
        return std::ranges::all_of(status_.targets, [](const TargetStatus& t) {
            return t.wanted != 0 && t.record.installed == t.wanted;
        });
    }

    void note(const Failure& failure, const std::string& about, bool at_once) {
        status_.conditions.push_back({.code = std::string(base::to_string(failure.error.code)),
                                      .since = failure.since,
                                      .message = failure.error.message,
                                      .hint = failure.error.hint});
        if (status_.attention || !bothers(failure, at_once, now_)) return;
        status_.attention = Attention{
            .since = failure.since,
            .cause = std::string(base::to_string(failure.error.code)) + (about.empty() ? "" : "/") + about,
            .error = failure.error};
    }

    /// What an order has failed for already is told as that. One that ends needs a person once the next
    /// renewal comes too late for it.
    void note_records() {
        const auto& standing = status_.record.standing;
        if (!status_.config->has_standing_records || !standing) return;
        const auto& order = status_.record.issuance;
        if (standing->failure && (!order || order->error.code != standing->failure->error.code))
            note(*standing->failure, "records", /*at_once=*/false);
        const auto ending = ending_record(*status_.config, status_.record, now_);
        if (!ending) return;
        Attention told{.since = ending->since, .cause = "solver/record-ends/records", .error = ending->error};
        if (standing->end->at <= status_.plan.renewal.at) return raise(std::move(told));
        add_condition(told);
    }

    /// A window opens by itself; a pause without an end waits for somebody.
    void note_holds() {
        if (is_paused(status_.record, now_) && status_.plan.held() == nullptr) {
            const Pause& pause = *status_.record.pause;
            status_.conditions.push_back(
                {.code = std::string(base::to_string(Code::DeployHeld)),
                 .since = pause.since,
                 .message = status_.config->name + ": " + pause_words(pause) + "; nothing is held back yet",
                 .hint = "renewd resume " + status_.config->name});
        }
        for (const TargetStatus& target : status_.targets) {
            if (!target.held) continue;
            base::Error error = held_error(status_, target, now_);
            const Instant since = target.held->by == HoldBy::Pause ? status_.record.pause->since
                                                                   : status_.record.wanted()->issued_at;
            status_.conditions.push_back({.code = std::string(base::to_string(error.code)),
                                          .since = since,
                                          .message = error.message,
                                          .hint = error.hint});
            if (status_.attention || !waits_for_resume(status_.plan)) continue;
            status_.attention =
                Attention{.since = since, .cause = "deploy/held/pause", .error = std::move(error)};
        }
    }

    void note_public() {
        auto error = public_error(status_.record);
        if (!error) return;
        const std::string& lines = error->message;
        const auto others = static_cast<std::size_t>(std::ranges::count(lines, '\n'));
        error->message = status_.config->name + ": " + lines.substr(0, lines.find('\n')) +
                         (others == 0 ? "" : " (and " + std::to_string(others) + " more)");
        note({.count = 1, .since = *status_.record.endpoints_verified_at, .error = *std::move(error)},
             "endpoints", /*at_once=*/true);
    }

    void add_condition(const Attention& told) {
        status_.conditions.push_back({.code = std::string(base::to_string(told.error.code)),
                                      .since = told.since,
                                      .message = told.error.message,
                                      .hint = told.error.hint});
    }

    /// A condition that needs a person from the start.
    void raise(Attention attention) {
        add_condition(attention);
        if (!status_.attention) status_.attention = std::move(attention);
    }

    /// What is wanted has been revoked, and nothing has taken its place yet.
    void note_revoked() {
        const GenerationRecord* wanted = status_.record.wanted();
        if (wanted == nullptr || !wanted->revoked_at) return;
        raise({.since = *wanted->revoked_at,
               .cause = "revoked",
               .error = {.code = Code::VerifyStale,
                         .message = status_.config->name + ": generation " + std::to_string(wanted->number) +
                                    " has been revoked and not replaced yet",
                         .hint = "renewd renew " + status_.config->name}});
        status_.attention->is_critical = true;
    }

    void note_age() {
        const GenerationRecord* wanted = status_.record.wanted();
        if (wanted == nullptr) {
            if (now_ - status_.record.first_seen < 1h) return;
            raise({.since = status_.record.first_seen,
                   .cause = "never_issued",
                   .error = {.code = Code::CaOrderPending,
                             .message = status_.config->name + " has never been issued",
                             .hint = "renewd renew " + status_.config->name}});
            return;
        }
        const Instant expiry = status_.served.oldest_not_after.value_or(wanted->not_after);
        if (!is_running_out(*wanted, expiry, now_)) return;
        const std::string when = expiry <= now_ ? "expired " : "expires ";
        raise(
            {.since = now_,
             .cause = "expiry",
             .error = {.code = Code::VerifyExpired,
                       .message = status_.config->name + ": what is served " + when + relative(expiry, now_),
                       .hint = "renewd renew " + status_.config->name}});
        status_.attention->is_critical = true;
    }

    CertificateStatus& status_;
    Instant now_;
};

}  // namespace

void judge_attention(CertificateStatus& status, Instant now) {
    Judge(status, now).judge();
}

void hold_for_clock(CertificateStatus& status, const base::Error& error, Instant now) {
    status.conditions.push_back({.code = std::string(base::to_string(error.code)),
                                 .since = now,
                                 .message = error.message,
                                 .hint = error.hint});
    if (!status.attention) status.attention = Attention{.since = now, .cause = "clock", .error = error};
}

void note_overdue(CertificateStatus& status, base::Seconds verify_every, Instant now) {
    const auto found = find_overdue(*status.config, status.record, status.plan, verify_every, now);
    if (!found) return;
    const std::string& name = status.config->name;
    base::Error error{
        .code = Code::AgentOverdue,
        .message = name + " should have been ",
        .hint = "see that the agent or its timer runs:  systemctl status renewd renewd-once.timer"};
    switch (found->work) {
        case OverdueWork::Renewal:
            error.message += "renewed";
            error.step = "order";
            break;
        case OverdueWork::Deployment:
            error.message += "deployed to " + found->target;
            error.step = "deploy";
            break;
        case OverdueWork::Look:
            error.message += "looked at on " + (found->target.empty() ? "its public names" : found->target);
            error.step = "verify";
            break;
    }
    error.message += " " + relative(found->since, now) + ", and nobody has tried";
    status.conditions.push_back({.code = std::string(base::to_string(error.code)),
                                 .since = found->since,
                                 .message = error.message,
                                 .hint = error.hint});
    if (!status.attention)
        status.attention = Attention{.since = found->since,
                                     .cause = std::string(base::to_string(error.code)),
                                     .error = std::move(error)};
}

std::optional<base::Error> public_error(const Record& record) {
    if (!record.endpoints_verified_at) return std::nullopt;
    auto error = deployers::error_of(record.endpoints, record.name);
    if (!error) return std::nullopt;
    std::vector<std::string> lines;
    for (const EndpointVerdict& endpoint : record.endpoints) {
        if (endpoint.addresses.empty()) lines.push_back(endpoint.endpoint + " does not resolve");
        for (const AddressVerdict& address : endpoint.addresses) {
            const bool is_elsewhere = address.verdict == Verdict::NotReachableFromHere &&
                                      endpoint.verdict != Verdict::NotReachableFromHere;
            if (address.verdict != Verdict::Serving && !is_elsewhere)
                lines.push_back(endpoint.endpoint + " at " + address.address + ": " + address.error);
        }
    }
    error->message.clear();
    for (const std::string& line : lines) error->message += (error->message.empty() ? "" : "\n") + line;
    error->hint =
        "find what answers there: no target of yours puts it there; look again with  renewd verify " +
        record.name;
    return error;
}

}  // namespace agent
