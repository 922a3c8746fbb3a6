// SPDX-License-Identifier: Apache-2.0
#include "acme/solvers/dns/aws_role.hpp"

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "acme/solvers/dns/api.hpp"
#include "base/encoding.hpp"
#include "base/secret_source.hpp"
#include "base/text.hpp"

namespace acme {
namespace {

using base::Code;
using base::Result;
using nlohmann::json;

constexpr std::string_view kInstanceService = "http://169.254.169.254";
constexpr std::string_view kContainerService = "http://169.254.170.2";
constexpr std::string_view kRolePath = "/latest/meta-data/iam/security-credentials/";
constexpr std::string_view kNoRole =
    "give it a role that may change the zone, or configure access_key_id and secret_access_key";
constexpr base::Seconds kBeforeTheirEnd{300};
/// It is on this host; elsewhere its address may swallow packets.
constexpr base::Milliseconds kConnectDeadline{2'000};
constexpr base::Milliseconds kDeadline{5'000};
constexpr std::size_t kAnswerBytesMax = std::size_t{64} * 1024;
constexpr std::size_t kRoleLengthMax = 128;

/// IAM's own rule for names, before it becomes a part of a path.
bool is_role_name(std::string_view name) {
    const auto is_allowed = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               std::string_view("_+=,.@-").find(c) != std::string_view::npos;
    };
    return !name.empty() && name.size() <= kRoleLengthMax && std::ranges::all_of(name, is_allowed);
}

base::Failure strange(const std::string& why) {
    return base::fail(Code::ProviderProtocol,
                      "what the metadata service says of the role is no keys: " + why);
}

}  // namespace

Result<AwsKeys> AwsRole::keys() {
    const std::scoped_lock lock(mutex_);
    const base::Instant now = clock_.now();
    if (held_ && now < held_->end - kBeforeTheirEnd) return held_->keys;
    auto fetched = fetch();
    if (fetched) held_ = std::move(*fetched);
    if (!fetched && (!held_ || now >= held_->end)) return base::Failure(std::move(fetched).error());
    return held_->keys;
}

Result<AwsRole::Held> AwsRole::fetch() const {
    const json document = json::parse(TRY(fetch_document()), nullptr, /*allow_exceptions=*/false);
    if (!document.is_object()) return strange("no JSON object");
    // Only an instance's has a code.
    if (const std::string code = text_of(document, "Code"); !code.empty() && code != "Success")
        return base::fail(Code::ProviderDenied,
                          "the metadata service gives no keys: " + base::printable(code, 100),
                          std::string(kNoRole));
    Held held{.keys = {.access_key_id = text_of(document, "AccessKeyId"),
                       .secret_access_key = base::Secret(text_of(document, "SecretAccessKey")),
                       .session_token = base::Secret(text_of(document, "Token"))}};
    const auto end = base::parse_instant(text_of(document, "Expiration"));
    if (!end) return strange("it has no end");
    held.end = *end;
    const bool is_whole = !held.keys.access_key_id.empty() && !held.keys.secret_access_key.empty() &&
                          !held.keys.session_token.empty();
    if (!is_whole) return strange("a part is missing");
    return held;
}

Result<std::string> AwsRole::fetch_document() const {
    if (of_ == Of::Container) {
        const std::string path = TRY(base::read_secret({.kind = base::SecretSource::Kind::Environment,
                                                        .name = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                                                        .key = "credentials"}))
                                     .reveal();
        if (!path.starts_with('/')) return strange("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is no path");
        return ask({.url = std::string(kContainerService) + path});
    }
    const std::string service(kInstanceService);
    const std::string token = TRY(ask({.method = "PUT",
                                       .url = service + "/latest/api/token",
                                       .headers = {{"X-aws-ec2-metadata-token-ttl-seconds", "60"}}}));
    const bool is_plain = std::ranges::all_of(token, [](char c) { return c > ' ' && c < '\x7f'; });
    if (token.empty() || !is_plain) return strange("its token cannot stand in a header");
    const Headers headers{{"X-aws-ec2-metadata-token", token}};
    const std::string listed = TRY(ask({.url = service + std::string(kRolePath), .headers = headers}));
    const std::string role(base::trimmed(listed.substr(0, listed.find('\n')), " \t\r\n"));
    if (!is_role_name(role)) return strange("\"" + base::printable(role, 100) + "\" is no name of a role");
    return ask({.url = service + std::string(kRolePath) + role, .headers = headers});
}

Result<std::string> AwsRole::ask(base::HttpRequest request) const {
    request.trust.https_only = false;
    request.body_max = kAnswerBytesMax;
    request.connect_deadline = kConnectDeadline;
    request.deadline = kDeadline;
    auto answer = transport_.exchange(request);
    if (!answer) {
        return base::fail(
            Code::ProviderUnreachable,
            "the metadata service of AWS cannot be asked for the role's keys: " + answer.error().message,
            "it answers on machines of AWS only, and in containers where its hop limit is 2");
    }
    if (answer->status == 200) return std::move(answer->body);
    const std::string status = "HTTP " + std::to_string(answer->status);
    if (answer->status >= 500)
        return base::fail(Code::ProviderUnreachable, "the metadata service of AWS answered " + status);
    return base::fail(Code::ProviderDenied, "the metadata service of AWS gives no keys of a role: " + status,
                      std::string(kNoRole));
}

}  // namespace acme
