// SPDX-License-Identifier: Apache-2.0
// What the DNS providers' HTTP APIs have in common: where they are, how a request is sent, and what their
// refusals are to us. An API is untrusted input: answers are bounded, strictly read, and shown printable.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "acme/solvers/dns/provider.hpp"
#include "base/error.hpp"
#include "base/http.hpp"

namespace acme {

/// What an API means by an answer.
enum class Verdict {
    Well,
    There,    // what was to be added is there already
    Absent,   // what was asked for is not there
    Busy,     // somebody else changes the same thing: look again, then try again
    Denied,   // the token is wrong, or may not do this
    Limited,  // too many requests
    Strange,  // no answer of an API: a redirect
    Failed,
};

/// How one API speaks.
struct Dialect {
    std::string_view provider{};  // its name in the configuration
    std::string_view rights{};    // what its token has to be good for, for the hint of provider/denied
    /// Empty: by_status().
    std::function<Verdict(const base::HttpResponse&)> judge{};
    /// The API's own words about a refusal, as they came. Empty: json_words().
    std::function<std::string(const base::HttpResponse&)> words{};
};

/// 2xx; 401 and 403; 404 and 410; 409 and 423 (Busy); 429; 3xx; and all else.
[[nodiscard]] Verdict by_status(const base::HttpResponse& response);
/// The words of a refusal in the usual JSON forms: "errors", "error", "message". Empty if it is none of them.
[[nodiscard]] std::string json_words(const base::HttpResponse& response);

using Headers = std::vector<std::pair<std::string, std::string>>;

struct ApiCall {
    std::string method = "GET";
    std::string path{};  // behind the endpoint, with its query
    std::string body{};
    Headers headers{};               // beside those of the API
    std::string what{};              // "list the zones": behind "was asked to"
    std::vector<Verdict> expects{};  // verdicts that are answers to the caller, beside Well
    std::string content_type = "application/json";
};

struct ApiAnswer {
    Verdict verdict = Verdict::Well;
    base::HttpResponse response{};
    base::Error refusal{};  // what it would be as an error; empty if all is well
};

/// One API as one solver uses it. Thread safe; `effects` are borrowed.
class Api {
  public:
    /// `authorize`: the headers that say who is asking; called for each request, because the secret may
    /// change.
    using Authorize = std::function<base::Result<Headers>(const base::HttpRequest&)>;

    /// `endpoint` is what the configuration says, or the API's own address: https, or http on a loopback
    /// address; config/wrong-value otherwise. `roots` and `proxy` come from `settings`.
    [[nodiscard]] static base::Result<Api> open(Dialect dialect, const ProviderSettings& settings,
                                                const ProviderEffects& effects, std::string endpoint,
                                                Authorize authorize);

    /// Blocks for one exchange; a limit that is over within 5 s is waited for. provider/unreachable, /denied,
    /// /no-zone (Absent), /rate-limited (with retry_at), /failed, /protocol (no answer of an API, or longer
    /// than 1 MiB), and what read_secret and the transport's TLS say.
    [[nodiscard]] base::Result<ApiAnswer> ask(const ApiCall& call) const;
    /// ask(), and the answer as a JSON object or list: provider/protocol if it is none.
    [[nodiscard]] base::Result<nlohmann::json> ask_json(const ApiCall& call) const;
    /// The JSON of an answer to `call`.
    [[nodiscard]] base::Result<nlohmann::json> read_json(const ApiCall& call, const ApiAnswer& answer) const;

    /// Repeats `attempt` while its answer is Busy, at most 6 times within about 30 s; its refusal then.
    /// `attempt` looks at what is there before it changes anything.
    [[nodiscard]] base::Result<ApiAnswer> settle(
        const std::function<base::Result<ApiAnswer>()>& attempt) const;

    /// provider/protocol: "solver dns: cloudflare was asked to list the zones: WHY".
    [[nodiscard]] base::Failure strange(const ApiCall& call, std::string_view why) const;
    /// An error that names solver and provider before `why`.
    [[nodiscard]] base::Failure fail(base::Code code, std::string_view why, std::string hint = {}) const;

    [[nodiscard]] base::Clock& clock() const { return *clock_; }

    /// The endpoint without a final slash.
    [[nodiscard]] const std::string& endpoint() const { return endpoint_; }

  private:
    Api() = default;
    [[nodiscard]] base::Result<base::HttpResponse> exchange(const ApiCall& call) const;
    [[nodiscard]] base::Error refusal(const ApiCall& call, const base::HttpResponse& response,
                                      Verdict verdict) const;
    [[nodiscard]] bool waits_out(const base::HttpResponse& response, unsigned tries) const;

    Dialect dialect_{};
    std::string solver_{};
    std::string endpoint_{};
    base::HttpTrust trust_{};
    Authorize authorize_{};
    base::Transport* transport_ = nullptr;
    base::Clock* clock_ = nullptr;
};

/// Where a secret of the settings comes from; from nowhere if it is not set.
[[nodiscard]] base::SecretSource secret_source(const ProviderSettings& settings, const std::string& key);
/// `Authorization: Bearer SECRET`, with a secret of the settings.
[[nodiscard]] Api::Authorize bearer(const ProviderSettings& settings, const std::string& key);

/// The keys of one provider, and those that all have: endpoint (if it has an address of its own), roots,
/// proxy.
[[nodiscard]] std::vector<ProviderKey> api_keys(std::vector<ProviderKey> own, bool has_endpoint);
/// A text of the settings; `otherwise` where it is not set.
[[nodiscard]] std::string setting(const ProviderSettings& settings, const std::string& key,
                                  std::string_view otherwise = {});

/// RFC 3986 §2.1: everything but letters, digits and "-._~" as %XX. For segments of a path and values of a
/// query.
[[nodiscard]] std::string escaped(std::string_view text);

/// The text of a member; empty where it is missing or something else.
[[nodiscard]] std::string text_of(const nlohmann::json& object, const char* member);
/// A number that is at least 0; `otherwise` where it is missing or something else.
[[nodiscard]] std::uint64_t number_of(const nlohmann::json& object, const char* member,
                                      std::uint64_t otherwise = 0);
/// A member that is a list; an empty one where it is missing or something else.
[[nodiscard]] const nlohmann::json& list_of(const nlohmann::json& object, const char* member);

}  // namespace acme
