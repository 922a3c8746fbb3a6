// SPDX-License-Identifier: Apache-2.0
#include "agent/config/window.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <optional>
#include <vector>

#include "base/encoding.hpp"
#include "base/text.hpp"
#include "base/time_zone.hpp"

namespace agent {

using base::Code;
using base::Result;
using std::chrono::minutes;

namespace {

constexpr std::array<std::string_view, 7> kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::size_t kWeek = kDays.size();
constexpr std::uint8_t kDaily = 0x7f;
constexpr minutes kMidnight{24 * 60};

std::vector<std::string_view> split(std::string_view text, char at) {
    std::vector<std::string_view> parts;
    for (std::size_t begin = 0; begin <= text.size();) {
        const std::size_t end = std::min(text.find(at, begin), text.size());
        parts.push_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    return parts;
}

std::optional<std::size_t> day_of(std::string_view text) {
    const auto found = std::ranges::find(kDays, text);
    if (found == kDays.end()) return std::nullopt;
    return static_cast<std::size_t>(found - kDays.begin());
}

/// "Mon", "Mon..Fri", "Fri..Mon", and lists of these.
std::optional<std::uint8_t> parse_days(std::string_view text) {
    unsigned days = 0;
    for (const std::string_view part : split(text, ',')) {
        const std::size_t dots = part.find("..");
        const auto first = day_of(part.substr(0, dots));
        const auto last = dots == std::string_view::npos ? first : day_of(part.substr(dots + 2));
        if (!first || !last) return std::nullopt;
        for (std::size_t day = *first;; day = (day + 1) % kWeek) {
            days |= 1U << day;
            if (day == *last) break;
        }
    }
    return static_cast<std::uint8_t>(days);
}

std::optional<int> two_digits(std::string_view text) {
    const auto value = base::parse_number<int>(text);
    return text.size() == 2 && value >= 0 ? value : std::nullopt;
}

/// "01:00" to "24:00".
std::optional<minutes> parse_time(std::string_view text) {
    if (text.size() != 5 || text[2] != ':') return std::nullopt;
    const auto hour = two_digits(text.substr(0, 2));
    const auto minute = two_digits(text.substr(3));
    if (!hour || !minute || *minute > 59) return std::nullopt;
    const minutes time{*hour * 60 + *minute};
    return time <= kMidnight ? std::optional(time) : std::nullopt;
}

base::Failure wrong(std::string_view text, const std::string& why) {
    return base::fail(Code::ConfigWrongValue, "\"" + base::printable(text, 80) + "\" is no window: " + why);
}

std::string time_text(minutes time) {
    std::array<char, 16> text{};
    std::snprintf(text.data(), text.size(), "%02d:%02d", static_cast<int>(time.count() / 60),
                  static_cast<int>(time.count() % 60));
    return text.data();
}

std::string days_text(std::uint8_t days) {
    std::string text;
    // From Monday on, each run of days once.
    for (std::size_t i = 1; i <= kWeek; ++i) {
        if ((days >> (i % kWeek) & 1U) == 0) continue;
        std::size_t last = i;
        while (last < kWeek && (days >> ((last + 1) % kWeek) & 1U) != 0) ++last;
        text += (text.empty() ? "" : ",") + std::string(kDays.at(i % kWeek));
        if (last > i) text += (last > i + 1 ? ".." : ",") + std::string(kDays.at(last % kWeek));
        i = last;
    }
    return text;
}

}  // namespace

Result<Window> parse_window(std::string_view text) {
    constexpr const char* kForm =
        R"(accepted: "[DAYS] HH:MM-HH:MM [ZONE]", such as "Mon..Fri 01:00-05:00 Europe/Berlin", "Sat,Sun 00:00-24:00" or "22:00-04:00")";
    std::vector<std::string_view> words = split(text, ' ');
    std::erase(words, "");
    Window window;
    std::size_t at = 0;
    if (!words.empty() && words.front().find(':') == std::string_view::npos) {
        const auto days = parse_days(words.front());
        if (!days)
            return wrong(text, "\"" + base::printable(words.front(), 40) +
                                   "\" names no days; accepted: Mon, Tue, Wed, Thu, Fri, Sat, Sun, lists "
                                   "(Tue,Thu) and ranges (Mon..Fri)");
        window.days = *days;
        ++at;
    }
    if (at >= words.size()) return wrong(text, std::string("it names no hours; ") + kForm);
    const std::size_t dash = words[at].find('-');
    const auto begin = parse_time(words[at].substr(0, dash));
    const auto end = dash == std::string_view::npos ? std::nullopt : parse_time(words[at].substr(dash + 1));
    if (!begin || !end || *begin == kMidnight || *begin == *end)
        return wrong(text, "\"" + base::printable(words[at], 40) + "\" names no hours; " + kForm);
    window.begin = *begin;
    window.end = *end;
    ++at;
    window.zone = at < words.size() ? std::string(words[at]) : base::local_time_zone();
    if (at < words.size() && !base::is_time_zone(window.zone))
        return wrong(text,
                     "there is no time zone \"" + base::printable(window.zone, 40) +
                         "\"; accepted: UTC, or a name as in /usr/share/zoneinfo (package tzdata), such as "
                         "Europe/Berlin");
    if (at + 1 < words.size()) return wrong(text, kForm);
    return window;
}

std::string to_text(const Window& window) {
    return (window.days == kDaily ? "" : days_text(window.days) + " ") + time_text(window.begin) + "-" +
           time_text(window.end) + " " + window.zone;
}

Result<double> parse_share(std::string_view text) {
    double percent = -1;
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), percent);
    const bool is_percent =
        status == std::errc{} && text.substr(static_cast<std::size_t>(end - text.data())) == "%";
    if (is_percent && percent >= 0 && percent < 100) return percent / 100;
    return base::fail(Code::ConfigWrongValue, "\"" + base::printable(text, 80) +
                                                  R"(" is no share; accepted: "0%" to "99%", such as "25%")");
}

}  // namespace agent
