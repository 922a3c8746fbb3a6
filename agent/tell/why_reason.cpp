// SPDX-License-Identifier: Apache-2.0
// The reasons of a renewal in plain words.
#include <algorithm>

#include "agent/plan/suggestion.hpp"
#include "agent/tell/status.hpp"
#include "agent/tell/why.hpp"
#include "agent/tell/words.hpp"

namespace agent {

using base::Instant;

namespace {

void add_missing(std::string& text, char sign, const std::vector<std::string>& from,
                 const std::vector<std::string>& in) {
    for (const std::string& name : from) {
        if (std::ranges::find(in, name) == in.end()) text += std::string(" ") + sign + name;
    }
}

std::string or_none(const std::string& text) {
    return text.empty() ? "none" : text;
}

std::string key_change(const OrderedFor& before, const OrderedFor& wanted) {
    if (before.request_key.empty()) return "its key: renewd's own, now that of a request (csr)";
    if (wanted.request_key.empty()) return "its key: that of a request (csr), now renewd's own";
    return "its request (csr) holds another key";
}

std::string suggestion_words(const CertificateStatus& status, const GenerationRecord& current) {
    const Suggestion& said = *status.record.suggestion;
    std::string text = current.ordered_for.ca + " suggests between " + instant_words(*said.start) + " and " +
                       instant_words(*said.end);
    if (said.at && *said.at > latest_renewal(current))
        text += "; that is later than is safe, so it is done when a twentieth of its life is left";
    else if (!status.record.issuance && status.plan.renewal.at > *said.end)
        text += "; those before it were replaced early, too, so this one is kept for a while";
    if (!said.explanation_url.empty()) text += "; the CA explains: " + said.explanation_url;
    return text;
}

std::string share_words(const CertificateConfig& certificate, const GenerationRecord& current, Instant now) {
    // The last second belongs to it (RFC 5280 §4.1.2.5): 90 days are told as 90, not as 89.
    const base::Seconds lifetime = current.not_after - current.not_before;
    const Instant at = renewal_time(certificate, current);
    // Only two shares exist: one third left, or one half.
    const bool is_half = current.not_after - at == lifetime / 2;
    return std::string(is_half ? "1/2" : "2/3") + " of its " + duration_words(lifetime + base::Seconds(1)) +
           (at <= now ? " have passed" : " will have passed");
}

}  // namespace

std::vector<std::string> changes_between(const OrderedFor& before, const OrderedFor& wanted) {
    std::vector<std::string> changes;
    if (before.names != wanted.names) {
        std::string text;
        add_missing(text, '+', wanted.names, before.names);
        add_missing(text, '-', before.names, wanted.names);
        changes.push_back("its names:" + text);
    }
    if (before.request_key != wanted.request_key) changes.push_back(key_change(before, wanted));
    if (before.key_type != wanted.key_type)
        changes.push_back("its key type: " + before.key_type + ", now " + wanted.key_type);
    if (before.profile != wanted.profile)
        changes.push_back("its profile at " + wanted.ca + ": " + or_none(before.profile) + ", now " +
                          or_none(wanted.profile));
    if (before.directory != wanted.directory)
        changes.push_back("the directory of " + wanted.ca + ": " + before.directory + ", now " +
                          wanted.directory);
    if (before.cas != wanted.cas)
        changes.push_back("its CAs: " + or_none(listed(before.cas)) + ", now " + or_none(listed(wanted.cas)));
    return changes;
}

std::string limit_words(const std::vector<LimitLeft>& limits) {
    std::string text;
    for (const LimitLeft& each : limits) {
        const bool is_usual = each.limit->counts == LimitCounts::FailedNames && each.left == each.limit->most;
        if (is_usual) continue;
        text += (text.empty() ? "" : "; ") + std::to_string(each.left) + " left of " + words_of(*each.limit) +
                (each.about.empty() ? "" : " (" + each.about + ")");
        if (each.next_at) text += ", the next one on " + instant_words(*each.next_at);
    }
    return text;
}

std::string reason_words(const CertificateStatus& status, Instant now) {
    const GenerationRecord* current = status.record.wanted();
    switch (status.plan.renewal.reason) {
        case RenewalReason::NeverIssued:
            return "it has never been issued";
        case RenewalReason::Ari:
            return suggestion_words(status, *current);
        case RenewalReason::Lifetime:
            return share_words(*status.config, *current, now);
        case RenewalReason::Configured:
            return "renew = " + duration_words(*status.config->renew_before) +
                   ": so long before it expires, as configured";
        case RenewalReason::Forced:
            return "an order is open and is finished first";
        case RenewalReason::ConfigChanged: {
            const OrderedFor wanted = wanted_instead(*status.config, current->ordered_for);
            return "the configuration has changed " + listed(changes_between(current->ordered_for, wanted));
        }
        case RenewalReason::Revoked:
            break;
    }
    const std::string which = "generation " + std::to_string(current->number);
    if (current->revoked_at)
        return which + " was revoked on " + instant_words(*current->revoked_at) +
               (current->revocation_reason.empty() ? "" : " (" + current->revocation_reason + ")");
    return which + " is to be revoked and needs a successor";
}

}  // namespace agent
