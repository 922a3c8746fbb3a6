// SPDX-License-Identifier: Apache-2.0
#include "agent/tell/states.hpp"

#include <algorithm>

#include "agent/tell/status.hpp"

namespace agent {

using base::Code;
using base::Instant;
using deployers::AddressVerdict;
using deployers::EndpointVerdict;
using deployers::Verdict;

namespace {

bool any_target(const CertificateStatus& status, std::initializer_list<TargetState> states) {
    return std::ranges::any_of(status.targets, [&](const TargetStatus& target) {
        return std::ranges::find(states, target.state) != states.end();
    });
}

}  // namespace

std::string_view to_string(CertificateState state) {
    switch (state) {
        case CertificateState::Revoked:
            return "revoked";
        case CertificateState::Expired:
            return "expired";
        case CertificateState::Paused:
            return "paused";
        case CertificateState::Failing:
            return "failing";
        case CertificateState::Held:
            return "held";
        case CertificateState::Unserved:
            return "unserved";
        case CertificateState::NeverIssued:
            return "never_issued";
        case CertificateState::Renewing:
            return "renewing";
        case CertificateState::Deploying:
            return "deploying";
        case CertificateState::Due:
            return "due";
        case CertificateState::Removed:
            return "removed";
        case CertificateState::Ok:
            return "ok";
    }
    return "ok";
}

std::string_view to_string(TargetState state) {
    switch (state) {
        case TargetState::Pending:
            return "pending";
        case TargetState::Deploying:
            return "deploying";
        case TargetState::Serving:
            return "serving";
        case TargetState::Partial:
            return "partial";
        case TargetState::Stale:
            return "stale";
        case TargetState::Failing:
            return "failing";
        case TargetState::Drifted:
            return "drifted";
        case TargetState::Held:
            return "held";
        case TargetState::Unknown:
            return "unknown";
        case TargetState::Unverified:
            return "unverified";
    }
    return "unknown";
}

std::set<std::string> certificate_states() {
    std::set<std::string> names;
    for (int i = 0; i <= static_cast<int>(CertificateState::Ok); ++i)
        names.emplace(to_string(static_cast<CertificateState>(i)));
    return names;
}

TargetState state_of(const TargetConfig& config, const TargetRecord* target, const Record& record) {
    const GenerationRecord* wanted = record.wanted();
    if (target == nullptr || wanted == nullptr) return TargetState::Pending;
    if (target->failure) {
        const Code code = target->failure->error.code;
        if (code == Code::DeployNotRunning || code == Code::DeployOutcomeUnknown) return TargetState::Unknown;
    }
    if (target->installed != wanted->number) {
        if (target->failure) return TargetState::Failing;
        return target->attempting != 0 ? TargetState::Deploying : TargetState::Pending;
    }
    if (config.endpoints.empty()) return target->failure ? TargetState::Failing : TargetState::Unverified;
    if (deployers::all_serving(target->endpoints)) return TargetState::Serving;
    bool any_serving = false;
    bool any_stale = false;
    for (const EndpointVerdict& endpoint : target->endpoints) {
        for (const AddressVerdict& address : endpoint.addresses) {
            any_serving = any_serving || address.verdict == Verdict::Serving;
            any_stale = any_stale || address.verdict == Verdict::Stale;
        }
    }
    if (any_serving) return TargetState::Partial;
    if (target->drift.seen_at) return TargetState::Drifted;
    // Every target had been seen serving this generation: what is seen now came about behind our back.
    if (record.served_told >= wanted->number && deployers::shows_a_fault(target->endpoints))
        return TargetState::Drifted;
    return any_stale ? TargetState::Stale : TargetState::Failing;
}

CertificateState state_of(const CertificateStatus& status, bool has_open_order, Instant now) {
    const Record& record = status.record;
    const GenerationRecord* wanted = record.wanted();
    const bool not_deployed = std::ranges::any_of(status.targets, [](const TargetStatus& target) {
        return target.record.failure && target.record.installed != target.wanted;
    });
    const bool public_unserved = record.endpoints_verified_at && !deployers::all_serving(record.endpoints);
    if (wanted != nullptr && wanted->revoked_at) return CertificateState::Revoked;
    if (wanted != nullptr && status.served.oldest_not_after.value_or(wanted->not_after) <= now)
        return CertificateState::Expired;
    if (record.issuance && record.issuance->error.code == Code::CaPaused) return CertificateState::Paused;
    if (record.issuance || not_deployed) return CertificateState::Failing;
    if (any_target(status, {TargetState::Held})) return CertificateState::Held;
    if (public_unserved || any_target(status, {TargetState::Partial, TargetState::Stale, TargetState::Failing,
                                               TargetState::Drifted, TargetState::Unknown})) {
        return CertificateState::Unserved;
    }
    if (wanted == nullptr) return has_open_order ? CertificateState::Renewing : CertificateState::NeverIssued;
    if (has_open_order) return CertificateState::Renewing;
    if (any_target(status, {TargetState::Deploying, TargetState::Pending}))
        return CertificateState::Deploying;
    return status.plan.renewal.at <= now ? CertificateState::Due : CertificateState::Ok;
}

}  // namespace agent
