// SPDX-License-Identifier: Apache-2.0
// One CA as we talk to it: its directory, a pool of nonces, and signed requests. Everything above speaks in
// terms of resources; everything about JWS, badNonce and problem documents ends here.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "acme/types.hpp"
#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/http.hpp"
#include "base/key.hpp"

namespace acme {

/// A CA as the configuration names it.
struct Authority {
    std::string name{};       // "letsencrypt"; for messages
    std::string directory{};  // its URL, exactly as configured: this is the CA's identity
    base::HttpTrust trust{};
};

/// An account we may sign with. `url` is the kid (RFC 8555 §7.3); empty before it is known.
struct Account {
    base::PrivateKey key;
    std::string url{};
};

/// Thread safe. Blocks for as long as its exchanges take; waits between tries by `clock`.
class Session {
  public:
    Session(Authority authority, base::Transport& transport, base::Clock& clock);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    /// RFC 8555 §7.1.1; fetched once, and again after 12 hours or when a URL of it is gone. ca/unreachable,
    /// ca/protocol.
    [[nodiscard]] base::Result<Directory> directory();

    /// POST with `payload` as the JWS payload (RFC 8555 §6.2), or POST-as-GET for nothing (§6.3). Signed with
    /// the account's URL, or with its public key where that is not known yet. Repeats a rejected nonce with
    /// the nonce of the answer (§6.5). An answer of 4xx or 5xx is an error made of its problem document;
    /// `names` is how many identifiers the request is about, for its words ("refused 2 of 40 names"). A lost
    /// answer is ca/unreachable; only POST-as-GET is sent again by itself, because it changes nothing.
    [[nodiscard]] base::Result<base::HttpResponse> post(const Account& account, const std::string& url,
                                                        const std::optional<std::string>& payload,
                                                        std::size_t names = 0);

    /// How far the CA's clock is ahead of ours, by the last answer that had a date; to judge by whoever
    /// decides expiry.
    [[nodiscard]] std::optional<base::Seconds> clock_skew() const;

    [[nodiscard]] const Authority& authority() const { return authority_; }

    [[nodiscard]] base::Clock& clock() { return clock_; }

  private:
    struct State;
    struct Effort;
    [[nodiscard]] base::Result<Directory> fetch_directory();
    [[nodiscard]] base::Result<std::string> take_nonce();
    [[nodiscard]] base::Result<base::HttpResponse> exchange_once(const base::HttpRequest& request);
    [[nodiscard]] base::Result<base::HttpResponse> get(const std::string& method, const std::string& url);
    [[nodiscard]] bool may_resend(const base::Error& error, unsigned tries);
    [[nodiscard]] base::Error refusal_of(const base::HttpResponse& response, std::size_t names);
    void forget_directory_with(const std::string& url);
    Authority authority_;
    base::Transport& transport_;
    base::Clock& clock_;
    std::unique_ptr<State> state_;
};

}  // namespace acme
