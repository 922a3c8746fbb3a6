// SPDX-License-Identifier: Apache-2.0
// The URLs a CA gives us: opaque, https only (RFC 8555 §6.1), possibly relative to what was asked.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/http.hpp"

namespace acme {

/// `reference` as an absolute https URL, resolved against the URL of the request it answers (RFC 3986 §5).
/// ca/protocol for another scheme, white space, control characters or too great a length.
[[nodiscard]] base::Result<std::string> resolve_url(std::string_view request_url, std::string_view reference);

/// The target of the first Link header with this relation (RFC 8288), as it stands there; empty if there is
/// none.
[[nodiscard]] std::string find_link(const base::HttpResponse& response, std::string_view relation);

/// All of them, at most `count_max`.
[[nodiscard]] std::vector<std::string> find_links(const base::HttpResponse& response,
                                                  std::string_view relation, std::size_t count_max);

}  // namespace acme
