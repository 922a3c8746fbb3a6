// SPDX-License-Identifier: Apache-2.0
// The answers of a receiver that host.hpp does not know.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "deployers/installation.hpp"

namespace deployers {

/// The answer to `inspect`: {"version":1,"files":["<sha256>",""]}, in the order of `paths`; an empty one is
/// not there. host/protocol, or the error the other side reports.
[[nodiscard]] base::Result<std::vector<FileDigest>> parse_digests(std::string_view text,
                                                                  const std::vector<std::string>& paths);
/// What parse_digests() reads.
[[nodiscard]] std::string digests_to_json(const std::vector<std::string>& digests);

/// A refusal: {"version":1,"error":"deploy/unsafe-path","message":"…","hint":"…"}.
[[nodiscard]] std::string refusal_to_json(const base::Error& error);

/// The root helper's answer to `consider`: {"version":1,"permitted":true,"rules":5}.
[[nodiscard]] std::string permission_to_json(std::size_t rules);
/// The number of rules, or the refusal. host/protocol.
[[nodiscard]] base::Result<std::size_t> parse_permission(std::string_view text);

}  // namespace deployers
