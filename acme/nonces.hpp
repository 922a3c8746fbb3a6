// SPDX-License-Identifier: Apache-2.0
// Nonces the CA gave us and that have not been used (RFC 8555 §6.5): few, fresh, and only what may be one.
#pragma once

#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"

namespace acme {

/// True for what a Replay-Nonce may look like; anything else MUST be ignored (§6.5.1).
[[nodiscard]] bool is_nonce(std::string_view value);

/// Thread safe.
class NoncePool {
  public:
    /// Keeps a nonce; one that is none is ignored, and the oldest goes where there are too many.
    void put(std::string_view nonce, base::Steady now);
    /// The newest that is still fresh.
    [[nodiscard]] std::optional<std::string> take(base::Steady now);
    /// How many are still fresh.
    [[nodiscard]] std::size_t count(base::Steady now);
    /// After an I/O error: the CA may be another process, or another machine, by now.
    void clear();

  private:
    struct Kept {
        std::string nonce{};
        base::Steady since{};
    };

    std::mutex mutex_;
    std::deque<Kept> kept_;  // oldest first
};

}  // namespace acme
