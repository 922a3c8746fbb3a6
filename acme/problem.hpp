// SPDX-License-Identifier: Apache-2.0
// A CA's refusal (RFC 8555 §6.7) as an error of ours: a code the planner can act on, and words that say which
// names it is about and what to do. All text of the CA is made printable here.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "acme/types.hpp"
#include "base/clock.hpp"
#include "base/error.hpp"

namespace acme {

inline constexpr std::string_view kProblemPrefix = "urn:ietf:params:acme:error:";
inline constexpr std::string_view kOrderNotReady = "urn:ietf:params:acme:error:orderNotReady";

/// What is known beside the problem document.
struct RefusalContext {
    std::string_view ca{};                    // its name in the configuration
    std::size_t names = 0;                    // how many identifiers were asked for; 0: it was about none
    bool changes_key = false;                 // it was keyChange
    std::string terms_url{};                  // of the Link header, else of the directory
    std::optional<base::Instant> retry_at{};  // Retry-After
};

/// The error for an answer of 4xx or 5xx, or for an order's `error`.
[[nodiscard]] base::Error refusal(const Problem& problem, const RefusalContext& context);

/// What became of one name.
struct FailedName {
    std::string name{};
    Problem problem{};        // of its challenge; a problem without type where the CA gave none
    std::string challenge{};  // the type of that challenge; empty where it is not known
};

/// ca/validation-failed for these of `names` names. `failed` is not empty.
[[nodiscard]] base::Error validation_failed(std::string_view ca, const std::vector<FailedName>& failed,
                                            std::size_t names);

}  // namespace acme
