// SPDX-License-Identifier: Apache-2.0
#include "acme/session.hpp"

#include <mutex>
#include <utility>

#include "acme/jws.hpp"
#include "acme/limits.hpp"
#include "acme/nonces.hpp"
#include "acme/problem.hpp"
#include "acme/retry.hpp"
#include "acme/url.hpp"
#include "acme/wire.hpp"
#include "base/encoding.hpp"

namespace acme {

using base::Code;
using base::HttpRequest;
using base::HttpResponse;
using base::Result;

struct Session::State {
    std::mutex directory_mutex{};  // held while it is fetched: the others wait instead of asking, too
    std::optional<Directory> directory{};
    base::Steady directory_since{};

    NoncePool nonces{};

    std::mutex skew_mutex{};
    std::optional<base::Seconds> skew{};
};

Session::Session(Authority authority, base::Transport& transport, base::Clock& clock)
    : authority_(std::move(authority)),
      transport_(transport),
      clock_(clock),
      state_(std::make_unique<State>()) {}

Session::~Session() = default;

std::optional<base::Seconds> Session::clock_skew() const {
    const std::scoped_lock lock(state_->skew_mutex);
    return state_->skew;
}

/// One exchange, with what every answer teaches us: the CA's clock, and that after an I/O error no nonce is
/// good.
Result<HttpResponse> Session::exchange_once(const HttpRequest& request) {
    auto response = transport_.exchange(request);
    if (!response) {
        state_->nonces.clear();
        base::Error error = std::move(response).error();
        const bool lost = error.code == Code::NetUnreachable || error.code == Code::NetTimeout;
        if (lost) error.code = Code::CaUnreachable;
        return base::Failure(std::move(error).within("the CA " + authority_.name));
    }
    if (const auto date = base::parse_http_date(response->header("date"))) {
        const std::scoped_lock lock(state_->skew_mutex);
        state_->skew = *date - clock_.now();
    }
    return response;
}

base::Error Session::refusal_of(const HttpResponse& response, std::size_t names) {
    const base::Instant now = clock_.now();
    RefusalContext context{
        .ca = authority_.name, .names = names, .terms_url = find_link(response, "terms-of-service")};
    if (const auto wait = parse_retry_after(response.header("retry-after"), now))
        context.retry_at = now + *wait;
    return refusal(parse_problem(response.body, response.status), context);
}

/// A request that changes nothing is sent again after a lost answer, and after a hiccup that the CA expects
/// to be short.
bool Session::may_resend(const base::Error& error, unsigned tries) {
    if (tries > kResends) return false;
    if (error.code == Code::CaUnreachable) return true;
    return error.code == Code::CaServerError &&
           (!error.retry_at || *error.retry_at - clock_.now() <= kResendWaitMax);
}

/// GET or HEAD, unsigned: the directory and newNonce.
Result<HttpResponse> Session::get(const std::string& method, const std::string& url) {
    const HttpRequest request{.method = method,
                              .url = url,
                              .trust = authority_.trust,
                              .body_max = kAnswerBytesMax,
                              .redirects_max = 3};
    for (unsigned tries = 1;; ++tries) {
        auto response = exchange_once(request);
        if (response && response->status >= 200 && response->status < 300) return response;
        base::Error error = response ? refusal_of(*response, /*names=*/0) : response.error();
        if (!may_resend(error, tries)) return base::Failure(std::move(error));
        clock_.sleep(resend_pause(tries));
    }
}

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
    if (directory) return directory;
    return base::Failure(
        std::move(directory.error()).within("CA " + authority_.name + ", " + authority_.directory));
}

Result<Directory> Session::directory() {
    const std::scoped_lock lock(state_->directory_mutex);
    const bool fresh = state_->directory && clock_.steady() - state_->directory_since <= kDirectoryAgeMax;
    if (!fresh) {
        state_->directory = TRY(fetch_directory());
        state_->directory_since = clock_.steady();
    }
    return *state_->directory;
}

/// A URL of a cached directory that is gone: the CA has moved its resources, the next call asks again.
void Session::forget_directory_with(const std::string& url) {
    const std::scoped_lock lock(state_->directory_mutex);
    if (!state_->directory) return;
    if (url == state_->directory->new_account || url == state_->directory->new_order)
        state_->directory.reset();
}

Result<std::string> Session::take_nonce() {
    if (auto kept = state_->nonces.take(clock_.steady())) return std::move(*kept);
    const std::string url = TRY(directory()).new_nonce;
    // §7.2: HEAD answers 200 and GET 204; a proxy that drops the header from one may let it through in the
    // other.
    for (const char* method : {"HEAD", "GET"}) {
        const HttpResponse response = TRY(get(method, url));
        const std::string_view nonce = response.header("replay-nonce");
        if (is_nonce(nonce)) return std::string(nonce);
    }
    return base::fail(Code::CaProtocol, "the CA " + authority_.name + " answers at " +
                                            base::printable(url, 200) +
                                            " without a usable Replay-Nonce header");
}

/// What one call of post() has tried so far.
struct Session::Effort {
    base::Steady since{};
    unsigned rejected_nonces = 0;
    unsigned sent_again = 0;
    std::string nonce{};  // of the answer that rejected the last one; §6.5: it MUST be used
};

Result<HttpResponse> Session::post(const Account& account, const std::string& url,
                                   const std::optional<std::string>& payload, std::size_t names) {
    Effort effort{.since = clock_.steady()};
    while (true) {
        if (effort.nonce.empty()) effort.nonce = TRY(take_nonce());
        HttpRequest request{.method = "POST",
                            .url = url,
                            .headers = {{"Content-Type", "application/jose+json"}},
                            .body = TRY(sign(account.key, {.url = url,
                                                           .nonce = std::exchange(effort.nonce, {}),
                                                           .kid = account.url,
                                                           .payload = payload})),
                            .trust = authority_.trust,
                            .body_max = kAnswerBytesMax};
        auto response = exchange_once(request);
        const std::string fresh = response ? std::string(response->header("replay-nonce")) : std::string();
        if (response && response->status >= 200 && response->status < 300) {
            state_->nonces.put(fresh, clock_.steady());
            return response;
        }
        base::Error error = response ? refusal_of(*response, names) : response.error();
        if (error.code == Code::CaBadNonce) {
            const bool late = clock_.steady() - effort.since >= kNoncePatience;
            if (++effort.rejected_nonces >= kNonceTries || late) return base::Failure(std::move(error));
            if (is_nonce(fresh)) effort.nonce = fresh;
            clock_.sleep(nonce_pause(effort.rejected_nonces));
            continue;
        }
        state_->nonces.put(fresh, clock_.steady());
        if (payload || !may_resend(error, ++effort.sent_again)) {
            if (response && (response->status == 404 || response->status == 405)) forget_directory_with(url);
            return base::Failure(std::move(error));
        }
        clock_.sleep(resend_pause(effort.sent_again));
    }
}

}  // namespace acme
