// SPDX-License-Identifier: Apache-2.0
#include "agent/tell/causes.hpp"

#include <algorithm>
#include <map>
#include <tuple>

#include "agent/tell/hold_words.hpp"
#include "agent/tell/words.hpp"
#include "base/encoding.hpp"

namespace agent {

using base::Code;
using base::Instant;

namespace {

/// What a CA has found wrong with names, by the type of its problem (RFC 8555 §6.7).
std::string problem_words(const std::string& problem) {
    if (problem == "dns") return "the CA gets no answer from DNS";
    if (problem == "caa") return "CAA does not let the CA issue";
    if (problem == "connection" || problem == "tls") return "the CA cannot connect to verify";
    if (problem == "unauthorized" || problem == "incorrectResponse") return "the CA gets a wrong answer";
    if (problem == "rejectedIdentifier") return "the CA does not issue for these names";
    return {};
}

/// What several certificates have in common, in a few words; empty for what has none but its code.
std::string headline_of(const base::Error& error) {
    switch (error.code) {
        case Code::CaUnreachable:
            return "the CA cannot be reached";
        case Code::CaServerError:
            return "the CA has trouble of its own";
        case Code::CaRateLimited:
            return "a limit is reached";
        case Code::CaPaused:
            return "the CA has paused some names";
        case Code::CaAccountRefused:
        case Code::CaAccountMissing:
            return "the CA does not take our account";
        case Code::CaTermsNotAgreed:
            return "the CA's terms are not agreed to";
        case Code::HostUnreachable:
        case Code::HostTimeout:
            return "the host cannot be reached";
        case Code::HostKeyChanged:
            return "ssh host key has changed";
        case Code::HostKeyUnknown:
            return "ssh host key is not known";
        case Code::HostLoginRefused:
            return "ssh login is refused";
        case Code::HostSudoRefused:
            return "sudo is refused";
        case Code::DeployServiceBroken:
            return "the service's own config test fails";
        case Code::DeployTestFailed:
            return "the config test fails with the new files";
        case Code::DeployReloadFailed:
            return "the reload fails";
        case Code::DeployNotRunning:
            return "the service is not running";
        case Code::DeployContested:
            return "somebody puts back what is deployed";
        case Code::DeployHeld:
            return "paused without an end";
        case Code::VerifyStale:
            return "an earlier generation is still served";
        case Code::VerifyForeign:
            return "somebody else's certificate is served";
        case Code::VerifyExpired:
            return "what is served runs out or has expired";
        case Code::VerifyUnreachable:
            return "nothing answers where it should be served";
        case Code::VerifyUnresolved:
            return "the name does not resolve";
        case Code::ClockWrong:
            return "this machine's clock is ahead";
        case Code::HookFailed:
            return "a hook fails";
        case Code::AgentOverdue:
            return "nobody works on what is due";
        default:
            break;
    }
    const std::string problem = error.problem.substr(error.problem.rfind(':') + 1);
    if (const std::string words = problem_words(problem); !words.empty()) return words;
    return std::string(base::to_string(error.code)) + (problem.empty() ? "" : " (" + problem + ")");
}

std::optional<Instant> earlier(std::optional<Instant> a, std::optional<Instant> b) {
    if (!a || !b) return a ? a : b;
    return std::min(*a, *b);
}

std::optional<Instant> next_attempt(const CertificateStatus& status) {
    std::optional<Instant> next;
    if (status.record.issuance) next = status.record.issuance->next_attempt;
    for (const TargetStatus& target : status.targets) {
        if (target.record.failure) next = earlier(next, target.record.failure->next_attempt);
        if (target.held) next = earlier(next, target.held->over_at());
    }
    return next;
}

/// The cause of one certificate's state, as if it were alone.
Cause own_cause(const CertificateStatus& status, char mark) {
    Cause cause{.mark = mark, .first_expiry = expiry_of(status), .next = next_attempt(status)};
    if (mark == '!') {
        const Attention& attention = *status.attention;
        cause.id = attention.cause;
        cause.code = base::to_string(attention.error.code);
        if (cause.id.starts_with(cause.code + "/")) cause.subject = cause.id.substr(cause.code.size() + 1);
        if (attention.error.problem.ends_with(":" + cause.subject)) cause.subject.clear();
        cause.headline = headline_of(attention.error);
        cause.message = attention.error.message;
        cause.hint = attention.error.hint;
        cause.since = attention.since;
        cause.is_critical = attention.is_critical;
    } else if (mark == '=') {
        const Hold* hold = status.held ? &*status.held : nullptr;
        cause.id = hold == nullptr ? "held" : std::string(to_string(hold->by)) + "/" + hold->reason;
        cause.headline = hold == nullptr ? "held" : hold->reason;
        cause.hint =
            hold != nullptr && hold->by == HoldBy::Limit ? "renewd forecast" : "renewd deploy NAME --now";
        cause.since = status.record.wanted() == nullptr ? Instant{} : status.record.wanted()->issued_at;
        if (hold != nullptr && hold->by == HoldBy::Pause && status.record.pause) {
            const Pause& pause = *status.record.pause;
            cause.headline = base::printable(
                "paused by " + pause.by + (pause.reason.empty() ? "" : ": " + pause.reason), 200);
            cause.since = pause.since;
        }
    } else {
        cause.id = to_string(status.state);
        cause.headline = to_string(status.state);
        cause.hint = "renewd status --watch";
        cause.since =
            status.record.wanted() == nullptr ? status.record.first_seen : status.record.wanted()->issued_at;
    }
    return cause;
}

}  // namespace

char mark_of(const CertificateStatus& status) {
    if (status.attention) return '!';
    if (status.state == CertificateState::Held) return '=';
    return status.state == CertificateState::Renewing || status.state == CertificateState::Deploying ? '~'
                                                                                                     : ' ';
}

std::optional<Instant> expiry_of(const CertificateStatus& status) {
    const GenerationRecord* wanted = status.record.wanted();
    if (wanted == nullptr) return std::nullopt;
    return status.served.oldest_not_after.value_or(wanted->not_after);
}

std::optional<Instant> looked_at(const CertificateStatus& status) {
    std::optional<Instant> last;
    for (const TargetStatus& target : status.targets) last = std::max(last, target.record.verified_at);
    return last;
}

std::string command_of(const Cause& cause) {
    const std::size_t at = cause.hint.find("renewd ");
    if (at == std::string::npos) return "renewd why " + cause.names.front();
    const std::string rest = cause.hint.substr(at);
    // A command for one certificate does not mend the others.
    const bool is_for_one = cause.names.size() > 1 && rest.find(cause.names.front()) != std::string::npos;
    return is_for_one ? "renewd why " + cause.names.front() : rest;
}

std::vector<Cause> causes_of(const Overview& overview) {
    std::map<std::string, Cause> by_id;
    for (const CertificateStatus& status : overview.certificates) {
        const char mark = mark_of(status);
        if (mark == ' ') continue;
        Cause own = own_cause(status, mark);
        auto [known, is_new] = by_id.try_emplace(std::string(1, mark) + own.id, own);
        Cause& cause = known->second;
        cause.names.push_back(status.record.name);
        cause.since = std::min(cause.since, own.since);
        cause.first_expiry = earlier(cause.first_expiry, own.first_expiry);
        cause.next = earlier(cause.next, own.next);
        cause.is_critical = cause.is_critical || own.is_critical;
    }
    std::vector<Cause> causes;
    causes.reserve(by_id.size());
    for (auto& [id, cause] : by_id) {
        if (cause.names.size() > 1 || cause.message.empty())
            cause.message = (cause.subject.empty() ? "" : cause.subject + ": ") + cause.headline;
        causes.push_back(std::move(cause));
    }
    const auto rank = [](const Cause& c) { return c.mark == '!' ? 0 : c.mark == '~' ? 1 : 2; };
    std::ranges::sort(causes, [&](const Cause& a, const Cause& b) {
        return std::tuple(rank(a), !a.is_critical, b.names.size(), a.id) <
               std::tuple(rank(b), !b.is_critical, a.names.size(), b.id);
    });
    return causes;
}

}  // namespace agent
