// SPDX-License-Identifier: Apache-2.0
// Clocks on walls: the system's time zone database (tzdata), with its gaps in spring and its hours that come
// twice in autumn. Reads the database on first use; thread safe.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/clock.hpp"

namespace base {

/// UTC, which needs no database, or a name that is in it: "Europe/Berlin".
[[nodiscard]] bool is_time_zone(std::string_view name);
/// The zone of this machine (/etc/localtime); "UTC" where it has none, as for the C library.
[[nodiscard]] std::string local_time_zone();

/// What clocks there show. A zone that is not in the database counts as UTC, here and below.
[[nodiscard]] std::chrono::local_seconds local_time(const std::string& zone, Instant instant);

/// Of an hour that clocks show twice.
enum class Twice { First, Last };

/// When clocks there show this. A time that they skip is the instant at which they skip it.
[[nodiscard]] Instant instant_of(const std::string& zone, std::chrono::local_seconds time, Twice twice);

}  // namespace base
