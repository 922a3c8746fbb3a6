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
constexpr Seconds kAskAgain = 15min;

/// Nothing was seen of them: we could not ask, or had nothing to ask for.
bool is_about_the_ca(const base::Error& error) {
    const std::string_view code = base::to_string(error.code);
    return code.starts_with("ca/") || code.starts_with("net/");
}

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
    return Failure{
        .count = 1,
        .since = outlives ? end - kNearEnd : wanted->issued_at,
        .error = {
            .code = Code::SolverRecordEnds,
            .message = record.name + ": the record " + known->end->name + " that it is renewed by " +
                       (certificate.ca.size() > 1 && !known->ca.empty() ? "at CA " + known->ca + " " : "") +
                       "ends at " + base::format_instant(end) +
                       (outlives ? "" : ", before the certificate that is held now does"),
            .hint = "give it a later persistUntil, or none",
            .step = "authorize"}};
}

StandingRecords next_standing(const std::optional<StandingRecords>& before,
                              const std::vector<RecordsSeen>& seen, Instant now, double chance) {
    StandingRecords next{.looked_at = now};
    for (const auto& [ca, end] : seen) {
        const bool is_known = before && before->ca == ca;
        const bool is_unseen = !end && is_about_the_ca(end.error());
        if (is_unseen && !is_known) continue;
        if (is_unseen && before->failure) {
            next = *before;
            next.looked_at = now;
            next.failure->next_attempt = now + kAskAgain;
            return next;
        }
        if (!end && !is_unseen) {
            const auto failure = count_failure(is_known ? before->failure : std::nullopt,
                                               base::Error(end.error()).during("authorize"),
                                               {.effort = Effort::Deployment, .now = now, .chance = chance});
            return {.looked_at = now, .failure = failure, .ca = ca};
        }
        const std::optional<acme::RecordEnd>& known = is_unseen ? before->end : *end;
        if (!known || (next.end && next.end->at <= known->at)) continue;
        next.end = known;
        next.ca = ca;
    }
    return next;
}

}  // namespace agent
