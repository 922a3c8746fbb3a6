// SPDX-License-Identifier: Apache-2.0
#include "acme/solvers/dns/sigv4.hpp"

#include <algorithm>
#include <map>

#include "base/encoding.hpp"
#include "base/mac.hpp"
#include "base/text.hpp"

namespace acme {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

/// "20150830T123600Z"
std::string compact(base::Instant now) {
    std::string text = base::format_instant(now);
    std::erase_if(text, [](char character) { return character == '-' || character == ':'; });
    return text;
}

/// Outer blanks go, inner ones count as one.
std::string squeezed(std::string_view text) {
    std::string out;
    for (const char character : text) {
        if (character == ' ' && (out.empty() || out.back() == ' ')) continue;
        out += character;
    }
    if (out.ends_with(' ')) out.pop_back();
    return out;
}

/// Sorted by name, then by value, each with its "=".
std::string canonical_query(std::string_view query) {
    std::vector<std::pair<std::string, std::string>> parameters;
    while (!query.empty()) {
        const std::string_view one = query.substr(0, std::min(query.find('&'), query.size()));
        query.remove_prefix(std::min(one.size() + 1, query.size()));
        if (one.empty()) continue;
        const std::size_t equals = std::min(one.find('='), one.size());
        parameters.emplace_back(one.substr(0, equals), one.substr(std::min(equals + 1, one.size())));
    }
    std::ranges::sort(parameters);
    std::string out;
    for (const auto& [name, value] : parameters) {
        if (!out.empty()) out += '&';
        out.append(name).append("=").append(value);
    }
    return out;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> sign_aws(const AwsRequest& request, const AwsKeys& keys,
                                                          const AwsScope& scope, base::Instant now) {
    const std::string time = compact(now);
    const std::string day = time.substr(0, 8);
    std::map<std::string, std::string> headers{{"host", request.host}, {"x-amz-date", time}};
    for (const auto& [name, value] : request.headers) headers[base::lower(name)] = squeezed(value);
    if (!keys.session_token.empty()) headers["x-amz-security-token"] = keys.session_token.reveal();

    std::string lines;
    std::string names;
    for (const auto& [name, value] : headers) {
        lines.append(name).append(":").append(value).append("\n");
        names.append(names.empty() ? "" : ";").append(name);
    }
    const std::string canonical = request.method + "\n" + request.path + "\n" +
                                  canonical_query(request.query) + "\n" + lines + "\n" + names + "\n" +
                                  base::sha256_hex(request.body);

    const std::string credential_scope =
        day + "/" + std::string(scope.region) + "/" + std::string(scope.service) + "/aws4_request";
    const std::string to_sign =
        std::string(kAlgorithm) + "\n" + time + "\n" + credential_scope + "\n" + base::sha256_hex(canonical);
    base::Secret key("AWS4" + keys.secret_access_key.reveal());
    for (const std::string_view part :
         {std::string_view(day), scope.region, scope.service, std::string_view("aws4_request")}) {
        key = base::Secret(base::hmac(base::MacDigest::Sha256, key, part));
    }
    const std::string signature = base::hex(base::hmac(base::MacDigest::Sha256, key, to_sign));

    std::vector<std::pair<std::string, std::string>> signed_headers{{"X-Amz-Date", time}};
    if (!keys.session_token.empty()) {
        signed_headers.emplace_back("X-Amz-Security-Token", keys.session_token.reveal());
    }
    signed_headers.emplace_back(
        "Authorization", std::string(kAlgorithm) + " Credential=" + keys.access_key_id + "/" +
                             credential_scope + ", SignedHeaders=" + names + ", Signature=" + signature);
    return signed_headers;
}

}  // namespace acme
