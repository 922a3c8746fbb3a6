// SPDX-License-Identifier: Apache-2.0
// What fulfils challenges of one type.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/identifier.hpp"

namespace acme {

struct ChallengeTask {
    base::Identifier identifier{};
    std::string token{};              // checked: 1 to 255 characters of base64url; empty for dns-persist-01
    std::string key_authorization{};  // RFC 8555 §8.1; empty for dns-persist-01
    std::string account_url{};        // the kid: what dns-account-01 and dns-persist-01 are bound to
    /// dns-persist-01: the names the CA goes by in such a record; checked, one to ten.
    std::vector<std::string> issuer_domains{};

    friend bool operator==(const ChallengeTask&, const ChallengeTask&) = default;
};

/// Thread safe: one solver serves every certificate of a pass.
class Solver {
  public:
    virtual ~Solver() = default;
    /// The challenge type it answers, as on the wire ("http-01").
    [[nodiscard]] virtual std::string_view type() const = 0;
    /// MUST be idempotent. solver/present, solver/port-busy, provider/….
    [[nodiscard]] virtual base::Result<void> present(const ChallengeTask& task) = 0;

    /// Blocks until a CA can see everything that has been presented for one order; `tasks` are all those of
    /// this solver in it. dns/not-propagated….
    [[nodiscard]] virtual base::Result<void> wait_until_seen(std::span<const ChallengeTask> tasks) {
        static_cast<void>(tasks);
        return {};
    }

    /// Does what is presented stay when this process dies? Then it is remembered before it is put up.
    [[nodiscard]] virtual bool outlives_us() const { return true; }

    /// Removes what present() put there, and only that; nothing there is no error.
    [[nodiscard]] virtual base::Result<void> clean_up(const ChallengeTask& task) = 0;
};

}  // namespace acme
