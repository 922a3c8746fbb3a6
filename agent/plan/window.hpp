// SPDX-License-Identifier: Apache-2.0
// When windows are open. Pure but for the time zone database of the system.
#pragma once

#include <optional>
#include <span>

#include "agent/config/window.hpp"
#include "base/clock.hpp"

namespace agent {

/// Is any of them open? None at all are always open. A window lasts from the instant at which the clocks of
/// its zone first show its beginning to the one at which they last show its end; hours that clocks skip are
/// over at once, so that a window that lies wholly within them is not open on that day.
[[nodiscard]] bool is_open(std::span<const Window> windows, base::Instant now);

/// The first instant after `now` at which one of them opens; absent where none does within three weeks.
[[nodiscard]] std::optional<base::Instant> opens_at(std::span<const Window> windows, base::Instant now);

}  // namespace agent
