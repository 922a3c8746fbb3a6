// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/plan.hpp"

#include <algorithm>

#include "agent/plan/revocation.hpp"
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

bool Plan::anything_due(Instant now) const {
    return renewal_due(now) || !due(TargetAction::Deploy, now).empty() ||
           !due(TargetAction::Look, now).empty() || (look_at && *look_at <= now) ||
           (ask_ca_at && *ask_ca_at <= now) || (clean_up_at && *clean_up_at <= now) ||
           (revoke_at && *revoke_at <= now) || (hooks_at && *hooks_at <= now);
}

Instant Plan::next() const {
    Instant earliest = renewal.held_until.value_or(renewal.at);
    for (const TargetPlan& target : targets) earliest = std::min(earliest, target.at.value_or(earliest));
    return std::min({earliest, ask_ca_at.value_or(earliest), clean_up_at.value_or(earliest),
                     look_at.value_or(earliest), revoke_at.value_or(earliest), hooks_at.value_or(earliest)});
}

OrderedFor wanted_order(const CertificateConfig& certificate, const std::string& ca) {
    const auto profile = certificate.profiles.find(ca);
    OrderedFor wanted{.ca = ca,
                      .cas = certificate.ca,
                      .key_type = std::string(base::to_string(certificate.key_type)),
                      .profile = profile == certificate.profiles.end() ? "" : profile->second};
    if (certificate.request) {
        wanted.key_type = certificate.request->key_type;
        wanted.request_key = certificate.request->key_sha256();
    }
    for (const base::Identifier& name : certificate.names) wanted.names.push_back(name.value);
    std::ranges::sort(wanted.names);
    return wanted;
}

Instant renewal_time(const CertificateConfig& certificate, const GenerationRecord& generation) {
    constexpr Seconds kShortLived = std::chrono::days(10);
    const Seconds lifetime = generation.not_after - generation.not_before;
    const Seconds by_share = lifetime < kShortLived ? lifetime / 2 : lifetime / 3;
    // A wish that is longer than the whole lifetime would renew for ever: at least a tenth of it is used.
    const Seconds before = std::min(certificate.renew_before.value_or(by_share), lifetime - lifetime / 10);
    return generation.not_after - before;
}

Instant latest_renewal(const GenerationRecord& generation) {
    return generation.not_after - (generation.not_after - generation.not_before) / 20;
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

bool may_ask_another_ca(const CertificateConfig& certificate, const Record& record, const base::Error& error,
                        int ca_failures, Instant now) {
    constexpr int kEnough = 3;
    if (certificate.ca.size() < 2 || !is_of_the_ca(error)) return false;
    if (ca_failures >= kEnough) return true;
    const GenerationRecord* current = record.wanted();
    if (current == nullptr) return false;
    return current->not_after - now < (current->not_after - current->not_before) / 4;
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

namespace {

/// What the CA has said about this generation; nullptr if nothing.
const Suggestion* suggestion_for(const Record& record, const GenerationRecord& generation) {
    const auto& known = record.suggestion;
    return known && known->generation == generation.number ? &*known : nullptr;
}

/// RFC 9773 §4.2, within what is safe: a window may only bring a renewal forward without limit. Where the
/// user has said when to renew, only a window that is past counts: the CA is about to revoke.
Renewal plan_by_age(const CertificateConfig& certificate, const Record& record,
                    const GenerationRecord& current, Instant now) {
    Renewal renewal{.at = renewal_time(certificate, current),
                    .reason = certificate.renew_before ? RenewalReason::Configured : RenewalReason::Lifetime};
    const Suggestion* said = suggestion_for(record, current);
    if (said == nullptr || !said->at || !said->end) return renewal;
    const bool is_urgent = *said->end <= now && *said->at < renewal.at;
    if (certificate.renew_before && !is_urgent) return renewal;
    return {.at = std::min(*said->at, latest_renewal(current)), .reason = RenewalReason::Ari};
}

/// Renewal information is asked for while there is something to renew: not after expiry, and not after a
/// replacement (RFC 9773 §4.3); first within six hours of issuance, sooner for a short life.
std::optional<Instant> plan_question(const Record& record, Instant now) {
    const GenerationRecord* current = record.wanted();
    if (current == nullptr || current->renewal_id.empty() || current->not_after <= now) return std::nullopt;
    if (const Suggestion* said = suggestion_for(record, *current)) return said->ask_again;
    constexpr Seconds kFirst = std::chrono::hours(6);
    return current->issued_at + std::min(kFirst, (current->not_after - current->not_before) / 20);
}

Renewal plan_renewal(const CertificateConfig& certificate, const Record& record, bool has_open_order,
                     Instant now, const Wishes& wishes) {
    Renewal renewal{.at = now};
    const GenerationRecord* current = record.wanted();
    if (current == nullptr) {
        renewal.reason = RenewalReason::NeverIssued;
    } else if (current->revoked_at || record.revocation(current->number) != nullptr) {
        renewal.reason = RenewalReason::Revoked;
    } else if (wishes.renew_now || has_open_order) {
        renewal.reason = RenewalReason::Forced;
    } else if (current->ordered_for != wanted_order(certificate, current->ordered_for.ca)) {
        renewal.reason = RenewalReason::ConfigChanged;
    } else {
        renewal = plan_by_age(certificate, record, *current, now);
    }
    if (!record.issuance) return renewal;
    const bool is_limit = record.issuance->error.retry_at.has_value();
    if (is_limit && record.issuance->next_attempt > now && renewal.at <= now && wishes.by_hand) {
        if (wishes.over_limit) return renewal;
        renewal.held_until = record.issuance->next_attempt;
    } else if (!wishes.by_hand) {
        renewal.at = std::max(renewal.at, record.issuance->next_attempt);
    }
    return renewal;
}

TargetPlan plan_target(const TargetConfig& config, const Record& record, Seconds verify_every, Instant now,
                       const Wishes& wishes) {
    TargetPlan plan{.target = config.name, .fingerprint = fingerprint(config)};
    const GenerationRecord* wanted = record.wanted();
    if (wanted == nullptr) return plan;
    static const TargetRecord unknown;
    const TargetRecord* known = record.target(config.name);
    const TargetRecord& target = known == nullptr ? unknown : *known;
    const bool is_in_place = target.installed == wanted->number && target.attempting == 0 &&
                             target.fingerprint == plan.fingerprint;
    const bool looks = !config.endpoints.empty();
    const bool is_well = is_in_place && !target.failure && (!looks || target.serving == wanted->number);
    const bool may_deploy = !wanted->revoked_at;
    if (wishes.deploy_again && may_deploy) {
        plan.action = TargetAction::Deploy;
        plan.at = now;
    } else if (wishes.look_again && looks) {
        plan.action = TargetAction::Look;
        plan.at = now;
    } else if (!is_well && may_deploy) {
        plan.action = TargetAction::Deploy;
        plan.at = target.failure && !wishes.retry_now && !wishes.by_hand
                      ? std::max(now, target.failure->next_attempt)
                      : now;
    } else if (looks) {
        plan.action = TargetAction::Look;
        plan.at = target.verified_at.value_or(now - verify_every) + verify_every;
    }
    return plan;
}

}  // namespace

Plan plan(const CertificateConfig& certificate, const Record& record, const Circumstances& circumstances) {
    const auto& [now, verify_every, has_open_order, wishes] = circumstances;
    Plan plan{.renewal = plan_renewal(certificate, record, has_open_order, now, wishes),
              .ask_ca_at = plan_question(record, now),
              .revoke_at = next_revocation(certificate, record, now, wishes.retry_now || wishes.by_hand)};
    for (const TargetConfig& target : certificate.targets) {
        plan.targets.push_back(plan_target(target, record, verify_every, now, wishes));
    }
    if (!certificate.endpoints.empty() && record.wanted() != nullptr) {
        const bool all_well = deployers::all_serving(record.endpoints);
        plan.look_at = wishes.look_again || (wishes.retry_now && !all_well) ||
                               !record.endpoints_verified_at || waits_for_a_look(record)
                           ? now
                           : *record.endpoints_verified_at + verify_every;
    }
    for (const Residue& residue : record.residue) {
        const Instant at = wishes.retry_now || wishes.by_hand ? now : residue.failure.next_attempt;
        plan.clean_up_at = std::min(plan.clean_up_at.value_or(at), at);
    }
    for (const PendingHook& hook : record.hooks) {
        const Instant at =
            hook.failure && !wishes.retry_now && !wishes.by_hand ? hook.failure->next_attempt : now;
        plan.hooks_at = std::min(plan.hooks_at.value_or(at), at);
    }
    return plan;
}

}  // namespace agent
