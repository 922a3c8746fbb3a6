// SPDX-License-Identifier: Apache-2.0
// What happened to a certificate, a line each, for the person who asks later.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/error.hpp"

namespace agent {

struct Happening {
    base::Instant at{};
    std::string what{};  // "issued", "not_issued", "deployed", "not_deployed", "served", "hook"
    int generation = 0;
    std::string target{};  // empty: of the certificate
    std::string text{};    // for people: a hook's output, a remark
    std::optional<base::Error> error{};
};

/// The step that was tried, as in the metrics: "order", "deploy", "hook", "revoke"; empty: it was none.
[[nodiscard]] std::string_view step_of(const Happening& happening);

/// One line of history.jsonl, without its newline.
[[nodiscard]] std::string to_line(const Happening& happening);
/// Reads what to_line() wrote; nothing for a line that is torn or somebody else's. Its texts came from
/// outside and are printable no more than they were.
[[nodiscard]] std::optional<Happening> parse_line(std::string_view line);

}  // namespace agent
