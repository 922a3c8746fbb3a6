// SPDX-License-Identifier: Apache-2.0
// A clock that is put right by what another one is known to be off.
#pragma once

#include "base/clock.hpp"

namespace agent {

/// Ahead of another one by so much, or behind it if that is negative. Waits by the clock it corrects, which
/// is borrowed for as long as this lives.
class RightClock final : public base::Clock {
  public:
    RightClock(base::Clock& clock, base::Seconds ahead) : clock_(clock), ahead_(ahead) {}

    [[nodiscard]] base::Instant now() const override { return clock_.now() + ahead_; }

    [[nodiscard]] base::Steady steady() const override { return clock_.steady(); }

    void sleep(base::Milliseconds duration) override { clock_.sleep(duration); }

  private:
    base::Clock& clock_;
    base::Seconds ahead_;
};

}  // namespace agent
