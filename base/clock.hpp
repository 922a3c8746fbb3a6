// SPDX-License-Identifier: Apache-2.0
// The two kinds of time, and the only place that reads them. Wall instants (sys_seconds) decide expiry and
// renewal; steady instants measure deadlines and waits. Pure functions take `now` as an argument instead.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace base {

using Instant = std::chrono::sys_seconds;
using Steady = std::chrono::steady_clock::time_point;
using Milliseconds = std::chrono::milliseconds;
using Seconds = std::chrono::seconds;

class Clock {
  public:
    virtual ~Clock() = default;
    [[nodiscard]] virtual Instant now() const = 0;
    [[nodiscard]] virtual Steady steady() const = 0;
    /// Blocks the calling thread for `duration`.
    virtual void sleep(Milliseconds duration) = 0;
};

class SystemClock final : public Clock {
  public:
    [[nodiscard]] Instant now() const override;
    [[nodiscard]] Steady steady() const override;
    void sleep(Milliseconds duration) override;
};

/// "2026-11-21T12:00:00Z" (RFC 3339, UTC, whole seconds).
[[nodiscard]] std::string format_instant(Instant instant);
/// Reads what format_instant writes, and RFC 3339 with fractions and offsets (fractions are dropped).
[[nodiscard]] std::optional<Instant> parse_instant(std::string_view text);
/// Reads an HTTP-date in its IMF-fixdate form (RFC 9110 §5.6.7).
[[nodiscard]] std::optional<Instant> parse_http_date(std::string_view text);

}  // namespace base
