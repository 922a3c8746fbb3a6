// SPDX-License-Identifier: Apache-2.0
// A clock on which only sleeping takes time, so that a minute of patience costs a test the looks alone.
#pragma once

#include <functional>
#include <vector>

#include "base/clock.hpp"

namespace tests {

class FakeClock final : public base::Clock {
  public:
    explicit FakeClock(base::Instant now = base::parse_instant("2026-11-21T12:00:00Z").value())
        : begun_(now) {}

    [[nodiscard]] base::Instant now() const override {
        return begun_ + std::chrono::duration_cast<base::Seconds>(passed);
    }

    [[nodiscard]] base::Steady steady() const override { return base::Steady{} + passed; }

    void sleep(base::Milliseconds duration) override {
        pauses.push_back(duration);
        passed += duration;
        if (after_sleep) after_sleep();
    }

    base::Milliseconds passed{0};
    std::vector<base::Milliseconds> pauses{};
    std::function<void()> after_sleep{};

  private:
    base::Instant begun_;
};

}  // namespace tests
