// SPDX-License-Identifier: Apache-2.0
// Judges what was seen, purely. Every path ends in a verdict by name and none falls through to Serving
// (security.md S15: verification code has no default that says yes).
#include "deployers/probe/verdict.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "base/encoding.hpp"
#include "base/identifier.hpp"

namespace deployers {
namespace {

struct VerdictName {
    Verdict verdict;
    std::string_view text;
};

constexpr std::array kNames = {
    VerdictName{.verdict = Verdict::Serving, .text = "serving"},
    VerdictName{.verdict = Verdict::NotReachableFromHere, .text = "not_reachable_from_here"},
    VerdictName{.verdict = Verdict::Stale, .text = "stale"},
    VerdictName{.verdict = Verdict::IncompleteChain, .text = "incomplete_chain"},
    VerdictName{.verdict = Verdict::Untrusted, .text = "untrusted"},
    VerdictName{.verdict = Verdict::NameMismatch, .text = "name_mismatch"},
    VerdictName{.verdict = Verdict::Expired, .text = "expired"},
    VerdictName{.verdict = Verdict::Foreign, .text = "foreign"},
    VerdictName{.verdict = Verdict::HandshakeFailed, .text = "handshake_failed"},
    VerdictName{.verdict = Verdict::Unreachable, .text = "unreachable"},
    VerdictName{.verdict = Verdict::Unresolved, .text = "unresolved"},
    // After its namesake, which is what the word is read as: who reads it later need not know the difference.
    VerdictName{.verdict = Verdict::NotLooked, .text = "unreachable"},
};

// Names of a strange certificate that are worth showing; a shared host's can have a hundred.
constexpr std::size_t kNamesShown = 3;

std::string span(base::Seconds length) {
    using std::chrono::duration_cast;
    const auto days = duration_cast<std::chrono::days>(length).count();
    if (days >= 2) return std::to_string(days) + " days";
    const auto hours = duration_cast<std::chrono::hours>(length).count();
    if (hours >= 2) return std::to_string(hours) + " hours";
    return std::to_string(duration_cast<std::chrono::minutes>(length).count()) + " min";
}

std::string date(base::Instant instant) {
    return base::format_instant(instant).substr(0, 10);
}

/// "expires in 3 days (2026-11-24)", "expired 2 hours ago (2026-11-21)".
std::string expiry(base::Instant not_after, base::Instant now) {
    if (not_after <= now) return "expired " + span(now - not_after) + " ago (" + date(not_after) + ")";
    return "expires in " + span(not_after - now) + " (" + date(not_after) + ")";
}

std::string names_of(const base::Certificate& leaf) {
    const std::vector<base::Identifier> names = leaf.names();
    if (names.empty()) return "no name at all";
    std::string text;
    for (std::size_t i = 0; i < names.size() && i < kNamesShown; ++i)
        text += (i == 0 ? "" : ", ") + base::printable(names[i].value, 100);
    if (names.size() > kNamesShown) text += " and " + std::to_string(names.size() - kNamesShown) + " more";
    return text;
}

std::string issuer_of(const base::Certificate& certificate) {
    return base::printable(certificate.issuer(), 200);
}

bool covers_name(const base::Certificate& leaf, const std::string& sni) {
    const auto wanted = base::parse_identifier(sni);
    // What is no name cannot be covered: unknown is not good.
    if (!wanted) return false;
    return std::ranges::any_of(leaf.names(),
                               [&](const base::Identifier& name) { return base::covers(name, *wanted); });
}

struct Judged {
    Verdict verdict;
    std::string error;
};

Judged judge_leaf_of_ours(const base::Chain& served, const Expectation& expectation,
                          const base::Anchors& anchors, base::Instant now) {
    const base::Certificate& leaf = served.front();
    if (leaf.not_after() <= now)
        return {.verdict = Verdict::Expired,
                .error = "serves a certificate that " + expiry(leaf.not_after(), now)};
    if (!expectation.sni.empty() && !covers_name(leaf, expectation.sni))
        return {.verdict = Verdict::NameMismatch,
                .error = "serves a certificate that does not cover " + base::printable(expectation.sni, 200) +
                         "; it is for " + names_of(leaf)};
    switch (anchors.judge(served, now)) {
        case base::Anchors::Judgement::Trusted:
            return {.verdict = Verdict::Serving, .error = {}};
        case base::Anchors::Judgement::IncompleteChain:
            return {.verdict = Verdict::IncompleteChain,
                    .error = "the chain it sends is incomplete: the certificate of \"" +
                             issuer_of(served.back()) + "\" is missing"};
        case base::Anchors::Judgement::Untrusted:
            break;
    }
    return {.verdict = Verdict::Untrusted,
            .error = "the chain it sends leads to no root that is trusted here; it ends at \"" +
                     issuer_of(served.back()) + "\""};
}

Judged judge_chain(const base::Chain& served, const Expectation& expectation, const base::Anchors& anchors,
                   base::Instant now) {
    const base::Certificate& leaf = served.front();
    const std::string digest = leaf.sha256();
    if (expectation.sha256.empty() || digest == expectation.sha256)
        return judge_leaf_of_ours(served, expectation, anchors, now);
    const auto earlier = std::ranges::find(expectation.earlier, digest, &EarlierLeaf::sha256);
    if (earlier != expectation.earlier.end()) {
        const std::string which = earlier->generation == 0
                                      ? "the one that "
                                      : "generation " + std::to_string(earlier->generation) + ", which ";
        return {.verdict = Verdict::Stale, .error = "still serves " + which + expiry(leaf.not_after(), now)};
    }
    return {.verdict = Verdict::Foreign,
            .error = "serves a certificate that is not ours: for " + names_of(leaf) + ", issued by \"" +
                     issuer_of(leaf) + "\", " + expiry(leaf.not_after(), now)};
}

AddressVerdict judge_one(const Observation& seen, const Expectation& expectation,
                         const base::Anchors& anchors, base::Instant now) {
    AddressVerdict result{.address = seen.address, .error = seen.detail};
    switch (seen.kind) {
        case Observation::Kind::NoRoute:
            result.verdict = Verdict::NotReachableFromHere;
            return result;
        case Observation::Kind::NotLooked:
            result.verdict = Verdict::NotLooked;
            return result;
        case Observation::Kind::Refused:
        case Observation::Kind::TimedOut:
            result.verdict = Verdict::Unreachable;
            return result;
        case Observation::Kind::HandshakeFailed:
            result.verdict = Verdict::HandshakeFailed;
            return result;
        case Observation::Kind::Handshake:
            break;
    }
    if (seen.chain.empty()) {
        result.verdict = Verdict::HandshakeFailed;
        result.error = "the server sent no certificate";
        return result;
    }
    result.sha256 = seen.chain.front().sha256();
    result.not_after = seen.chain.front().not_after();
    Judged judged = judge_chain(seen.chain, expectation, anchors, now);
    result.verdict = judged.verdict;
    result.error = std::move(judged.error);
    return result;
}

struct Advice {
    base::Code code;
    std::string hint;
};

Advice advice_for(Verdict worst, std::string_view certificate) {
    using base::Code;
    const std::string name(certificate);
    const std::string verify = "renewd verify " + name;
    switch (worst) {
        case Verdict::Stale:
            return {.code = Code::VerifyStale, .hint = "renewd deploy " + name};
        case Verdict::IncompleteChain:
            return {.code = Code::VerifyIncompleteChain,
                    .hint =
                        "the server has to be given `fullchain`, not `cert` alone; or, for a CA of your own, "
                        "name its "
                        "root in the target's `roots`; then  " +
                        verify};
        case Verdict::Untrusted:
            return {.code = Code::VerifyUntrusted,
                    .hint = "for a CA of your own name its root in the target's `roots`; then  " + verify};
        case Verdict::NameMismatch:
            return {.code = Code::VerifyNameMismatch,
                    .hint = "add the name to `names`, or correct the endpoint (sni=NAME); then  " + verify};
        case Verdict::Expired:
            return {.code = Code::VerifyExpired, .hint = "renewd renew " + name + " --force"};
        case Verdict::Foreign:
            return {
                .code = Code::VerifyForeign,
                .hint =
                    "see which server and which of its sites answers there, or correct `endpoints`; then  " +
                    verify};
        case Verdict::HandshakeFailed:
            return {.code = Code::VerifyHandshakeFailed, .hint = "see the service's log; then  " + verify};
        case Verdict::Unresolved:
            return {
                .code = Code::VerifyUnresolved,
                .hint =
                    "correct the host of the endpoint, or its DNS, or give its address (address=IP); then  " +
                    verify};
        case Verdict::NotLooked:
            return {
                .code = Code::VerifyUnreachable,
                .hint = "see what this machine is short of (for renewd: LimitNOFILE= of its unit); then  " +
                        verify};
        case Verdict::NotReachableFromHere:
            return {
                .code = Code::VerifyUnreachable,
                .hint = "give an address that has a route from here (address=IP), or leave the endpoint out"};
        case Verdict::Serving:
        case Verdict::Unreachable:
            break;
    }
    return {.code = Code::VerifyUnreachable,
            .hint = "see whether the service runs and a firewall lets this machine in; then  " + verify};
}

bool counts(const AddressVerdict& address) {
    return address.verdict != Verdict::NotReachableFromHere;
}

}  // namespace

std::string_view to_string(Verdict verdict) {
    const auto* name = std::ranges::find(kNames, verdict, &VerdictName::verdict);
    return name->text;
}

std::optional<Verdict> parse_verdict(std::string_view text) {
    const auto* name = std::ranges::find(kNames, text, &VerdictName::text);
    if (name == kNames.end()) return std::nullopt;
    return name->verdict;
}

AddressVerdict judge(const std::vector<Observation>& observations, const Expectation& expectation,
                     const base::Anchors& anchors, base::Instant now) {
    std::vector<AddressVerdict> judged;
    judged.reserve(observations.size());
    for (const Observation& seen : observations) judged.push_back(judge_one(seen, expectation, anchors, now));
    const auto worst = std::ranges::max_element(judged, {}, &AddressVerdict::verdict);
    if (worst == judged.end()) return {.verdict = Verdict::Unreachable, .error = "nobody has looked"};
    const auto alike = std::ranges::count(judged, worst->verdict, &AddressVerdict::verdict);
    AddressVerdict result = *worst;
    if (result.verdict != Verdict::Serving && std::cmp_less(alike, judged.size()))
        result.error =
            std::to_string(alike) + " of " + std::to_string(judged.size()) + " connections: " + result.error;
    return result;
}

EndpointVerdict combine(std::string endpoint, std::vector<AddressVerdict> addresses) {
    EndpointVerdict result{
        .endpoint = std::move(endpoint), .verdict = Verdict::Unresolved, .addresses = std::move(addresses)};
    if (result.addresses.empty()) return result;
    result.verdict = Verdict::NotReachableFromHere;
    if (std::ranges::any_of(result.addresses, counts)) result.verdict = Verdict::Serving;
    for (const AddressVerdict& address : result.addresses)
        if (counts(address)) result.verdict = std::max(result.verdict, address.verdict);
    return result;
}

bool all_serving(const std::vector<EndpointVerdict>& endpoints) {
    return !endpoints.empty() && std::ranges::all_of(endpoints, [](const EndpointVerdict& endpoint) {
        return endpoint.verdict == Verdict::Serving;
    });
}

bool shows_a_fault(const std::vector<EndpointVerdict>& endpoints) {
    return std::ranges::any_of(
        endpoints, [](const EndpointVerdict& endpoint) { return endpoint.verdict > Verdict::Unresolved; });
}

std::string describe(const std::vector<EndpointVerdict>& endpoints) {
    std::size_t looked = 0;
    std::size_t serving = 0;
    std::vector<std::string> others;
    for (const EndpointVerdict& endpoint : endpoints) {
        if (endpoint.addresses.empty()) others.push_back(endpoint.endpoint + ": its host does not resolve");
        for (const AddressVerdict& address : endpoint.addresses) {
            // A family without a route matters only where it is all there is.
            if (!counts(address) && endpoint.verdict != Verdict::NotReachableFromHere) continue;
            if (address.verdict != Verdict::Unresolved) ++looked;  // the others are addresses
            if (address.verdict == Verdict::Serving) {
                ++serving;
                continue;
            }
            others.push_back(address.address + ": " + address.error);
        }
    }
    std::string text;
    if (looked > 0)
        text = std::to_string(serving) + " of " + std::to_string(looked) +
               (looked == 1 ? " address serves what it should" : " addresses serve what they should");
    constexpr std::size_t kOthersShown = 5;
    for (std::size_t i = 0; i < others.size() && i < kOthersShown; ++i)
        text += (text.empty() ? "" : "; ") + others[i];
    if (others.size() > kOthersShown)
        text += "; and " + std::to_string(others.size() - kOthersShown) + " more";
    return text;
}

std::optional<base::Error> error_of(const std::vector<EndpointVerdict>& endpoints,
                                    std::string_view certificate) {
    if (endpoints.empty() || all_serving(endpoints)) return std::nullopt;
    const Verdict worst = std::ranges::max(endpoints, {}, &EndpointVerdict::verdict).verdict;
    Advice advice = advice_for(worst, certificate);
    return base::Error{.code = advice.code,
                       .message = describe(endpoints),
                       .hint = std::move(advice.hint),
                       .step = "verify"};
}

}  // namespace deployers
