// SPDX-License-Identifier: Apache-2.0
#include "acme/solvers/http_answer.hpp"

#include <algorithm>

namespace acme {
namespace {

constexpr std::string_view kPath = "/.well-known/acme-challenge/";

std::string answer_of(std::string_view status, std::string_view content, bool with_body) {
    std::string answer = "HTTP/1.1 ";
    answer += status;
    answer +=
        "\r\nContent-Type: application/octet-stream\r\nContent-Length: " + std::to_string(content.size()) +
        "\r\nConnection: close\r\n\r\n";
    if (with_body) answer += content;
    return answer;
}

/// Has the empty line come that ends the headers? RFC 9112 §2.2: a line may end with LF alone.
bool has_end(std::string_view received) {
    return received.find("\n\r\n") != std::string_view::npos ||
           received.find("\n\n") != std::string_view::npos;
}

struct RequestLine {
    std::string_view method{};
    std::string_view target{};
};

/// RFC 9112 §3: method SP request-target SP HTTP-version.
std::optional<RequestLine> parse_line(std::string_view line) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    const std::size_t first = line.find(' ');
    const std::size_t last = line.rfind(' ');
    if (first == std::string_view::npos || first == last) return std::nullopt;
    const RequestLine request{.method = line.substr(0, first),
                              .target = line.substr(first + 1, last - first - 1)};
    const bool is_method = !request.method.empty() && std::ranges::all_of(request.method, [](char c) {
        return (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
    });
    const bool is_target = !request.target.empty() &&
                           std::ranges::all_of(request.target, [](char c) { return c > ' ' && c < '\x7f'; });
    if (!is_method || !is_target || !line.substr(last + 1).starts_with("HTTP/1.")) return std::nullopt;
    return request;
}

/// The token that is asked for; empty where it is something else. RFC 9112 §3.2.2: a target may be a whole
/// URL.
std::string_view token_of(std::string_view target) {
    if (const std::size_t scheme = target.find("://");
        !target.starts_with('/') && scheme != std::string_view::npos) {
        target.remove_prefix(scheme + 3);
        target.remove_prefix(std::min(target.find('/'), target.size()));
    }
    target = target.substr(0, target.find('?'));
    return target.starts_with(kPath) ? target.substr(kPath.size()) : std::string_view{};
}

}  // namespace

std::optional<std::string> answer_http(std::string_view received, const FindAnswer& find) {
    std::string bad = answer_of("400 Bad Request", "", /*with_body=*/true);
    const std::size_t line_end = received.find('\n');
    const auto request = parse_line(received.substr(0, line_end));
    if (line_end != std::string_view::npos && !request) return bad;
    if (!has_end(received)) return received.size() >= kHttpHeadMax ? std::optional(bad) : std::nullopt;
    const bool asks = request->method == "GET" || request->method == "HEAD";
    const std::string_view token = token_of(request->target);
    const auto answer = asks && !token.empty() ? find(token) : std::nullopt;
    if (!answer) return answer_of("404 Not Found", "", /*with_body=*/true);
    return answer_of("200 OK", *answer, /*with_body=*/request->method == "GET");
}

}  // namespace acme
