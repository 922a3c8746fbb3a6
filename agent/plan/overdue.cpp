// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/overdue.hpp"

#include <algorithm>

namespace agent {

using base::Instant;
using base::Seconds;
using namespace std::chrono_literals;

namespace {

constexpr Seconds kADayAndMore = 26h;  // a daily run is no clock
constexpr Seconds kDeployments = 6h;
constexpr Seconds kShortest = 10min;

/// Never more than a quarter of what was left when it became due.
Seconds patience(Seconds usual, Seconds left) {
    return std::max(kShortest, std::min(usual, left / 4));
}

/// Other reasons have no instant of their own.
bool is_by_age(RenewalReason reason) {
    return reason == RenewalReason::Ari || reason == RenewalReason::Lifetime ||
           reason == RenewalReason::Configured;
}

/// An order that is open hides since when it is due.
Renewal renewal_by_age(const CertificateConfig& certificate, const Record& record, const Plan& planned,
                       Instant now) {
    if (planned.renewal.reason != RenewalReason::Forced) return planned.renewal;
    return plan(certificate, record, {.now = now}).renewal;
}

}  // namespace

std::optional<Overdue> find_overdue(const CertificateConfig& certificate, const Record& record,
                                    const Plan& planned, Seconds verify_every, Instant now) {
    const GenerationRecord* wanted = record.wanted();
    if (wanted == nullptr) return std::nullopt;
    const Renewal renewal = renewal_by_age(certificate, record, planned, now);
    const bool may_order = !planned.renewal.held_until && !record.issuance && is_by_age(renewal.reason);
    if (may_order && now - renewal.at > patience(kADayAndMore, wanted->not_after - renewal.at))
        return Overdue{.work = OverdueWork::Renewal, .since = renewal.at};
    const Seconds lifetime = wanted->not_after - wanted->not_before;
    for (const TargetPlan& target : planned.targets) {
        const TargetRecord* known = record.target(target.target);
        // A target that never had any may have come with the configuration just now.
        const bool waits = known != nullptr && known->installed != 0 && known->installed != wanted->number &&
                           !known->failure && !target.held && target.action == TargetAction::Deploy;
        if (waits && now - wanted->issued_at > patience(kDeployments, lifetime))
            return Overdue{
                .work = OverdueWork::Deployment, .target = target.target, .since = wanted->issued_at};
    }
    const Seconds looks = patience(std::max(kADayAndMore, 4 * verify_every), lifetime);
    for (const TargetPlan& target : planned.targets) {
        if (target.action == TargetAction::Look && target.at && now - *target.at > looks)
            return Overdue{.work = OverdueWork::Look, .target = target.target, .since = *target.at};
    }
    if (planned.look_at && now - *planned.look_at > looks)
        return Overdue{.work = OverdueWork::Look, .since = *planned.look_at};
    return std::nullopt;
}

}  // namespace agent
