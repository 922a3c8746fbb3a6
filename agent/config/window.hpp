// SPDX-License-Identifier: Apache-2.0
// A time of the week in which deploying is let, as the configuration says it: "Mon..Fri 01:00-05:00
// Europe/Berlin".
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace agent {

struct Window {
    std::uint8_t days = 0x7f;      // of its beginnings: bit 0 is Sunday
    std::chrono::minutes begin{};  // since midnight, by the clocks of the zone
    std::chrono::minutes end{};    // up to 24 h; not above `begin`: on the day after
    std::string zone{"UTC"};       // of the system's database
    friend bool operator==(const Window&, const Window&) = default;
};

/// "[DAYS] HH:MM-HH:MM [ZONE]". DAYS is a list of days and ranges of days ("Tue,Thu", "Fri..Mon"), absent:
/// daily. ZONE is UTC or a name of the system's database, absent: the system's own zone.
/// config/wrong-value says what would be accepted.
[[nodiscard]] base::Result<Window> parse_window(std::string_view text);
/// Reads back as the same window: "Mon..Fri 01:00-05:00 Europe/Berlin".
[[nodiscard]] std::string to_text(const Window& window);

/// "25%", "12.5%": a share between 0 and 1, not 1 itself.
[[nodiscard]] base::Result<double> parse_share(std::string_view text);

}  // namespace agent
