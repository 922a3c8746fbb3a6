// SPDX-License-Identifier: Apache-2.0
#include "acme/solvers/dns/api.hpp"

#include <algorithm>
#include <optional>

#include <nlohmann/json.hpp>

#include "acme/retry.hpp"
#include "acme/solvers/dns/endpoint.hpp"
#include "base/encoding.hpp"
#include "base/text.hpp"

namespace acme {
namespace {

using base::Code;
using base::HttpResponse;
using base::Result;
using nlohmann::json;

/// A list of 50 zones is about 50 KiB.
constexpr std::size_t kAnswerMax = 1'048'576;
/// Limits that are over sooner are waited for in place: an order of many names meets them all the time.
constexpr base::Seconds kLimitWaitMax{5};
constexpr unsigned kLimitTries = 4;
constexpr unsigned kSettleTries = 6;
/// Where an API that limits us does not say for how long.
constexpr base::Seconds kLimitUnknown{60};

std::string_view code_words(Verdict verdict) {
    switch (verdict) {
        case Verdict::Denied:
            return "denied it";
        case Verdict::Absent:
            return "knows no such zone or record";
        case Verdict::Limited:
            return "has had too many requests";
        case Verdict::Busy:
            return "is still busy with another change";
        case Verdict::Strange:
            return "sent us elsewhere";
        default:
            return "did not do it";
    }
}

Code code_of(Verdict verdict) {
    switch (verdict) {
        case Verdict::Denied:
            return Code::ProviderDenied;
        case Verdict::Absent:
            return Code::ProviderNoZone;
        case Verdict::Limited:
            return Code::ProviderRateLimited;
        case Verdict::Strange:
            return Code::ProviderProtocol;
        default:
            return Code::ProviderFailed;
    }
}

/// Retry-After, else RateLimit-Reset (the instant as a Unix time; seconds in later drafts).
std::optional<base::Seconds> asked_wait(const HttpResponse& response, base::Instant now) {
    if (const auto wait = retry_after_of(response, now)) return wait;
    const auto number = base::parse_number<long long>(response.header("ratelimit-reset"));
    if (!number) return std::nullopt;
    constexpr long long kNoDuration = 1'000'000'000;
    const long long wait = *number > kNoDuration ? *number - now.time_since_epoch().count() : *number;
    return base::Seconds{std::clamp<long long>(wait, 0, 24LL * 3600)};
}

std::string words_in(const json& value) {
    if (value.is_string()) return value.get<std::string>();
    if (value.is_array() && !value.empty()) return words_in(value.front());
    if (!value.is_object()) return {};
    for (const char* member : {"message", "errors", "error", "description", "code"}) {
        const auto found = value.find(member);
        if (found == value.end()) continue;
        if (std::string words = words_in(*found); !words.empty()) return words;
    }
    return {};
}

}  // namespace

Verdict by_status(const HttpResponse& response) {
    const int status = response.status;
    if (status >= 200 && status < 300) return Verdict::Well;
    if (status >= 300 && status < 400) return Verdict::Strange;
    if (status == 401 || status == 403) return Verdict::Denied;
    if (status == 404 || status == 410) return Verdict::Absent;
    if (status == 409 || status == 423) return Verdict::Busy;
    if (status == 429) return Verdict::Limited;
    return Verdict::Failed;
}

std::string json_words(const HttpResponse& response) {
    const json value = json::parse(response.body, nullptr, /*allow_exceptions=*/false);
    if (!value.is_object()) return {};
    // The particular before the general: some APIs have a list of errors below one "message".
    const auto errors = value.find("errors");
    std::string words = errors == value.end() ? std::string{} : words_in(*errors);
    return words.empty() ? words_in(value) : words;
}

Result<Api> Api::open(Dialect dialect, const ProviderSettings& settings, const ProviderEffects& effects,
                      std::string endpoint, Authorize authorize) {
    Api api;
    api.dialect_ = std::move(dialect);
    api.solver_ = settings.solver;
    const auto judged = judge_endpoint(endpoint);
    if (!judged) {
        return api.fail(Code::ConfigWrongValue, judged.error().message, judged.error().hint);
    }
    while (endpoint.ends_with('/')) endpoint.pop_back();
    api.endpoint_ = std::move(endpoint);
    api.trust_ = {.roots_file = setting(settings, "roots"),
                  .proxy = setting(settings, "proxy"),
                  .https_only = !judged->is_plain};
    api.authorize_ = std::move(authorize);
    api.transport_ = &effects.transport;
    api.clock_ = &effects.clock;
    return api;
}

base::Failure Api::fail(Code code, std::string_view why, std::string hint) const {
    return base::fail(code,
                      "solver " + solver_ + ": " + std::string(dialect_.provider) + ": " + std::string(why),
                      std::move(hint));
}

base::Failure Api::strange(const ApiCall& call, std::string_view why) const {
    return fail(Code::ProviderProtocol, "was asked to " + call.what + ": " + std::string(why),
                "is " + endpoint_ + " the address of this API?");
}

Result<HttpResponse> Api::exchange(const ApiCall& call) const {
    base::HttpRequest request{.method = call.method,
                              .url = endpoint_ + call.path,
                              .headers = {{"Accept", call.content_type}},
                              .body = call.body,
                              .trust = trust_,
                              .body_max = kAnswerMax};
    if (!call.body.empty()) request.headers.emplace_back("Content-Type", call.content_type);
    for (const auto& header : call.headers) request.headers.push_back(header);
    for (auto& header : TRY(authorize_(request))) request.headers.push_back(std::move(header));
    auto response = transport_->exchange(request);
    if (response) return response;
    base::Error error = std::move(response).error();
    if (error.code == Code::NetTooLarge) return strange(call, error.message);
    if (error.code == Code::NetUnreachable || error.code == Code::NetTimeout) {
        error.code = Code::ProviderUnreachable;
    }
    return base::Failure(std::move(error).within("solver " + solver_ + ": " + std::string(dialect_.provider) +
                                                 " could not be asked to " + call.what));
}

base::Error Api::refusal(const ApiCall& call, const HttpResponse& response, Verdict verdict) const {
    const std::string words =
        base::printable(dialect_.words ? dialect_.words(response) : json_words(response), 300);
    std::string why = "was asked to " + call.what + " and " + std::string(code_words(verdict)) + ": HTTP " +
                      std::to_string(response.status) + (words.empty() ? "" : ", \"" + words + "\"");
    std::string hint;
    if (verdict == Verdict::Denied) hint = dialect_.rights;
    if (verdict == Verdict::Strange) hint = "is " + endpoint_ + " the address of this API?";
    base::Error error = fail(code_of(verdict), why, std::move(hint)).value();
    if (verdict == Verdict::Limited) {
        error.retry_at = clock_->now() + asked_wait(response, clock_->now()).value_or(kLimitUnknown);
    }
    return error;
}

/// Sleeps if the limit is over soon. False where the caller has to come back another time.
bool Api::waits_out(const HttpResponse& response, unsigned tries) const {
    if (tries >= kLimitTries) return false;
    const auto asked = asked_wait(response, clock_->now());
    if (asked && *asked > kLimitWaitMax) return false;
    clock_->sleep(asked ? std::max<base::Milliseconds>(*asked, base::Milliseconds{500})
                        : base::Milliseconds{500} * (1U << tries));
    return true;
}

Result<ApiAnswer> Api::ask(const ApiCall& call) const {
    for (unsigned tries = 1;; ++tries) {
        ApiAnswer answer{.response = TRY(exchange(call))};
        answer.verdict = dialect_.judge ? dialect_.judge(answer.response) : by_status(answer.response);
        if (answer.verdict == Verdict::Well) return answer;
        if (answer.verdict == Verdict::Limited && waits_out(answer.response, tries)) continue;
        answer.refusal = refusal(call, answer.response, answer.verdict);
        if (std::ranges::find(call.expects, answer.verdict) != call.expects.end()) return answer;
        return base::Failure(std::move(answer.refusal));
    }
}

Result<json> Api::read_json(const ApiCall& call, const ApiAnswer& answer) const {
    json value = json::parse(answer.response.body, nullptr, /*allow_exceptions=*/false);
    if (value.is_discarded()) return strange(call, "the answer is not JSON");
    if (!value.is_structured()) return strange(call, "the answer is neither a JSON object nor a list");
    return value;
}

Result<json> Api::ask_json(const ApiCall& call) const {
    return read_json(call, TRY(ask(call)));
}

Result<ApiAnswer> Api::settle(const std::function<Result<ApiAnswer>()>& attempt) const {
    for (unsigned tries = 1;; ++tries) {
        ApiAnswer answer = TRY(attempt());
        if (answer.verdict != Verdict::Busy) return answer;
        if (tries >= kSettleTries) return base::Failure(std::move(answer.refusal));
        clock_->sleep(base::Milliseconds{500} * (1U << tries));  // 1, 2, 4, 8 and 16 s
    }
}

base::SecretSource secret_source(const ProviderSettings& settings, const std::string& key) {
    const auto found = settings.secrets.find(key);
    return found == settings.secrets.end() ? base::SecretSource{.key = key} : found->second;
}

Api::Authorize bearer(const ProviderSettings& settings, const std::string& key) {
    const base::SecretSource source = secret_source(settings, key);
    return [source](const base::HttpRequest& /*request*/) -> Result<Headers> {
        const base::Secret secret = TRY(base::read_secret(source));
        return Headers{{"Authorization", "Bearer " + secret.reveal()}};
    };
}

std::vector<ProviderKey> api_keys(std::vector<ProviderKey> own, bool has_endpoint) {
    using Kind = ProviderKey::Kind;
    if (has_endpoint) {
        own.push_back({.name = "endpoint",
                       .kind = Kind::Url,
                       .meaning = "another address of the same API: a private installation, a test"});
    }
    own.push_back({.name = "roots", .kind = Kind::Path, .meaning = "PEM: anchors for the API's own HTTPS"});
    own.push_back({.name = "proxy", .kind = Kind::Text, .meaning = "the proxy that leads to the API"});
    return own;
}

std::string setting(const ProviderSettings& settings, const std::string& key, std::string_view otherwise) {
    const auto found = settings.texts.find(key);
    return found == settings.texts.end() ? std::string(otherwise) : found->second;
}

std::string escaped(std::string_view text) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    std::string out;
    for (const char character : text) {
        const auto byte = static_cast<unsigned char>(character);
        const bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                           (byte >= '0' && byte <= '9') || byte == '-' || byte == '.' || byte == '_' ||
                           byte == '~';
        if (plain) {
            out += character;
        } else {
            out += {'%', kDigits[byte >> 4U], kDigits[byte & 0xFU]};
        }
    }
    return out;
}

std::string text_of(const json& object, const char* member) {
    if (!object.is_object()) return {};
    const auto found = object.find(member);
    if (found == object.end() || !found->is_string()) return {};
    return found->get<std::string>();
}

std::uint64_t number_of(const json& object, const char* member, std::uint64_t otherwise) {
    if (!object.is_object()) return otherwise;
    const auto found = object.find(member);
    if (found == object.end() || !found->is_number_unsigned()) return otherwise;
    return found->get<std::uint64_t>();
}

const json& list_of(const json& object, const char* member) {
    static const json none = json::array();
    if (!object.is_object()) return none;
    const auto found = object.find(member);
    return found == object.end() || !found->is_array() ? none : *found;
}

}  // namespace acme
