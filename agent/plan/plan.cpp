// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/plan.hpp"

#include <algorithm>

#include "agent/plan/drift.hpp"
#include "agent/plan/expiry.hpp"
#include "agent/plan/hold.hpp"
#include "agent/plan/retry.hpp"
#include "agent/plan/revocation.hpp"
#include "agent/plan/standing.hpp"
#include "agent/plan/suggestion.hpp"
#include "base/encoding.hpp"

namespace agent {

using base::Instant;
using base::Seconds;

std::string_view to_string(RenewalReason reason) {
    switch (reason) {
        case RenewalReason::NeverIssued:
            return "never_issued";
        case RenewalReason::Ari:
            return "ari";
        case RenewalReason::Lifetime:
            return "lifetime";
        case RenewalReason::Configured:
            return "configured";
        case RenewalReason::Forced:
            return "forced";
        case RenewalReason::ConfigChanged:
            return "config_changed";
        case RenewalReason::Revoked:
            return "revoked";
    }
    return "lifetime";
}

std::vector<const TargetPlan*> Plan::due(TargetAction action, Instant now) const {
    std::vector<const TargetPlan*> found;
    for (const TargetPlan& target : targets) {
        if (target.action == action && target.at && *target.at <= now) found.push_back(&target);
    }
    return found;
}

const Hold* Plan::held() const {
    const auto found = std::ranges::find_if(targets, [](const TargetPlan& t) { return t.held.has_value(); });
    return found == targets.end() ? nullptr : &*found->held;
}

Instant Plan::next() const {
    Instant earliest = renewal.held_until.value_or(renewal.at);
    for (const TargetPlan& target : targets) {
        earliest = std::min(earliest, target.at.value_or(earliest));
        if (target.held) earliest = std::min(earliest, target.held->over_at().value_or(earliest));
    }
    return std::min({earliest, ask_ca_at.value_or(earliest), clean_up_at.value_or(earliest),
                     look_at.value_or(earliest), revoke_at.value_or(earliest), hooks_at.value_or(earliest),
                     warn_at.value_or(earliest), records_at.value_or(earliest)});
}

OrderedFor wanted_order(const CertificateConfig& certificate, const std::string& ca) {
    const auto of_ca = [&](const std::map<std::string, std::string>& texts) {
        const auto found = texts.find(ca);
        return found == texts.end() ? std::string() : found->second;
    };
    OrderedFor wanted{.ca = ca,
                      .directory = of_ca(certificate.directories),
                      .cas = certificate.ca,
                      .key_type = std::string(base::to_string(certificate.key_type)),
                      .profile = of_ca(certificate.profiles)};
    if (certificate.request) {
        wanted.key_type = certificate.request->key_type;
        wanted.request_key = certificate.request->key_sha256();
    }
    wanted.names.reserve(certificate.names.size());
    for (const base::Identifier& name : certificate.names) wanted.names.push_back(name.value);
    std::ranges::sort(wanted.names);
    return wanted;
}

namespace {

/// Does the list still lead to where this was ordered? One that has only become longer, or lost what was not
/// asked, does.
bool is_list_as_good(const OrderedFor& before, const std::vector<std::string>& cas) {
    const auto holds = [&](const std::vector<std::string>& list) {
        return std::ranges::find(list, before.ca) != list.end();
    };
    if (cas.front() == before.ca) return true;
    const bool has_same_first = !before.cas.empty() && before.cas.front() == cas.front();
    return has_same_first && (holds(cas) || !holds(before.cas));
}

}  // namespace

OrderedFor wanted_instead(const CertificateConfig& certificate, const OrderedFor& before) {
    OrderedFor wanted = wanted_order(certificate, before.ca);
    if (before.directory.empty() || wanted.directory.empty()) wanted.directory = before.directory;
    if (is_list_as_good(before, certificate.ca)) wanted.cas = before.cas;
    return wanted;
}

std::vector<OpenOrder> wanted_orders(const CertificateConfig& certificate, std::vector<OpenOrder> open) {
    std::erase_if(open, [&](const OpenOrder& order) {
        const std::string& ca = order.ordered_for.ca;
        const bool is_known = certificate.profiles.contains(ca) ||
                              std::ranges::find(certificate.ca, ca) != certificate.ca.end();
        return !is_known || order.ordered_for != wanted_instead(certificate, order.ordered_for);
    });
    return open;
}

bool is_any_placed(const std::vector<OpenOrder>& orders) {
    return std::ranges::any_of(orders, [](const OpenOrder& order) { return !order.url.empty(); });
}

const CaConfig* issuer_of(const Config& config, const OrderedFor& ordered) {
    const auto found = config.cas.find(ordered.ca);
    if (found == config.cas.end()) return nullptr;
    const bool is_another = !ordered.directory.empty() && ordered.directory != found->second.directory;
    return is_another ? nullptr : &found->second;
}

Instant renewal_time(const CertificateConfig& certificate, const GenerationRecord& generation) {
    constexpr Seconds kShortLived = std::chrono::days(10);
    const Seconds lifetime = generation.not_after - generation.not_before;
    const Seconds by_share = lifetime < kShortLived ? lifetime / 2 : lifetime / 3;
    // A wish that is longer than the whole lifetime would renew for ever: at least a tenth of it is used.
    const Seconds before = std::min(certificate.renew_before.value_or(by_share), lifetime - lifetime / 10);
    return generation.not_after - before;
}

bool is_of_the_ca(const base::Error& error) {
    using base::Code;
    switch (error.code) {
        case Code::CaUnreachable:
        case Code::CaProtocol:
        case Code::CaServerError:
        case Code::CaBadNonce:
        case Code::CaRateLimited:
        case Code::CaPaused:
        case Code::CaAccountMissing:
        case Code::CaAccountRefused:
        case Code::CaTermsNotAgreed:
        case Code::CaBindingRequired:
        case Code::CaProfileRefused:
        case Code::CaWrongCertificate:
        case Code::NetUntrusted:
        case Code::NetTooLarge:
            return true;
        default:
            return false;
    }
}

bool is_time_for_another_ca(const Record& record, const base::Error& error, int ca_failures, Instant now) {
    constexpr int kEnough = 3;
    constexpr Seconds kPatience = std::chrono::days(1);
    const bool is_at_work = error.code == base::Code::CaOrderPending;
    if (!is_at_work && !is_of_the_ca(error)) return false;
    if (!is_at_work && ca_failures >= kEnough) return true;
    if (const GenerationRecord* current = record.wanted())
        return current->not_after - now < (current->not_after - current->not_before) / 4;
    const auto& before = record.issuance;
    return is_at_work && before && before->error.code == error.code && now - before->since >= kPatience;
}

bool may_ask_another_ca(const CertificateConfig& certificate, const Record& record, const base::Error& error,
                        int ca_failures, Instant now) {
    return certificate.ca.size() > 1 && is_time_for_another_ca(record, error, ca_failures, now);
}

std::string fingerprint(const TargetConfig& target) {
    // A separator that no value can hold keeps neighbours apart.
    std::string text = target.deployer + '\n' + target.host + '\n';
    const deployers::Parameters& p = target.parameters;
    for (const std::string& part :
         {p.include, p.versions, p.owner, p.group, std::to_string(p.mode), std::to_string(p.cert_mode)}) {
        text += part + '\n';
    }
    for (const deployers::FixedPath& fixed : p.paths) {
        text += std::string(deployers::to_string(fixed.form)) + '\n' + fixed.path + '\n' +
                fixed.owner.value_or("") + '\n' + fixed.group.value_or("") + '\n' +
                std::to_string(fixed.mode.value_or(-1)) + (fixed.key_first ? "k\n" : "\n");
    }
    return base::sha256_hex(text).substr(0, 16);
}

std::uint64_t plan_fingerprint(const CertificateConfig& certificate, Seconds verify_every) {
    constexpr std::uint64_t kPrime = 1099511628211ULL;  // of FNV-1a: quick, and nobody attacks it
    std::uint64_t hash = 14695981039346656037ULL;
    const auto add = [&](std::string_view text) {
        for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * kPrime;
        hash = (hash ^ 0xFFU) * kPrime;  // no text holds this byte: neighbours stay apart
    };
    const OrderedFor wanted = wanted_order(certificate, certificate.ca.front());
    for (const auto* list : {&wanted.names, &wanted.cas}) {
        for (const std::string& text : *list) add(text);
    }
    for (const auto* texts : {&certificate.profiles, &certificate.directories}) {
        for (const auto& [ca, text] : *texts) add(ca + "=" + text);
    }
    add(wanted.key_type + wanted.request_key);
    add(std::to_string(certificate.renew_before.value_or(Seconds(0)).count()));
    add(certificate.has_standing_records ? "records" : "");
    add(std::to_string(verify_every.count()));
    for (const Window& window : certificate.windows) add(to_text(window));
    add(std::to_string(certificate.window_ends_at));
    for (const deployers::Endpoint& endpoint : certificate.endpoints) add(endpoint.text);
    for (const TargetConfig& target : certificate.targets) {
        add(target.name + fingerprint(target));
        for (const deployers::Endpoint& endpoint : target.endpoints) add(endpoint.text);
    }
    return hash;
}

namespace {

/// By the CA's suggestion, or else by age. Where the user has said when to renew, only a window that is past
/// counts: the CA is about to revoke.
Renewal plan_by_age(const CertificateConfig& certificate, const Record& record,
                    const GenerationRecord& current, Instant now, Seconds sleeps_for) {
    Renewal renewal{.at = renewal_time(certificate, current),
                    .reason = certificate.renew_before ? RenewalReason::Configured : RenewalReason::Lifetime};
    const Suggestion* said = suggestion_for(record, current);
    if (said == nullptr || !said->at || !said->end) return renewal;
    const bool is_urgent = *said->end <= now && *said->at < renewal.at;
    if (certificate.renew_before && !is_urgent) return renewal;
    return {.at = renewal_suggested(*said, current, now, sleeps_for), .reason = RenewalReason::Ari};
}

/// The same by a clock that is not ours, told as what ours will show then. Where the two disagree about a
/// generation that has just been issued, it is not due: else a CA with a date of its own would be asked for
/// ever.
Renewal plan_by_right_time(const CertificateConfig& certificate, const Record& record,
                           const GenerationRecord& current, const Circumstances& circumstances) {
    const Instant right = circumstances.plan_by.value_or(circumstances.now);
    Renewal renewal = plan_by_age(certificate, record, current, right, circumstances.sleeps_for);
    if (right > circumstances.now && right >= current.issued_at) {
        const Seconds lifetime = current.not_after - current.not_before;
        renewal.at = std::max(renewal.at, current.issued_at + lifetime / 10);
    }
    renewal.at -= right - circumstances.now;
    return renewal;
}

/// What time alone does not mend: somebody has to change something, and may have (DESIGN.md §4).
bool waits_for_a_person(const base::Error& error) {
    using base::ErrorClass;
    const ErrorClass error_class = base::class_of(error.code);
    return error_class == ErrorClass::Configuration || error_class == ErrorClass::Refused ||
           error_class == ErrorClass::Corrupt || base::to_string(error.code).starts_with("state/");
}

Renewal plan_renewal(const CertificateConfig& certificate, const Record& record,
                     const Circumstances& circumstances) {
    const Instant now = circumstances.now;
    const Wishes& wishes = circumstances.wishes;
    Renewal renewal{.at = now};
    const GenerationRecord* current = record.wanted();
    if (current == nullptr) {
        renewal.reason = RenewalReason::NeverIssued;
    } else if (current->revoked_at || record.revocation(current->number) != nullptr) {
        renewal.reason = RenewalReason::Revoked;
    } else if (wishes.renew_now || circumstances.has_open_order) {
        renewal.reason = RenewalReason::Forced;
    } else if (current->ordered_for != wanted_instead(certificate, current->ordered_for)) {
        renewal.reason = RenewalReason::ConfigChanged;
    } else {
        renewal = plan_by_right_time(certificate, record, *current, circumstances);
    }
    if (!record.issuance) return renewal;
    if (wishes.mended && waits_for_a_person(record.issuance->error)) return renewal;
    const base::Error& error = record.issuance->error;
    const bool is_limit = error.retry_at && error.code != base::Code::CaOrderPending;
    const Instant again = believed_attempt(*record.issuance, now);
    if (is_limit && again > now && renewal.at <= now && wishes.by_hand) {
        if (wishes.over_limit || wishes.elsewhere) return renewal;
        renewal.held_until = again;
    } else if (!wishes.by_hand) {
        renewal.at = std::max(renewal.at, again);
    }
    return renewal;
}

/// One target on its own: what is known of it, and what should be.
class TargetPlanner {
  public:
    TargetPlanner(const CertificateConfig& certificate, const TargetConfig& config, const Record& record,
                  const Circumstances& circumstances)
        : certificate_(certificate),
          config_(config),
          record_(record),
          c_(circumstances),
          target_(known_or_new(record, config.name)) {}

    TargetPlan plan() {
        plan_.target = config_.name;
        plan_.fingerprint = fingerprint(config_);
        const GenerationRecord* wanted = record_.wanted();
        if (wanted == nullptr) return std::move(plan_);
        is_in_place_ = target_.installed == wanted->number && target_.attempting == 0 &&
                       target_.fingerprint == plan_.fingerprint;
        const bool looks = !config_.endpoints.empty();
        const bool is_well =
            is_in_place_ && !target_.failure && (!looks || target_.serving == wanted->number);
        const bool may_deploy = !wanted->revoked_at;
        const bool only_looks = c_.wishes.look_again && looks && !c_.wishes.deploy_again;
        if (may_deploy && !only_looks && (c_.wishes.deploy_again || !is_well)) {
            if (looks && is_in_place_ && !c_.wishes.deploy_again && is_judged_by_a_wrong_clock()) {
                plan_look(c_.wishes.look_again ? c_.now : next_look_time());
            } else {
                plan_deployment();
            }
        } else if (looks) {
            plan_look(c_.wishes.look_again ? c_.now : next_look_time());
        }
        return std::move(plan_);
    }

  private:
    static const TargetRecord& known_or_new(const Record& record, const std::string& name) {
        static const TargetRecord unknown;
        const TargetRecord* known = record.target(name);
        return known == nullptr ? unknown : *known;
    }

    void plan_look(Instant at) {
        plan_.action = TargetAction::Look;
        plan_.at = at;
    }

    /// To a clock that is ahead everything looks expired: what it has seen is no reason to deploy again.
    [[nodiscard]] bool is_judged_by_a_wrong_clock() const {
        const bool is_ahead = c_.plan_by.value_or(c_.now) < c_.now;
        return is_ahead || (target_.verified_at && *target_.verified_at > c_.now);
    }

    [[nodiscard]] Instant next_look_time() const {
        if (!target_.verified_at || *target_.verified_at > c_.now) return c_.now;
        return next_look(*target_.verified_at, c_.verify_every, record_.name + "/" + config_.name);
    }

    /// Now; after a failure with backoff, but for somebody who waits or has mended something. What somebody
    /// else keeps putting back is left alone by all that come by themselves: a timer, a renewal by hand.
    [[nodiscard]] Instant deployment_time() const {
        const Wishes& wishes = c_.wishes;
        if (wishes.deploy_again) return c_.now;
        Instant at = c_.now;
        if (target_.failure && !wishes.is_eager())
            at = std::max(at, believed_attempt(*target_.failure, c_.now));
        if (is_in_place_) at = std::max(at, repair_time(target_.drift, c_.now).value_or(at));
        return at;
    }

    /// What has to wait is looked at meanwhile: somebody else may put it right, or make it worse.
    void plan_deployment() {
        const bool looks = !config_.endpoints.empty();
        if (!c_.wishes.past_holds) plan_.held = hold_of(certificate_, record_, config_, c_.now);
        plan_.action = TargetAction::Deploy;
        plan_.at = deployment_time();
        const bool waits_for_others = plan_.held || (is_in_place_ && target_.drift.is_contested);
        if (plan_.held) {
            plan_.action = TargetAction::Wait;
            plan_.at.reset();
        }
        if (!waits_for_others || !looks) return;
        const bool tries_again = c_.wishes.is_eager() && is_in_place_ && target_.failure;
        const Instant look = tries_again || c_.wishes.look_again ? c_.now : next_look_time();
        if (!plan_.at || (*plan_.at > c_.now && look < *plan_.at)) plan_look(look);
    }

    const CertificateConfig& certificate_;
    const TargetConfig& config_;
    const Record& record_;
    const Circumstances& c_;
    const TargetRecord& target_;
    TargetPlan plan_{};
    bool is_in_place_ = false;
};

}  // namespace

Plan plan(const CertificateConfig& certificate, const Record& record, const Circumstances& circumstances) {
    const Instant now = circumstances.now;
    const Wishes& wishes = circumstances.wishes;
    Plan plan{.renewal = plan_renewal(certificate, record, circumstances),
              .ask_ca_at = question_time(record, now),
              .records_at = next_look_at_records(certificate, record, now, wishes.is_eager()),
              .revoke_at = next_revocation(certificate, record, now, wishes.is_eager()),
              .warn_at = next_warning(certificate, record)};
    if (plan.warn_at) *plan.warn_at -= circumstances.plan_by.value_or(now) - now;
    for (const TargetConfig& target : certificate.targets) {
        plan.targets.push_back(TargetPlanner(certificate, target, record, circumstances).plan());
    }
    if (!certificate.endpoints.empty() && record.wanted() != nullptr) {
        const bool all_well = deployers::all_serving(record.endpoints);
        plan.look_at =
            wishes.look_again || ((wishes.retry_now || wishes.mended) && !all_well) ||
                    !record.endpoints_verified_at || *record.endpoints_verified_at > now ||
                    waits_for_a_look(record, now)
                ? now
                : next_look(*record.endpoints_verified_at, circumstances.verify_every, record.name);
    }
    for (const Residue& residue : record.residue) {
        const Instant at = clean_up_time(residue, now, wishes.is_eager());
        plan.clean_up_at = std::min(plan.clean_up_at.value_or(at), at);
    }
    for (const PendingHook& hook : record.hooks) {
        const Instant at = hook.failure && !wishes.is_eager() ? believed_attempt(*hook.failure, now) : now;
        plan.hooks_at = std::min(plan.hooks_at.value_or(at), at);
    }
    return plan;
}

}  // namespace agent
