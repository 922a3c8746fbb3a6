// SPDX-License-Identifier: Apache-2.0
// Signed requests (RFC 8555 §6.2), in waves: whatever is open and has a nonce goes at once, whatever has to
// be repeated goes with the next wave. Every answer brings a nonce, so a CA that hands out few slows us down
// and stops nothing.
#include <algorithm>
#include <utility>

#include "acme/jws.hpp"
#include "acme/limits.hpp"
#include "acme/retry.hpp"
#include "acme/session_state.hpp"
#include "base/encoding.hpp"

namespace acme {

using base::Code;
using base::HttpRequest;
using base::HttpResponse;
using base::Result;

/// One call, and what has been tried for it.
struct Session::Attempt {
    Call call{};
    unsigned rejected_nonces = 0;
    base::Steady rejected_since{};  // the first of them
    unsigned sent_again = 0;
    std::string nonce{};         // §6.5: that of the answer which rejected the last one MUST be used
    base::Milliseconds pause{};  // before the next wave
    int status = 0;              // of the last answer; 0: it was lost
    std::optional<Result<HttpResponse>> outcome{};

    void fail(base::Error error) { outcome = base::Failure(std::move(error)); }
};

namespace {

/// Whoever took the first copy of a request took its nonce with it: the second one's rejection says that the
/// first may have been acted on, and nothing of how that went.
base::Error lost_answer(const std::string& ca, const std::string& url) {
    return {
        .code = Code::CaUnreachable,
        .message = "the CA " + ca + ": " + base::printable(url, 200) +
                   ": the connection ended before an answer came, and what was asked may have been heard"};
}

}  // namespace

/// A nonce for each, as far as there are some; whoever gets none waits for the next wave. One gets one, or it
/// is an error.
Result<void> Session::hand_out_nonces(std::vector<Attempt*>& wave) {
    std::vector<Attempt*> without;
    for (Attempt* each : wave) {
        if (!each->nonce.empty()) continue;
        if (auto kept = state_->nonces.take(clock_.steady())) {
            each->nonce = std::move(*kept);
        } else {
            without.push_back(each);
        }
    }
    if (without.empty()) return {};
    const bool may_wait = without.size() < wave.size();
    if (!may_wait || state_->pace.wait(Pace::Kind::Nonce, clock_.steady()) == base::Milliseconds{0}) {
        auto fetched = fetch_nonces(without.size());
        if (!fetched && !may_wait) return base::Failure(std::move(fetched).error());
        for (std::size_t i = 0; fetched && i < fetched->size(); ++i) {
            if (i < without.size()) {
                without[i]->nonce = std::move((*fetched)[i]);
            } else {
                state_->nonces.put((*fetched)[i], clock_.steady());
            }
        }
    }
    std::erase_if(wave, [](const Attempt* each) { return each->nonce.empty(); });
    return {};
}

Result<HttpRequest> Session::signed_request(const Account& account, Attempt& attempt) {
    const std::string& url = attempt.call.url;
    return HttpRequest{.method = "POST",
                       .url = url,
                       .headers = {{"Content-Type", "application/jose+json"}},
                       .body = TRY(sign(account.key, {.url = url,
                                                      .nonce = std::exchange(attempt.nonce, {}),
                                                      .kid = account.url,
                                                      .payload = attempt.call.payload})),
                       .trust = authority_.trust,
                       .body_max = attempt.call.answer_bytes_max};
}

void Session::judge(Attempt& attempt, Result<HttpResponse> response) {
    attempt.status = response ? response->status : 0;
    const std::string fresh = response ? std::string(response->header("replay-nonce")) : std::string();
    if (response && response->status >= 200 && response->status < 300) {
        state_->nonces.put(fresh, clock_.steady());
        attempt.outcome = std::move(response);
        return;
    }
    base::Error error = response ? refusal_of(*response, attempt.call) : response.error();
    if (error.code == Code::CaBadNonce && response->was_sent_again && attempt.call.payload)
        error = lost_answer(authority_.name, attempt.call.url);
    if (error.code == Code::CaBadNonce) {
        const base::Steady now = clock_.steady();
        if (attempt.rejected_nonces++ == 0) attempt.rejected_since = now;
        const bool late = now - attempt.rejected_since >= kNoncePatience;
        if (attempt.rejected_nonces >= kNonceTries || late) return attempt.fail(std::move(error));
        if (is_nonce(fresh)) attempt.nonce = fresh;
        attempt.pause = nonce_pause(attempt.rejected_nonces);
        return;
    }
    state_->nonces.put(fresh, clock_.steady());
    const bool is_gone = attempt.status == 404 || attempt.status == 410;
    if (attempt.call.may_be_gone && is_gone && error.code == Code::CaRefused) {
        attempt.outcome = std::move(response);
        return;
    }
    if (attempt.call.payload || !may_resend(error, ++attempt.sent_again))
        return attempt.fail(std::move(error));
    attempt.pause = pause_before_resend(error, attempt.sent_again);
}

/// One wave: everything in it goes at once, with requests for spare nonces beside it.
void Session::send(const Account& account, std::vector<Attempt*>& wave, std::size_t spare_nonces) {
    std::vector<HttpRequest> requests;
    std::vector<Attempt*> sent;
    for (Attempt* each : wave) {
        auto request = signed_request(account, *each);
        if (!request) {
            each->fail(std::move(request).error());
            continue;
        }
        requests.push_back(std::move(*request));
        sent.push_back(each);
    }
    const std::size_t kept = state_->nonces.count(clock_.steady());
    if (spare_nonces > kept) {
        if (const auto known = directory()) {
            const std::size_t spare =
                state_->pace.take(Pace::Kind::Nonce, spare_nonces - kept, clock_.steady());
            requests.resize(requests.size() + spare, plain_request("HEAD", known->new_nonce));
        }
    }
    auto responses = exchange(std::move(requests));
    for (std::size_t i = 0; i < responses.size(); ++i) {
        auto learnt = learn_from(std::move(responses[i]));
        if (i < sent.size()) {
            judge(*sent[i], std::move(learnt));
        } else if (learnt && learnt->status >= 200 && learnt->status < 300) {
            state_->nonces.put(learnt->header("replay-nonce"), clock_.steady());
        }
    }
}

void Session::settle(const Account& account, std::vector<Attempt>& attempts, std::size_t spare_nonces) {
    while (true) {
        std::vector<Attempt*> wave;
        base::Milliseconds pause{0};
        for (Attempt& each : attempts) {
            if (each.outcome) continue;
            pause = std::max(pause, std::exchange(each.pause, base::Milliseconds{0}));
            wave.push_back(&each);
        }
        if (wave.empty()) return;
        if (pause > base::Milliseconds{0}) clock_.sleep(pause);
        if (auto handed = hand_out_nonces(wave); !handed) {
            for (Attempt* each : wave) each->fail(handed.error());
            return;
        }
        std::size_t granted = 0;
        while ((granted = state_->pace.take(Pace::Kind::Other, wave.size(), clock_.steady())) == 0)
            clock_.sleep(state_->pace.wait(Pace::Kind::Other, clock_.steady()));
        wave.resize(granted);
        send(account, wave, std::exchange(spare_nonces, 0));
    }
}

std::vector<Result<HttpResponse>> Session::post_all(const Account& account, std::vector<Call> calls,
                                                    std::size_t spare_nonces) {
    std::vector<Attempt> attempts;
    attempts.reserve(calls.size());
    for (Call& call : calls) attempts.push_back({.call = std::move(call)});
    settle(account, attempts, spare_nonces);
    std::vector<Result<HttpResponse>> outcomes;
    outcomes.reserve(attempts.size());
    for (Attempt& each : attempts) outcomes.push_back(std::move(*each.outcome));
    return outcomes;
}

Result<HttpResponse> Session::post(const Account& account, const std::string& url,
                                   const std::optional<std::string>& payload, std::size_t names) {
    return post(account, {.url = url, .payload = payload, .names = names});
}

Result<HttpResponse> Session::post(const Account& account, Call call) {
    return std::move(post_all(account, {std::move(call)}).front());
}

Result<Session::Posted> Session::post_to(const Account& account, std::string Directory::* resource,
                                         const std::string& payload, const Besides& besides) {
    return post_to(
        account, resource, [&payload](const std::string&) -> Result<std::string> { return payload; },
        besides);
}

Result<Session::Posted> Session::post_to(const Account& account, std::string Directory::* resource,
                                         const PayloadFor& payload_for, const Besides& besides) {
    std::string url = TRY(directory()).*resource;
    for (bool is_fresh = false;; is_fresh = true) {
        if (url.empty())
            return base::fail(Code::CaProtocol, "the CA " + authority_.name + " offers no such resource");
        std::vector<Attempt> attempts(1);
        attempts[0] = {.call = {.url = url, .payload = TRY(payload_for(url)), .names = besides.names}};
        settle(account, attempts, besides.spare_nonces);
        Result<HttpResponse>& outcome = *attempts[0].outcome;
        if (outcome) return Posted{.response = std::move(*outcome), .url = url};
        // Gone: the CA has moved its resources since the directory was fetched, if it names another URL now.
        const bool is_gone = attempts[0].status == 404 || attempts[0].status == 405;
        if (!is_gone || is_fresh) return base::Failure(std::move(outcome.error()));
        forget_directory();
        const std::string now = TRY(directory()).*resource;
        if (now == url) return base::Failure(std::move(outcome.error()));
        url = now;
    }
}

}  // namespace acme
