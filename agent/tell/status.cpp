// SPDX-License-Identifier: Apache-2.0
#include "agent/tell/status.hpp"

#include <algorithm>

#include "agent/tell/words.hpp"

namespace agent {

using base::Code;
using base::Instant;
using deployers::AddressVerdict;
using deployers::EndpointVerdict;
using deployers::Verdict;
using namespace std::chrono_literals;

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
        case TargetState::Unknown:
            return "unknown";
        case TargetState::Unverified:
            return "unverified";
    }
    return "unknown";
}

std::string key_words(const CertificateConfig& certificate) {
    if (!certificate.request) return std::string(base::to_string(certificate.key_type));
    return "the user's own (csr " + certificate.csr + "), " + certificate.request->key_type;
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
    // Every target had been seen serving this generation: what is seen now came about behind our back.
    if (record.served_told >= wanted->number) return TargetState::Drifted;
    return any_stale ? TargetState::Stale : TargetState::Failing;
}

namespace {

constexpr int kFailuresToBother = 3;
constexpr base::Seconds kPatience = 6h;

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

Served count_served(const CertificateConfig& certificate, const Record& record) {
    Served served;
    for (const TargetConfig& target : certificate.targets) {
        const TargetRecord* known = record.target(target.name);
        static const std::vector<EndpointVerdict> none;
        count_addresses(known == nullptr ? none : known->endpoints, target.endpoints.size(), served);
    }
    count_addresses(record.endpoints, certificate.endpoints.size(), served);
    return served;
}

bool is_running_out(const GenerationRecord& generation, Instant expiry, Instant now) {
    const base::Seconds lifetime = generation.not_after - generation.not_before;
    const base::Seconds left = expiry - now;
    return left < lifetime / 10 || (lifetime >= 240h && left < 72h);
}

/// A thing that fails needs a person once it has failed three times or for six hours; unserved past its
/// deadline, at once.
bool bothers(const Failure& failure, bool at_once, Instant now) {
    return at_once || failure.count >= kFailuresToBother || now - failure.since >= kPatience;
}

bool is_about_serving(const base::Error& error) {
    return base::to_string(error.code).starts_with("verify/") || error.code == Code::DeployNotRunning;
}

class Judge {
  public:
    Judge(CertificateStatus& status, Instant now) : status_(status), now_(now) {}

    void judge() {
        const Record& record = status_.record;
        if (record.issuance)
            note(*record.issuance, status_.config->name, record.issuance->error.code == Code::CaPaused);
        for (const TargetStatus& target : status_.targets) {
            if (target.record.failure)
                note(*target.record.failure, target.config->name,
                     is_about_serving(target.record.failure->error));
        }
        if (record.endpoints_verified_at && !deployers::all_serving(record.endpoints) &&
            everything_installed())
            note_public();
        for (const PendingHook& hook : record.hooks) {
            if (hook.failure) note(*hook.failure, hook.event, /*at_once=*/true);
        }
        for (const Residue& residue : record.residue)
            note(residue.failure, residue.solver, /*at_once=*/false);
        for (const Revocation& waiting : record.revocations) {
            if (waiting.failure) note(*waiting.failure, status_.config->name, /*at_once=*/false);
        }
        note_revoked();
        note_age();
    }

  private:
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
        status_.attention = Attention{.since = failure.since,
                                      .cause = std::string(base::to_string(failure.error.code)) + "/" + about,
                                      .error = failure.error};
    }

    void note_public() {
        for (const EndpointVerdict& endpoint : status_.record.endpoints) {
            for (const AddressVerdict& address : endpoint.addresses) {
                if (address.verdict == Verdict::Serving || address.verdict == Verdict::NotReachableFromHere)
                    continue;
                Failure failure{.count = 1, .since = *status_.record.endpoints_verified_at};
                failure.error = {.code = Code::VerifyStale,
                                 .message = status_.config->name + ": " + endpoint.endpoint + " at " +
                                            address.address + ": " + address.error,
                                 .hint = "no target of yours puts it there",
                                 .step = "verify"};
                note(failure, "endpoints", /*at_once=*/true);
                return;
            }
        }
    }

    /// What is wanted has been revoked, and nothing has taken its place yet.
    void note_revoked() {
        const GenerationRecord* wanted = status_.record.wanted();
        if (wanted == nullptr || !wanted->revoked_at) return;
        if (!status_.attention) {
            status_.attention = Attention{
                .since = *wanted->revoked_at,
                .cause = "revoked",
                .error = {.code = Code::VerifyStale,
                          .message = status_.config->name + ": generation " + std::to_string(wanted->number) +
                                     " has been revoked and not replaced yet",
                          .hint = "renewd renew " + status_.config->name}};
        }
        status_.attention->is_critical = true;
    }

    void note_age() {
        const GenerationRecord* wanted = status_.record.wanted();
        if (wanted == nullptr) {
            if (now_ - status_.record.first_seen < 1h || status_.attention) return;
            status_.attention =
                Attention{.since = status_.record.first_seen,
                          .cause = "never_issued",
                          .error = {.code = Code::CaOrderPending,
                                    .message = status_.config->name + " has never been issued",
                                    .hint = "renewd renew " + status_.config->name}};
            return;
        }
        const Instant expiry = status_.served.oldest_not_after.value_or(wanted->not_after);
        if (!is_running_out(*wanted, expiry, now_)) return;
        if (!status_.attention) {
            const std::string when = expiry <= now_ ? "expired " : "expires ";
            status_.attention = Attention{.since = now_,
                                          .cause = "expiry",
                                          .error = {.code = Code::VerifyExpired,
                                                    .message = status_.config->name + ": what is served " +
                                                               when + relative(expiry, now_),
                                                    .hint = "renewd renew " + status_.config->name}};
        }
        status_.attention->is_critical = true;
    }

    CertificateStatus& status_;
    Instant now_;
};

bool any_target(const CertificateStatus& status, std::initializer_list<TargetState> states) {
    return std::ranges::any_of(status.targets, [&](const TargetStatus& target) {
        return std::ranges::find(states, target.state) != states.end();
    });
}

CertificateState judge_state(const CertificateStatus& status, bool has_open_order, Instant now) {
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

}  // namespace

CertificateStatus status_of(const CertificateConfig& certificate, const Record& record, bool has_open_order,
                            base::Seconds verify_every, Instant now) {
    CertificateStatus status{
        .config = &certificate,
        .record = record,
        .plan = plan(certificate, record,
                     {.now = now, .verify_every = verify_every, .has_open_order = has_open_order}),
        .served = count_served(certificate, record)};
    for (const TargetConfig& target : certificate.targets) {
        const TargetRecord* known = record.target(target.name);
        status.targets.push_back({.config = &target,
                                  .record = known == nullptr ? TargetRecord{.name = target.name} : *known,
                                  .state = state_of(target, known, record),
                                  .wanted = record.wanted() == nullptr ? 0 : record.wanted()->number});
    }
    Judge(status, now).judge();
    status.state = judge_state(status, has_open_order, now);
    const auto& failure = record.issuance;
    if (failure && failure->error.code == Code::CaRateLimited && failure->next_attempt > now)
        status.held = Held{.by = "limit", .reason = failure->error.message, .until = failure->next_attempt};
    return status;
}

void hold_back(CertificateStatus& status, const OrderHold& hold) {
    status.plan.renewal.held_until = hold.until;
    status.held = Held{.by = "limit", .reason = hold.reason, .until = hold.until};
    if (status.state == CertificateState::NeverIssued || status.state == CertificateState::Renewing ||
        status.state == CertificateState::Deploying || status.state == CertificateState::Due)
        status.state = CertificateState::Held;
}

CertificateStatus removed_status(const Record& record) {
    return {.record = record, .state = CertificateState::Removed};
}

int exit_code_of(const CertificateStatus& status) {
    if (status.config == nullptr) return 0;
    if (status.record.issuance || status.record.wanted() == nullptr) return 3;
    const auto could_not = [](const Revocation& waiting) { return waiting.failure.has_value(); };
    const bool is_revoked = status.record.wanted()->revoked_at.has_value();
    if (is_revoked || std::ranges::any_of(status.record.revocations, could_not)) return 3;
    const auto is_installed = [](const TargetStatus& t) { return t.record.installed == t.wanted; };
    if (!std::ranges::all_of(status.targets, is_installed)) return 4;
    const auto has_failing_hook = [](const PendingHook& hook) { return hook.failure.has_value(); };
    const auto& hooks = status.record.hooks;
    if (std::ranges::any_of(hooks, has_failing_hook)) return 4;
    const auto is_well = [](const TargetStatus& t) {
        return t.state == TargetState::Serving || t.state == TargetState::Unverified;
    };
    if (!std::ranges::all_of(status.targets, is_well)) return 5;
    return status.record.endpoints_verified_at && !deployers::all_serving(status.record.endpoints) ? 5 : 0;
}

int attention_code_of(const CertificateStatus& status) {
    if (!status.attention) return 0;
    const int code = exit_code_of(status);
    return code != 0 ? code : 5;
}

bool is_more_urgent(const CertificateStatus& a, const CertificateStatus& b) {
    const auto rank = [](const CertificateStatus& s) {
        if (s.attention) return s.attention->is_critical ? 0 : 1;
        return s.state == CertificateState::Ok || s.state == CertificateState::Removed ? 3 : 2;
    };
    const auto expiry = [](const CertificateStatus& s) {
        if (s.record.wanted() == nullptr) return Instant{};
        return s.served.oldest_not_after.value_or(s.record.wanted()->not_after);
    };
    if (rank(a) != rank(b)) return rank(a) < rank(b);
    if (expiry(a) != expiry(b)) return expiry(a) < expiry(b);
    return a.record.name < b.record.name;
}

}  // namespace agent
