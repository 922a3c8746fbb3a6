// SPDX-License-Identifier: Apache-2.0
// The little of HTTP that http-01 needs (RFC 8555 §8.3): one request, one answer, and nothing that a peer
// sends is kept. Pure.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace acme {

/// A request's line and headers; a CA sends a few hundred bytes.
inline constexpr std::size_t kHttpHeadMax = std::size_t{8} * 1024;

/// What is presented for a token; nothing where it is not.
using FindAnswer = std::function<std::optional<std::string>(std::string_view token)>;

/// The whole answer to what has been received so far; nothing as long as more of the request is to come. 200
/// for GET and HEAD of a presented token, whatever the Host; 400 for what is no HTTP/1, or has no end within
/// kHttpHeadMax; 404 for all else.
[[nodiscard]] std::optional<std::string> answer_http(std::string_view received, const FindAnswer& find);

}  // namespace acme
