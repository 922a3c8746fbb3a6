// SPDX-License-Identifier: Apache-2.0
#include "base/time_zone.hpp"

#include <stdexcept>

#include <date/tz.h>

namespace base {

namespace {

/// nullptr for UTC, and for what is not in the database: the library throws where that is missing, too.
const date::time_zone* find_zone(std::string_view name) {
    if (name == "UTC") return nullptr;
    try {
        return date::locate_zone(name);
    } catch (const std::runtime_error&) {
        return nullptr;
    }
}

}  // namespace

bool is_time_zone(std::string_view name) {
    return name == "UTC" || find_zone(name) != nullptr;
}

std::string local_time_zone() {
    try {
        return date::current_zone()->name();
    } catch (const std::runtime_error&) {
        return "UTC";
    }
}

std::chrono::local_seconds local_time(const std::string& zone, Instant instant) {
    const date::time_zone* known = find_zone(zone);
    const Seconds offset = known == nullptr ? Seconds(0) : known->get_info(instant).offset;
    return std::chrono::local_seconds(instant.time_since_epoch() + offset);
}

Instant instant_of(const std::string& zone, std::chrono::local_seconds time, Twice twice) {
    const Instant as_utc(time.time_since_epoch());
    const date::time_zone* known = find_zone(zone);
    if (known == nullptr) return as_utc;
    const date::local_info info = known->get_info(date::local_seconds(time.time_since_epoch()));
    if (info.result == date::local_info::nonexistent) return info.first.end;
    const bool is_second = info.result == date::local_info::ambiguous && twice == Twice::Last;
    return as_utc - (is_second ? info.second : info.first).offset;
}

}  // namespace base
