// SPDX-License-Identifier: Apache-2.0
#include "agent/tell/status.hpp"

#include <algorithm>

namespace agent {

using base::Code;
using base::Instant;
using deployers::AddressVerdict;
using deployers::EndpointVerdict;
using deployers::Verdict;

namespace {

void count_addresses(const std::vector<EndpointVerdict>& seen, std::size_t endpoints, Served& served) {
    if (seen.empty()) served.expected += endpoints;
    for (const EndpointVerdict& endpoint : seen) {
        if (endpoint.addresses.empty()) ++served.expected;
        for (const AddressVerdict& address : endpoint.addresses) {
            if (address.verdict == Verdict::NotReachableFromHere) continue;
            ++served.expected;
            if (address.verdict == Verdict::Serving) ++served.serving;
            if (address.not_after)
                served.oldest_not_after =
                    std::min(served.oldest_not_after.value_or(*address.not_after), *address.not_after);
        }
    }
}

/// While a deployment is held, what is installed is what should be served.
void count_held(const TargetStatus& target, const Record& record, Served& served) {
    const GenerationRecord* installed = record.generation(target.record.installed);
    if (!target.held || installed == nullptr || target.record.installed == target.wanted) return;
    for (const EndpointVerdict& endpoint : target.record.endpoints) {
        served.serving += static_cast<std::size_t>(
            std::ranges::count_if(endpoint.addresses, [&](const AddressVerdict& address) {
                return address.verdict == Verdict::Stale && address.sha256 == installed->sha256;
            }));
    }
}

Served count_served(const CertificateStatus& status) {
    Served served;
    for (const TargetStatus& target : status.targets) {
        count_addresses(target.record.endpoints, target.config->endpoints.size(), served);
        count_held(target, status.record, served);
    }
    count_addresses(status.record.endpoints, status.config->endpoints.size(), served);
    return served;
}

/// What is held back is told as that, unless it has been tried and has failed.
bool shows_as_held(const TargetStatus& target) {
    const bool has_failed = target.record.failure && target.record.installed != target.wanted;
    return target.held && !has_failed;
}

}  // namespace

std::string ca_of(const CertificateStatus& status) {
    if (const GenerationRecord* held = status.record.wanted()) return held->ordered_for.ca;
    return status.config == nullptr ? "" : status.config->ca.front();
}

CertificateStatus status_of(const CertificateConfig& certificate, const Record& record, bool has_open_order,
                            base::Seconds verify_every, Instant now) {
    CertificateStatus status{
        .config = &certificate,
        .record = record,
        .plan = plan(certificate, record,
                     {.now = now, .verify_every = verify_every, .has_open_order = has_open_order})};
    for (std::size_t i = 0; i < certificate.targets.size(); ++i) {
        const TargetConfig& target = certificate.targets[i];
        const TargetRecord* known = record.target(target.name);
        status.targets.push_back({.config = &target,
                                  .record = known == nullptr ? TargetRecord{.name = target.name} : *known,
                                  .state = state_of(target, known, record),
                                  .wanted = record.wanted() == nullptr ? 0 : record.wanted()->number,
                                  .held = status.plan.targets[i].held});
        if (shows_as_held(status.targets.back())) status.targets.back().state = TargetState::Held;
    }
    status.served = count_served(status);
    judge_attention(status, now);
    status.state = state_of(status, has_open_order, now);
    const auto& failure = record.issuance;
    if (failure && failure->error.code == Code::CaRateLimited && failure->next_attempt > now)
        status.held =
            Hold{.by = HoldBy::Limit, .reason = failure->error.message, .until = failure->next_attempt};
    if (const Hold* hold = status.plan.held()) status.held = *hold;
    return status;
}

void hold_back(CertificateStatus& status, const OrderHold& hold) {
    status.plan.renewal.held_until = hold.until;
    status.held = Hold{.by = HoldBy::Limit, .reason = hold.reason, .until = hold.until};
    if (status.state == CertificateState::NeverIssued || status.state == CertificateState::Renewing ||
        status.state == CertificateState::Deploying || status.state == CertificateState::Due)
        status.state = CertificateState::Held;
}

CertificateStatus removed_status(const Record& record) {
    CertificateStatus status{.record = record, .state = CertificateState::Removed};
    for (const Residue& residue : record.residue) {
        if (!residue.failure) continue;
        const base::Error& error = residue.failure->error;
        status.conditions.push_back({.code = std::string(base::to_string(error.code)),
                                     .since = residue.failure->since,
                                     .message = error.message,
                                     .hint = error.hint});
    }
    for (const Revocation& waiting : record.revocations) {
        const GenerationRecord* generation = record.generation(waiting.generation);
        if (waiting.not_later_than || generation == nullptr) continue;
        // Nobody looks any more whether it is served, which it waits for: that takes a person.
        const base::Error error{.code = Code::ConfigMissing,
                                .message = record.name + ": generation " +
                                           std::to_string(waiting.generation) + " is to be revoked (" +
                                           waiting.reason +
                                           ") once nobody serves it, and nobody looks any more",
                                .hint = "put [certificate.\"" + record.name +
                                        "\"] back, then  renewd revoke " + record.name + " --now",
                                .step = "revoke"};
        status.conditions.push_back({.code = std::string(base::to_string(error.code)),
                                     .since = generation->issued_at,
                                     .message = error.message,
                                     .hint = error.hint});
        status.attention =
            Attention{.since = generation->issued_at, .cause = "removed/" + record.name, .error = error};
    }
    return status;
}

}  // namespace agent
