// SPDX-License-Identifier: Apache-2.0
// What fulfils challenges of one type.
#pragma once

#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/identifier.hpp"

namespace acme {

struct ChallengeTask {
    base::Identifier identifier{};
    std::string token{};              // checked: 1 to 255 characters of base64url
    std::string key_authorization{};  // RFC 8555 §8.1
};

/// Thread safe: one solver serves every certificate of a pass.
class Solver {
  public:
    virtual ~Solver() = default;
    /// The challenge type it answers, as on the wire ("http-01").
    [[nodiscard]] virtual std::string_view type() const = 0;
    /// MUST be idempotent, and return once the answer can be fetched. solver/present, solver/port-busy.
    [[nodiscard]] virtual base::Result<void> present(const ChallengeTask& task) = 0;
    /// Removes what present() put there, and only that; nothing there is no error.
    [[nodiscard]] virtual base::Result<void> clean_up(const ChallengeTask& task) = 0;
};

}  // namespace acme
