// SPDX-License-Identifier: Apache-2.0
// What a session knows of its CA: the directory, nonces, the clock. Signed requests are session_post.cpp's.
#include "acme/session.hpp"

#include <algorithm>
#include <mutex>
#include <utility>

#include "acme/limits.hpp"
#include "acme/problem.hpp"
#include "acme/retry.hpp"
#include "acme/session_state.hpp"
#include "acme/url.hpp"
#include "acme/wire.hpp"
#include "base/encoding.hpp"

namespace acme {

using base::Code;
using base::HttpRequest;
using base::HttpResponse;
using base::Result;

Session::Session(Authority authority, base::Transport& transport, base::Clock& clock, DirectoryShelf shelf)
    : authority_(std::move(authority)),
      transport_(transport),
      clock_(clock),
      shelf_(std::move(shelf)),
      state_(std::make_unique<State>(has_known_rates(authority_.directory), authority_.patience)) {}

Session::~Session() = default;

std::optional<base::Seconds> Session::clock_skew() const {
    const auto seen = seen_date();
    if (!seen) return std::nullopt;
    return seen->date - seen->now;
}

std::optional<Session::SeenDate> Session::seen_date() const {
    const std::scoped_lock lock(state_->skew_mutex);
    return state_->seen_date;
}

std::vector<Result<HttpResponse>> Session::exchange(std::vector<HttpRequest> requests) {
    const auto left = state_->contact.begin(clock_.steady());
    if (left == base::Milliseconds{0}) {
        const base::Error silence{.code = Code::NetTimeout,
                                  .message = "it could not be reached just now (" +
                                             state_->contact.why_silent() +
                                             "), and is not asked again for a moment"};
        return std::vector<Result<HttpResponse>>(requests.size(), base::Failure(silence));
    }
    for (HttpRequest& request : requests) {
        request.deadline = std::min(request.deadline, left.value_or(request.deadline));
        request.connect_deadline = std::min(request.connect_deadline, request.deadline);
    }
    auto answers = transport_.exchange_all(requests);
    if (std::ranges::any_of(answers, [](const auto& answer) { return answer.has_value(); })) {
        state_->contact.answered();
    } else if (!answers.empty()) {
        state_->contact.unanswered(answers.front().error().message);
    }
    return answers;
}

/// What every answer teaches us: the CA's clock, that it wants us slower, and that after an I/O error no
/// nonce is good.
Result<HttpResponse> Session::learn_from(Result<HttpResponse> response) {
    if (!response) {
        state_->nonces.clear();
        base::Error error = std::move(response).error();
        const bool lost = error.code == Code::NetUnreachable || error.code == Code::NetTimeout;
        if (lost) error.code = Code::CaUnreachable;
        return base::Failure(std::move(error).within("the CA " + authority_.name));
    }
    if (response->status == 429 || response->status == 503) state_->pace.complained();
    if (const auto date = base::parse_http_date(response->header("date"))) {
        const std::scoped_lock lock(state_->skew_mutex);
        state_->seen_date = SeenDate{.date = *date, .now = clock_.now(), .at = clock_.steady()};
    }
    return response;
}

base::Error Session::refusal_of(const HttpResponse& response, const Call& call) {
    const base::Instant now = clock_.now();
    RefusalContext context{.ca = authority_.name,
                           .names = call.names,
                           .changes_key = call.changes_key,
                           .terms_url = find_link(response, "terms-of-service")};
    if (const auto wait = retry_after_of(response, now)) context.retry_at = now + *wait;
    return refusal(parse_problem(response.body, response.status), context);
}

/// A request that changes nothing is sent again after a lost answer, and after a hiccup that the CA expects
/// to be short.
bool Session::may_resend(const base::Error& error, unsigned tries) {
    // Asked in any case: it is here that a CA is given up on.
    const bool was_last = tries > kResends;
    if (error.code == Code::CaUnreachable) return state_->contact.has_time(clock_.steady(), was_last);
    if (was_last) return false;
    return error.code == Code::CaServerError &&
           (!error.retry_at || *error.retry_at - clock_.now() <= kResendWaitMax);
}

/// Ours, but not less than the CA asks for.
base::Milliseconds Session::pause_before_resend(const base::Error& error, unsigned tries) const {
    const base::Milliseconds pause = resend_pause(tries);
    return error.retry_at ? std::max<base::Milliseconds>(pause, *error.retry_at - clock_.now()) : pause;
}

HttpRequest Session::plain_request(const std::string& method, const std::string& url) const {
    return {.method = method,
            .url = url,
            .trust = authority_.trust,
            .body_max = kAnswerBytesMax,
            .redirects_max = 3};
}

/// GET or HEAD, unsigned: the directory and newNonce.
Result<HttpResponse> Session::get(const std::string& method, const std::string& url) {
    const HttpRequest request = plain_request(method, url);
    for (unsigned tries = 1;; ++tries) {
        auto response = learn_from(std::move(exchange({request}).front()));
        if (response && response->status >= 200 && response->status < 300) return response;
        base::Error error = response ? refusal_of(*response, {}) : response.error();
        if (!may_resend(error, tries)) return base::Failure(std::move(error));
        clock_.sleep(pause_before_resend(error, tries));
    }
}

// --- the directory

Result<Directory> Session::fetch_directory() {
    if (!authority_.directory.starts_with("https://")) {
        return base::fail(Code::NetRefusedScheme,
                          "the directory of CA " + authority_.name + ", " +
                              base::printable(authority_.directory, 200) + ", is not an https URL",
                          "ACME is spoken over https only; for a private CA name its anchors with `roots`");
    }
    auto response = get("GET", authority_.directory);
    if (!response) {
        base::Error error = std::move(response).error();
        // Whoever refuses to show a directory is no CA: a wrong path, a captive portal, a web server.
        if (error.code == Code::CaRefused) {
            error.code = Code::CaProtocol;
            error.hint = "is " + base::printable(authority_.directory, 200) + " its directory URL?";
        }
        return base::Failure(std::move(error));
    }
    auto directory = parse_directory(response->body, authority_.directory);
    if (!directory) {
        return base::Failure(
            std::move(directory.error()).within("CA " + authority_.name + ", " + authority_.directory));
    }
    if (shelf_.keep) shelf_.keep({.body = response->body, .fetched_at = clock_.now()});
    return directory;
}

/// What an earlier run fetched, while it is fresh. A body that cannot be read any more counts as none.
std::optional<Directory> Session::recall_directory() {
    if (!shelf_.recall || state_->shelf_is_stale) return std::nullopt;
    const std::optional<KeptDirectory> kept = shelf_.recall();
    if (!kept) return std::nullopt;
    const base::Seconds age = clock_.now() - kept->fetched_at;
    if (age < base::Seconds{0} || age > kDirectoryAgeMax) return std::nullopt;
    auto directory = parse_directory(kept->body, authority_.directory);
    if (!directory) return std::nullopt;
    state_->directory_since = clock_.steady() - age;
    return std::move(*directory);
}

Result<Directory> Session::directory() {
    const std::scoped_lock lock(state_->directory_mutex);
    const auto is_fresh = [&] {
        return state_->directory && clock_.steady() - state_->directory_since <= kDirectoryAgeMax;
    };
    if (!is_fresh()) state_->directory = recall_directory();
    if (!is_fresh()) {
        state_->directory = TRY(fetch_directory());
        state_->directory_since = clock_.steady();
        state_->shelf_is_stale = false;
    }
    return *state_->directory;
}

Result<Directory> Session::directory_of_now() {
    {
        const std::scoped_lock lock(state_->directory_mutex);
        if (state_->directory && clock_.steady() - state_->directory_since > kDirectoryYoung) {
            state_->directory.reset();
            state_->shelf_is_stale = true;
        }
    }
    return directory();
}

/// A URL of it is gone: the CA has moved its resources, the next call asks again.
void Session::forget_directory() {
    const std::scoped_lock lock(state_->directory_mutex);
    state_->directory.reset();
    state_->shelf_is_stale = true;
}

// --- nonces

Result<void> Session::get_ready() {
    TRY(directory());
    if (state_->nonces.count(clock_.steady()) > 0) return {};
    for (const std::string& nonce : TRY(fetch_nonces(1))) state_->nonces.put(nonce, clock_.steady());
    return {};
}

/// §7.2: HEAD answers 200 and GET 204; whoever refuses one of them, or drops its header, may let the other
/// through.
Result<std::string> Session::ask_for_nonce(const std::string& url) {
    for (const bool is_last : {false, true}) {
        const auto response = get(is_last ? "GET" : "HEAD", url);
        const bool is_refused = !response && response.error().code == Code::CaRefused;
        if (!response && (is_last || !is_refused)) return base::Failure(response.error());
        if (!response) continue;
        const std::string_view nonce = response->header("replay-nonce");
        if (is_nonce(nonce)) return std::string(nonce);
    }
    return base::fail(Code::CaProtocol, "the CA " + authority_.name + " answers at " +
                                            base::printable(url, 200) +
                                            " without a usable Replay-Nonce header");
}

/// Up to `wanted` nonces, one at least, in one round trip where the CA's pace allows it.
Result<std::vector<std::string>> Session::fetch_nonces(std::size_t wanted) {
    const std::string url = TRY(directory()).new_nonce;
    const std::size_t spare =
        wanted > 1 ? state_->pace.take(Pace::Kind::Nonce, wanted - 1, clock_.steady()) : 0;
    while (state_->pace.take(Pace::Kind::Nonce, 1, clock_.steady()) == 0)
        clock_.sleep(state_->pace.wait(Pace::Kind::Nonce, clock_.steady()));
    std::vector<std::string> nonces;
    if (spare > 0) {
        const std::vector<HttpRequest> requests(spare + 1, plain_request("HEAD", url));
        for (auto& response : exchange(requests)) {
            const auto learnt = learn_from(std::move(response));
            if (!learnt || learnt->status < 200 || learnt->status >= 300) continue;
            const std::string_view nonce = learnt->header("replay-nonce");
            if (is_nonce(nonce)) nonces.emplace_back(nonce);
        }
    }
    if (!nonces.empty()) return nonces;
    auto nonce = ask_for_nonce(url);
    if (!nonce && nonce.error().code == Code::CaRefused) {
        forget_directory();
        nonce = ask_for_nonce(TRY(directory()).new_nonce);
    }
    nonces.push_back(TRY(std::move(nonce)));
    return nonces;
}

}  // namespace acme
