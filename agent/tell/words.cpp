// SPDX-License-Identifier: Apache-2.0
#include "agent/tell/words.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace agent {

namespace {

/// Where each code point of a UTF-8 text begins.
std::vector<std::size_t> code_points(const std::string& text) {
    std::vector<std::size_t> begins;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if ((static_cast<unsigned char>(text[i]) & 0xC0U) != 0x80U) begins.push_back(i);
    }
    return begins;
}

}  // namespace

std::string duration_words(base::Seconds duration) {
    const auto seconds = duration.count();

    struct Unit {
        std::int64_t seconds;
        std::int64_t from;  // used from this many seconds on
        const char* one;
        const char* many;
    };

    constexpr std::array<Unit, 4> kUnits{Unit{86400, 172800, " day", " days"}, Unit{3600, 7200, " h", " h"},
                                         Unit{60, 120, " min", " min"}, Unit{1, 0, " s", " s"}};
    for (const Unit& unit : kUnits) {
        if (seconds < unit.from) continue;
        const auto count = seconds / unit.seconds;
        return std::to_string(count) + (count == 1 ? unit.one : unit.many);
    }
    return "0 s";
}

std::string relative(base::Instant instant, base::Instant now) {
    if (instant == now) return "now";
    return instant > now ? "in " + duration_words(instant - now) : duration_words(now - instant) + " ago";
}

std::string day_words(base::Instant instant) {
    constexpr std::array<const char*, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const std::chrono::year_month_day date{std::chrono::floor<std::chrono::days>(instant)};
    return std::to_string(static_cast<unsigned>(date.day())) + " " +
           kMonths[static_cast<unsigned>(date.month()) - 1];
}

std::string brief_time(base::Instant instant, base::Instant now) {
    const bool is_near = instant > now - std::chrono::days(1) && instant < now + std::chrono::days(1);
    return is_near ? base::format_instant(instant).substr(11, 5) : day_words(instant);
}

std::string instant_words(base::Instant instant) {
    const std::string text = base::format_instant(instant);  // "2027-02-03T12:05:00Z"
    return day_words(instant) + " " + text.substr(0, 4) + " " + text.substr(11, 5) + " UTC";
}

std::string when_words(base::Instant instant, base::Instant now) {
    return instant <= now ? "now" : relative(instant, now) + ", on " + instant_words(instant);
}

std::string counted(std::size_t count, const std::string& noun) {
    return number(count) + " " + noun + (count == 1 ? "" : "s");
}

std::string number(std::size_t count) {
    std::string digits = std::to_string(count);
    for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
    return digits;
}

std::string listed(const std::vector<std::string>& texts) {
    std::string list;
    for (const std::string& text : texts) list += (list.empty() ? "" : ", ") + text;
    return list;
}

std::size_t columns(const std::string& text) {
    return code_points(text).size();
}

std::string cut_middle(const std::string& text, std::size_t width) {
    const std::vector<std::size_t> begins = code_points(text);
    if (begins.size() <= width || width < 3) return text;
    const std::size_t behind = (width - 1) / 2;
    const std::size_t before = width - 1 - behind;
    return text.substr(0, begins[before]) + "…" + text.substr(begins[begins.size() - behind]);
}

std::string padded(const std::string& text, std::size_t width) {
    const std::size_t taken = columns(text);
    return taken >= width ? text : text + std::string(width - taken, ' ');
}

std::vector<std::string> wrapped(const std::string& text, std::size_t width) {
    std::vector<std::string> lines;
    std::size_t begin = 0;
    while (begin < text.size()) {
        const std::size_t line_end = std::min(text.find('\n', begin), text.size());
        std::size_t end = line_end;
        if (end - begin > width) {
            const std::size_t space = text.rfind(' ', begin + width);
            end = space == std::string::npos || space <= begin ? std::min(text.find(' ', begin), line_end)
                                                               : space;
        }
        lines.push_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    return lines;
}

}  // namespace agent
