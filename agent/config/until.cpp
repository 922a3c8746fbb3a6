// SPDX-License-Identifier: Apache-2.0
#include "agent/config/until.hpp"

#include <algorithm>

#include "agent/config/config.hpp"
#include "base/encoding.hpp"
#include "base/time_zone.hpp"

namespace agent {

using base::Instant;

namespace {

constexpr std::size_t kDay = 10;     // "2026-12-01"
constexpr std::size_t kMinute = 16;  // "2026-12-01 08:00"

std::optional<Instant> parse_any(std::string_view text, Instant now, const std::string& zone) {
    if (const auto duration = parse_duration(text)) return now + *duration;
    if (const auto exact = base::parse_instant(text)) return exact;
    if (text.size() != kDay && text.size() != kMinute) return std::nullopt;
    std::string shown(text.substr(0, kDay));
    if (text.size() == kMinute && text[kDay] != ' ' && text[kDay] != 'T') return std::nullopt;
    shown += "T" + (text.size() == kMinute ? std::string(text.substr(kDay + 1)) : "00:00") + ":00Z";
    const auto as_utc = base::parse_instant(shown);
    if (!as_utc) return std::nullopt;
    return base::instant_of(zone, std::chrono::local_seconds(as_utc->time_since_epoch()), base::Twice::First);
}

}  // namespace

base::Result<Instant> parse_until(std::string_view text, Instant now, const std::string& zone) {
    const auto until = parse_any(text, now, zone);
    if (!until)
        return base::fail(
            base::Code::UsageWrong,
            "\"" + base::printable(text, 60) +
                R"(" is no time to come; accepted: "2h", "3d", "2026-12-01", "2026-12-01 08:00" ()" + zone +
                R"(), "2026-12-01T08:00:00Z")");
    if (*until <= now)
        return base::fail(base::Code::UsageWrong, "\"" + base::printable(text, 60) + "\" is " +
                                                      base::format_instant(*until) +
                                                      ", which is not to come");
    return *until;
}

}  // namespace agent
