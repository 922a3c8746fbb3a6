// SPDX-License-Identifier: Apache-2.0
#include "acme/authorize.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "acme/jws.hpp"
#include "acme/limits.hpp"
#include "acme/problem.hpp"
#include "acme/wire.hpp"
#include "base/encoding.hpp"
#include "base/parallel.hpp"

namespace acme {
namespace {

using base::Code;
using base::Result;

constexpr std::string_view kDnsPersist = "dns-persist-01";
constexpr base::Milliseconds kAnswerPatience{1'000};  // by then a CA that was told has mostly looked

/// Work that stands open for one name.
struct Open {
    Authorization authorization{};
    Challenge challenge{};
    Solver* solver = nullptr;
    ChallengeTask task{};
};

/// All of them at once, in the order of the URLs (which means nothing); in waves where there are more than an
/// honest CA has, so that not all of their bodies are held.
std::vector<Result<Authorization>> fetch_all(const Flow& flow, const std::vector<std::string>& urls) {
    std::vector<Result<Authorization>> fetched;
    while (fetched.size() < urls.size()) {
        const std::size_t end = std::min(urls.size(), fetched.size() + kAuthorizationsAtOnce);
        std::vector<Call> calls;
        for (std::size_t i = fetched.size(); i < end; ++i)
            calls.push_back({.url = urls[i], .answer_bytes_max = kAuthorizationBytesMax});
        for (auto& answer : flow.ask_all(std::move(calls))) {
            const std::string& url = urls[fetched.size()];
            if (!answer) {
                fetched.emplace_back(base::Failure(std::move(answer).error()));
                continue;
            }
            auto authorization = parse_authorization(answer->body, url);
            if (!authorization) authorization = flow.sent_from(url, std::move(authorization).error());
            fetched.push_back(std::move(authorization));
        }
    }
    return fetched;
}

/// Which of several names it is about; the only one is the certificate's, which is told by others.
base::Failure about(const Flow& flow, const Open& open, base::Error error) {
    const bool is_only_one = flow.request.names.size() == 1;
    return base::Failure(is_only_one ? std::move(error)
                                     : std::move(error).within(open.task.identifier.value));
}

/// The first error of work done on each; nothing if all went well.
Result<void> for_each_at_once(const Flow& flow, std::vector<Open>& all,
                              const std::function<Result<void>(Open&)>& work) {
    std::vector<Result<void>> results(all.size());
    base::in_parallel(all.size(), kAtOnce, [&](std::size_t i) { results[i] = work(all[i]); });
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (!results[i]) return about(flow, all[i], std::move(results[i].error()));
    }
    return {};
}

std::string offered_types(const Authorization& authorization) {
    std::string out;
    for (const Challenge& each : authorization.challenges) out += (out.empty() ? "" : ", ") + each.type;
    return out.empty() ? "nothing" : base::printable(out, 200);
}

Result<ChallengeTask> make_task(const Flow& flow, const base::Identifier& name, const Challenge& challenge) {
    ChallengeTask task{.identifier = name, .account_url = flow.account.url};
    if (challenge.type == kDnsPersist) {
        // acme-dns-persist §4: no token, and the names of the CA in its place.
        task.issuer_domains = challenge.issuer_domains;
        if (!task.issuer_domains.empty()) return task;
        return base::fail(Code::CaProtocol,
                          "the CA " + flow.ca() + " sent a dns-persist-01 challenge for " + name.value +
                              " whose issuer-domain-names are none, more than ten, or no domain names");
    }
    if (!base::is_base64url(challenge.token, kTokenBytesMax)) {
        return base::fail(Code::CaProtocol, "the CA " + flow.ca() + " sent a token for " + name.value +
                                                " that is none: \"" + base::printable(challenge.token, 80) +
                                                "\"");
    }
    task.token = challenge.token;
    task.key_authorization = key_authorization(challenge.token, flow.account.key);
    return task;
}

/// The challenge that the configured solver answers, with its token checked before anybody makes a path of
/// it.
Result<Open> choose(const Flow& flow, Authorization authorization) {
    const base::Identifier& name = authorization.identifier;
    if (std::ranges::find(flow.request.names, name) == flow.request.names.end()) {
        return base::fail(Code::CaProtocol, "the CA " + flow.ca() + " wants an authorization for " +
                                                base::printable(name.value, 253) +
                                                ", which was not asked for");
    }
    Solver* solver = flow.effects.solver_for(name);
    if (solver == nullptr) {
        return base::fail(Code::SolverNone, "no solver takes " + name.value,
                          "the CA offers " + offered_types(authorization) +
                              "; name a solver with `solver = …` or `for = [\"" + name.value + "\"]`");
    }
    const auto challenge = std::ranges::find(authorization.challenges, solver->type(), &Challenge::type);
    if (challenge == authorization.challenges.end()) {
        return base::fail(Code::SolverNone,
                          "the solver for " + name.value + " answers " + std::string(solver->type()) +
                              ", but the CA " + flow.ca() + " offers " + offered_types(authorization),
                          name.is_wildcard() ? "a wildcard needs a solver of type dns-01, dns-account-01 or "
                                               "dns-persist-01"
                                             : "");
    }
    ChallengeTask task = TRY(make_task(flow, name, *challenge));
    Challenge chosen = std::move(*challenge);
    return Open{.authorization = std::move(authorization),
                .challenge = std::move(chosen),
                .solver = solver,
                .task = std::move(task)};
}

/// The authorizations that somebody has to do something for. Valid ones are left alone (§7.1.4: they may be
/// reused).
Result<std::vector<Open>> find_open(const Flow& flow, const Order& order) {
    std::vector<Open> open;
    for (Result<Authorization>& each : fetch_all(flow, order.authorizations)) {
        Authorization authorization = TRY(std::move(each));
        switch (authorization.status) {
            case AuthorizationStatus::Valid:
                break;
            case AuthorizationStatus::Pending:
            case AuthorizationStatus::Unknown:
                open.push_back(TRY(choose(flow, std::move(authorization))));
                break;
            case AuthorizationStatus::Invalid:
            case AuthorizationStatus::Deactivated:
            case AuthorizationStatus::Expired:
            case AuthorizationStatus::Revoked:
                return base::fail(Code::CaOrderGone, "the order " + base::printable(order.url, 200) +
                                                         " at CA " + flow.ca() +
                                                         " cannot succeed any more: its authorization for " +
                                                         authorization.identifier.value + " has ended");
        }
    }
    return open;
}

/// One write for all of them: where this process is killed from here on, another one knows what to take away.
Result<void> announce(const Flow& flow, const std::vector<Open>& open) {
    if (!flow.effects.about_to_present) return {};
    std::vector<ChallengeTask> tasks;
    for (const Open& each : open) {
        if (each.solver->outlives_us()) tasks.push_back(each.task);
    }
    return tasks.empty() ? Result<void>{} : flow.effects.about_to_present(tasks);
}

/// Each solver waits once for all that it has presented, and they wait beside one another.
Result<void> wait_until_seen(const std::vector<Open>& open) {
    std::map<Solver*, std::vector<ChallengeTask>> tasks;
    for (const Open& each : open) tasks[each.solver].push_back(each.task);
    const std::vector<std::pair<Solver*, std::vector<ChallengeTask>>> waits(tasks.begin(), tasks.end());
    std::vector<Result<void>> results(waits.size());
    base::in_parallel(waits.size(), kAtOnce,
                      [&](std::size_t i) { results[i] = waits[i].first->wait_until_seen(waits[i].second); });
    for (Result<void>& result : results) TRY(std::move(result));
    return {};
}

/// Is its challenge still to be answered, as the CA sees it?
Result<bool> is_pending(const Flow& flow, const Open& open) {
    Result<Authorization> looked = std::move(fetch_all(flow, {open.authorization.url}).front());
    const Authorization now = TRY(std::move(looked));
    const auto found = std::ranges::find(now.challenges, open.challenge.url, &Challenge::url);
    return found != now.challenges.end() && found->status == ChallengeStatus::Pending;
}

/// §7.5.1: the body is exactly {}. A lost request may have been heard, and one that was sent twice is refused
/// the second time: the challenge is looked at before it is said again. A CA that wants to be left alone is.
Result<void> answer_again(const Flow& flow, const Open& open, base::Error error) {
    const bool heard_or_lost = error.code == Code::CaUnreachable || error.code == Code::CaServerError ||
                               error.code == Code::CaProtocol || error.code == Code::CaRefused;
    const bool wants_peace = error.retry_at && *error.retry_at - flow.session.clock().now() > kResendWaitMax;
    if (!heard_or_lost || wants_peace) return base::Failure(std::move(error));
    if (!TRY(is_pending(flow, open))) return {};
    if (error.code == Code::CaRefused) return base::Failure(std::move(error));
    // Pebble and others show it as pending while they look. To be told twice makes them look twice, the
    // second time maybe when it is answered and gone.
    flow.session.clock().sleep(kAnswerPatience);
    if (!TRY(is_pending(flow, open))) return {};
    TRY(flow.ask({.url = open.challenge.url, .payload = "{}"}));
    return {};
}

/// Every challenge that is still to be answered, at once; and how long the CA took to take the answers.
Result<base::Milliseconds> answer_all(const Flow& flow, const std::vector<Open>& open) {
    std::vector<const Open*> unanswered;
    std::vector<Call> calls;
    for (const Open& each : open) {
        if (each.challenge.status != ChallengeStatus::Pending) continue;
        unanswered.push_back(&each);
        calls.push_back(
            {.url = each.challenge.url, .payload = "{}", .answer_bytes_max = kAuthorizationBytesMax});
    }
    const base::Steady began = flow.session.clock().steady();
    auto answers = flow.ask_all(std::move(calls));
    const auto took = std::chrono::duration_cast<base::Milliseconds>(flow.session.clock().steady() - began);
    for (std::size_t i = 0; i < answers.size(); ++i) {
        if (answers[i]) continue;
        const Result<void> said = answer_again(flow, *unanswered[i], std::move(answers[i]).error());
        if (!said) return about(flow, *unanswered[i], said.error());
    }
    return took;
}

/// Why a failed authorization failed: its challenge knows.
FailedName failure_of(const Authorization& authorization) {
    FailedName failed{.name = authorization.identifier.value};
    for (const Challenge& each : authorization.challenges) {
        if (!each.error) continue;
        failed.problem = *each.error;
        failed.challenge = each.type;
        return failed;
    }
    switch (authorization.status) {
        case AuthorizationStatus::Expired:
            failed.problem.detail = "its authorization expired";
            break;
        case AuthorizationStatus::Deactivated:
            failed.problem.detail = "its authorization was deactivated";
            break;
        case AuthorizationStatus::Revoked:
            failed.problem.detail = "its authorization was revoked";
            break;
        case AuthorizationStatus::Pending:
        case AuthorizationStatus::Valid:
        case AuthorizationStatus::Invalid:
        case AuthorizationStatus::Unknown:
            break;
    }
    return failed;
}

/// smallstep's CA leaves an authorization pending when a challenge has failed: another one might be answered.
/// We answer one.
bool has_failed(const Authorization& authorization) {
    const AuthorizationStatus status = authorization.status;
    if (status == AuthorizationStatus::Pending)
        return std::ranges::find(authorization.challenges, ChallengeStatus::Invalid, &Challenge::status) !=
               authorization.challenges.end();
    return status == AuthorizationStatus::Invalid || status == AuthorizationStatus::Deactivated ||
           status == AuthorizationStatus::Expired || status == AuthorizationStatus::Revoked;
}

}  // namespace

void Presented::add(Solver& solver, const ChallengeTask& task) {
    const std::scoped_lock lock(mutex_);
    tasks_.emplace_back(&solver, task);
}

void Presented::clean_up() {
    const std::scoped_lock lock(mutex_);
    for (const auto& [solver, task] : tasks_) {
        if (auto done = solver->clean_up(task); !done) {
            flow_.tell("authorize",
                       task.identifier.value + ": a challenge was left behind: " + done.error().message);
            if (flow_.effects.left_behind) flow_.effects.left_behind(task, done.error());
        } else if (solver->outlives_us() && flow_.effects.taken_away) {
            flow_.effects.taken_away(task);
        }
    }
    tasks_.clear();
}

Result<base::Milliseconds> answer_challenges(const Flow& flow, const Order& order, Presented& presented) {
    std::vector<Open> open = TRY(find_open(flow, order));
    const std::size_t names = order.authorizations.size();
    flow.tell("authorize", std::to_string(names - open.size()) + "/" + std::to_string(names) + " names");
    TRY(announce(flow, open));
    TRY(for_each_at_once(flow, open, [&](Open& each) {
        presented.add(*each.solver, each.task);
        return each.solver->present(each.task);
    }));
    TRY(wait_until_seen(open));
    // Only now, that all of them are up: the first answer makes the CA look.
    return answer_all(flow, open);
}

std::optional<base::Error> find_failures(const Flow& flow, const Order& order) {
    std::vector<FailedName> failed;
    for (const Result<Authorization>& each : fetch_all(flow, order.authorizations)) {
        if (!each || !has_failed(*each)) continue;
        failed.push_back(failure_of(*each));
    }
    if (failed.empty()) return std::nullopt;
    std::ranges::sort(failed, {}, &FailedName::name);
    if (flow.effects.names_failed) {
        std::vector<std::string> names;
        names.reserve(failed.size());
        for (const FailedName& each : failed) names.push_back(each.name);
        flow.effects.names_failed(names);
    }
    return validation_failed(flow.ca(), failed, flow.request.names.size());
}

}  // namespace acme
