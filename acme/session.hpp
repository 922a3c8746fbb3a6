// SPDX-License-Identifier: Apache-2.0
// One CA as we talk to it: its directory, a pool of nonces, and signed requests. Everything above speaks in
// terms of resources; everything about JWS, badNonce and problem documents ends here.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "acme/limits.hpp"
#include "acme/types.hpp"
#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/http.hpp"
#include "base/key.hpp"

namespace acme {

class Patience;

/// A CA as the configuration names it.
struct Authority {
    std::string name{};       // "letsencrypt"; for messages
    std::string directory{};  // its URL, exactly as configured: this is the CA's identity
    base::HttpTrust trust{};
    /// Somebody waits: a CA that does not answer at all is given up on when this ends. Borrowed, and shared
    /// by all CAs that are asked meanwhile; nullptr: nobody waits.
    Patience* patience = nullptr;
    friend bool operator==(const Authority&, const Authority&) = default;
};

/// An account we may sign with. `url` is the kid (RFC 8555 §7.3); empty before it is known.
struct Account {
    base::PrivateKey key;
    std::string url{};
};

/// One signed request.
struct Call {
    std::string url{};
    std::optional<std::string> payload{};  // the JWS payload (RFC 8555 §6.2); nothing: POST-as-GET (§6.3)
    /// How many identifiers it is about, for the words of a refusal ("refused 2 of 40 names").
    std::size_t names = 0;
    /// Nothing there (404, 410) is an answer to it, and no error.
    bool may_be_gone = false;
    /// keyChange (RFC 8555 §7.3.5): a conflict (409) is about the new key.
    bool changes_key = false;
    /// Of the answer's body: of many that are asked for at once each is bounded more closely.
    std::size_t answer_bytes_max = kAnswerBytesMax;
};

/// A directory as it was fetched.
struct KeptDirectory {
    std::string body{};
    base::Instant fetched_at{};
};

/// Where a directory outlives the process, so that a run need not ask for it again; both may be empty.
struct DirectoryShelf {
    std::function<std::optional<KeptDirectory>()> recall{};
    std::function<void(const KeptDirectory&)> keep{};
};

/// Thread safe. Blocks for as long as its exchanges take; waits between tries by `clock`.
class Session {
  public:
    Session(Authority authority, base::Transport& transport, base::Clock& clock, DirectoryShelf shelf = {});
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    /// RFC 8555 §7.1.1; fetched once, and again after 12 hours or when a URL of it is gone. ca/unreachable,
    /// ca/protocol.
    [[nodiscard]] base::Result<Directory> directory();

    /// The same, asked for again where what is known is older than a minute: it may have changed since.
    [[nodiscard]] base::Result<Directory> directory_of_now();

    /// The directory and a nonce at hand, so that the next signed request goes at once; nothing is sent where
    /// both are there. Errors as those of post().
    [[nodiscard]] base::Result<void> get_ready();

    /// GET, unsigned: renewal information (RFC 9773 §4.1). Sent again after a hiccup; errors as those of
    /// post().
    [[nodiscard]] base::Result<base::HttpResponse> fetch(const std::string& url) { return get("GET", url); }

    /// Signed with the account's URL, or with its public key where that is not known yet. Repeats a rejected
    /// nonce with the nonce of the answer (§6.5). An answer of 4xx or 5xx is an error made of its problem
    /// document. A lost answer is ca/unreachable; only POST-as-GET is sent again by itself, because it
    /// changes nothing.
    [[nodiscard]] base::Result<base::HttpResponse> post(const Account& account, const std::string& url,
                                                        const std::optional<std::string>& payload,
                                                        std::size_t names = 0);
    [[nodiscard]] base::Result<base::HttpResponse> post(const Account& account, Call call);
    /// All of them at once, over one connection: as many round trips as the slowest needs. The answers are in
    /// the order of the calls. `spare_nonces`: how many nonces the caller will want next, fetched along the
    /// way.
    [[nodiscard]] std::vector<base::Result<base::HttpResponse>> post_all(const Account& account,
                                                                         std::vector<Call> calls,
                                                                         std::size_t spare_nonces = 0);

    /// The same to a resource of the directory; where that URL is gone, the directory is fetched again, once.
    struct Posted {
        base::HttpResponse response{};
        std::string url{};  // that was asked
    };

    struct Besides {
        std::size_t names = 0;         // as in Call
        std::size_t spare_nonces = 0;  // as for post_all
    };

    [[nodiscard]] base::Result<Posted> post_to(const Account& account, std::string Directory::* resource,
                                               const std::string& payload, const Besides& besides);

    /// A payload that names the URL which it is sent to.
    using PayloadFor = std::function<base::Result<std::string>(const std::string& url)>;

    [[nodiscard]] base::Result<Posted> post_to(const Account& account, std::string Directory::* resource,
                                               const PayloadFor& payload_for, const Besides& besides);

    /// How far the CA's clock is ahead of ours, by the last answer that had a date; to judge by whoever
    /// decides expiry.
    [[nodiscard]] std::optional<base::Seconds> clock_skew() const;

    /// The Date of the CA's last answer that had one, and when by our clocks it came.
    struct SeenDate {
        base::Instant date{};
        base::Instant now{};
        base::Steady at{};
    };

    [[nodiscard]] std::optional<SeenDate> seen_date() const;

    [[nodiscard]] const Authority& authority() const { return authority_; }

    [[nodiscard]] base::Clock& clock() { return clock_; }

  private:
    struct State;
    struct Attempt;
    [[nodiscard]] base::Result<Directory> fetch_directory();
    [[nodiscard]] std::optional<Directory> recall_directory();
    [[nodiscard]] base::Result<std::string> ask_for_nonce(const std::string& url);
    [[nodiscard]] base::Result<std::vector<std::string>> fetch_nonces(std::size_t wanted);
    [[nodiscard]] base::Result<void> hand_out_nonces(std::vector<Attempt*>& wave);
    [[nodiscard]] base::Result<base::HttpResponse> learn_from(base::Result<base::HttpResponse> response);
    /// All of them, as far as patience lasts.
    [[nodiscard]] std::vector<base::Result<base::HttpResponse>> exchange(
        std::vector<base::HttpRequest> requests);
    [[nodiscard]] base::HttpRequest plain_request(const std::string& method, const std::string& url) const;
    [[nodiscard]] base::Result<base::HttpResponse> get(const std::string& method, const std::string& url);
    [[nodiscard]] base::Result<base::HttpRequest> signed_request(const Account& account, Attempt& attempt);
    void settle(const Account& account, std::vector<Attempt>& attempts, std::size_t spare_nonces);
    void send(const Account& account, std::vector<Attempt*>& wave, std::size_t spare_nonces);
    void judge(Attempt& attempt, base::Result<base::HttpResponse> response);
    [[nodiscard]] bool may_resend(const base::Error& error, unsigned tries);
    [[nodiscard]] base::Milliseconds pause_before_resend(const base::Error& error, unsigned tries) const;
    [[nodiscard]] base::Error refusal_of(const base::HttpResponse& response, const Call& call);
    void forget_directory();
    Authority authority_;
    base::Transport& transport_;
    base::Clock& clock_;
    DirectoryShelf shelf_;
    std::unique_ptr<State> state_;
};

}  // namespace acme
