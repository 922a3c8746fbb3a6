// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/standing.hpp"

#include <algorithm>

#include "agent/plan/drift.hpp"
#include "agent/plan/retry.hpp"

namespace agent {

using base::Code;
using base::Instant;
using base::Seconds;
using namespace std::chrono_literals;

namespace {

constexpr Seconds kLookEvery = 24h;
constexpr Seconds kNearEnd = 30 * 24h;

}  // namespace

std::optional<Instant> next_look_at_records(const CertificateConfig& certificate, const Record& record,
                                            Instant now, bool is_eager) {
    if (!certificate.has_standing_records) return std::nullopt;
    const bool is_waited_for = record.issuance && record.issuance->error.code == Code::SolverRecordMissing;
    if (record.wanted() == nullptr && !is_waited_for) return std::nullopt;
    const auto& known = record.standing;
    if (!known || known->looked_at > now) return now;
    if (known->failure) return is_eager ? now : believed_attempt(*known->failure, now);
    return next_look(known->looked_at, kLookEvery, record.name + "/records");
}

std::optional<Failure> ending_record(const CertificateConfig& certificate, const Record& record,
                                     Instant now) {
    const auto& known = record.standing;
    if (!certificate.has_standing_records || !known || known->failure || !known->end) return std::nullopt;
    const Instant end = known->end->at;
    const GenerationRecord* wanted = record.wanted();
    const bool outlives = wanted == nullptr || end >= wanted->not_after;
    if (outlives && end - now >= kNearEnd) return std::nullopt;
    return Failure{.count = 1,
                   .since = outlives ? end - kNearEnd : wanted->issued_at,
                   .error = {.code = Code::SolverRecordEnds,
                             .message = record.name + ": the record " + known->end->name +
                                        " that it is renewed by ends at " + base::format_instant(end) +
                                        (outlives ? "" : ", before the certificate that is held now does"),
                             .hint = "give it a later persistUntil, or none",
                             .step = "authorize"}};
}

StandingRecords next_standing(const std::optional<StandingRecords>& before,
                              const base::Result<std::optional<acme::RecordEnd>>& seen, Instant now,
                              double chance) {
    StandingRecords next{.looked_at = now};
    if (seen) {
        next.end = *seen;
    } else {
        next.failure = count_failure(before ? before->failure : std::nullopt,
                                     base::Error(seen.error()).during("authorize"),
                                     {.effort = Effort::Deployment, .now = now, .chance = chance});
    }
    return next;
}

}  // namespace agent
