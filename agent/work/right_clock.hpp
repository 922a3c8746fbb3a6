// SPDX-License-Identifier: Apache-2.0
// A clock that is put forward by what another one is known to be behind.
#pragma once

#include "base/clock.hpp"

namespace agent {

/// Waits by the clock it corrects, which is borrowed for as long as this lives.
class RightClock final : public base::Clock {
  public:
    RightClock(base::Clock& clock, base::Seconds behind) : clock_(clock), behind_(behind) {}

    [[nodiscard]] base::Instant now() const override { return clock_.now() + behind_; }

    [[nodiscard]] base::Steady steady() const override { return clock_.steady(); }

    void sleep(base::Milliseconds duration) override { clock_.sleep(duration); }

  private:
    base::Clock& clock_;
    base::Seconds behind_;
};

}  // namespace agent
