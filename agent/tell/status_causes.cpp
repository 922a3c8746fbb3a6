// SPDX-License-Identifier: Apache-2.0
// The status where there are more certificates than a terminal has lines: totals, an entry for each cause,
// and what is to come.
#include <algorithm>
#include <array>
#include <map>

#include "agent/tell/causes.hpp"
#include "agent/tell/exit_code.hpp"
#include "agent/tell/words.hpp"

namespace agent {

using base::Instant;
using std::chrono::days;

namespace {

constexpr std::size_t kWide = 120;

/// `right` at the right edge, where there is room for it.
std::string with_right(const std::string& left, const std::string& right, std::size_t width) {
    const std::size_t taken = columns(left) + columns(right);
    if (right.empty() || taken + 3 > width) return left + "\n";
    return left + std::string(width - taken, ' ') + right + "\n";
}

std::string attempt_words(const Cause& cause, Instant now) {
    if (!cause.next) return "-";
    return *cause.next <= now ? "now" : brief_time(*cause.next, now);
}

/// "31 certificates", or the names of one or two.
std::string held_up(const Cause& cause, bool is_wide) {
    const auto& names = cause.names;
    if (names.size() > 2) return counted(names.size(), "certificate");
    const std::size_t width = names.size() == 1 ? 30 : 22;
    if (names.size() == 1) return cut_middle(names.front(), width);
    const std::string first = cut_middle(names.front(), width);
    return is_wide ? first + " +1" : first + " and " + cut_middle(names.back(), width);
}

std::string narrow_entry(const Cause& cause, Instant now, std::size_t width) {
    std::string head = std::string(1, cause.mark) + " ";
    if (!cause.subject.empty()) head += padded(cut_middle(cause.subject, 24), 12) + " ";
    head += held_up(cause, /*is_wide=*/false) + "   ";
    const std::string words = cause.headline + " since " + brief_time(cause.since, now);
    std::string text;
    for (const std::string& line :
         wrapped(words, width > columns(head) + 20 ? width - columns(head) : width - 4)) {
        const bool fits = columns(head) + columns(line) <= width;
        if (text.empty()) {
            text = fits ? head + line + "\n" : head.substr(0, head.size() - 3) + "\n    " + line + "\n";
        } else {
            text += "    " + line + "\n";
        }
    }
    const std::string expiry =
        cause.first_expiry ? "first to expire " + relative(*cause.first_expiry, now) : "nothing served yet";
    const std::string below =
        "    " + expiry + (cause.mark != '~' && cause.next ? "; next at " + attempt_words(cause, now) : "");
    const std::string command = command_of(cause);
    if (columns(below) + columns(command) + 3 <= width) return text + with_right(below, command, width);
    return text + below + "\n    " + command + "\n";
}

std::string wide_table(const std::vector<Cause>& causes, Instant now, std::size_t width) {
    std::vector<std::vector<std::string>> rows{
        {"CAUSE", "HOLDS UP", "SINCE", "FIRST EXPIRY", "NEXT", "WHAT TO DO"}};
    constexpr std::size_t kCommandMax = 30;  // the cause itself needs the room
    std::string marks = " ";
    for (const Cause& cause : causes) {
        const std::string command = command_of(cause);
        rows.push_back({(cause.subject.empty() ? "" : cause.subject + ": ") + cause.headline,
                        held_up(cause, /*is_wide=*/true), brief_time(cause.since, now),
                        cause.first_expiry ? relative(*cause.first_expiry, now) : "never issued",
                        attempt_words(cause, now),
                        columns(command) > kCommandMax ? "renewd why " + cause.names.front() : command});
        marks += cause.mark;
    }
    std::array<std::size_t, 6> widths{};
    for (const auto& row : rows) {
        for (std::size_t i = 0; i < row.size(); ++i) widths.at(i) = std::max(widths.at(i), columns(row[i]));
    }
    std::size_t others = 2 + 3 * (widths.size() - 1);
    for (std::size_t i = 1; i < widths.size(); ++i) others += widths.at(i);
    widths[0] = std::min(widths[0], width > others + 20 ? width - others : 20);
    std::string text;
    for (std::size_t r = 0; r < rows.size(); ++r) {
        rows[r][0] = cut_middle(rows[r][0], widths[0]);
        std::string line = std::string(1, marks[r]) + " ";
        for (std::size_t i = 0; i < widths.size(); ++i) line += padded(rows[r][i], widths.at(i)) + "   ";
        text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
    }
    return text;
}

struct Bin {
    const char* name;
    days below;
};

std::string expiry_line(const Overview& overview) {
    constexpr std::array kBins{Bin{"<3 d", days(3)}, Bin{"<7 d", days(7)}, Bin{"<14 d", days(14)},
                               Bin{"<30 d", days(30)}};
    std::array<std::size_t, kBins.size() + 1> counts{};
    for (const CertificateStatus& status : overview.certificates) {
        const auto expiry = expiry_of(status);
        if (!expiry || status.config == nullptr) continue;
        const auto* const bin =
            std::ranges::find_if(kBins, [&](const Bin& one) { return *expiry - overview.now < one.below; });
        ++counts.at(static_cast<std::size_t>(bin - kBins.begin()));
    }
    std::string line = "EXPIRE  ";
    for (std::size_t i = 0; i < kBins.size(); ++i)
        line += " " + std::string(kBins.at(i).name) + " " + number(counts.at(i)) + "  ";
    return line + " later " + number(counts.back()) + "\n";
}

std::string renewal_line(const Overview& overview) {
    const auto today = std::chrono::floor<days>(overview.now);
    std::map<std::chrono::sys_days, std::size_t> by_day;
    for (const CertificateStatus& status : overview.certificates) {
        if (status.config == nullptr) continue;
        const Instant at = std::max(status.plan.renewal.at, overview.now);
        ++by_day[std::chrono::floor<days>(at)];
    }
    if (by_day.empty()) return {};
    std::size_t week = 0;
    for (int i = 0; i < 7; ++i) week += by_day[today + days(i)];
    const auto busiest = std::ranges::max_element(by_day, {}, [](const auto& day) { return day.second; });
    return "RENEW    today " + number(by_day[today]) + "   tomorrow " + number(by_day[today + days(1)]) +
           "   this week " + number(week) + "   busiest " + day_words(busiest->first) + ": " +
           number(busiest->second) + "\n";
}

}  // namespace

std::string looked_words(const Overview& overview) {
    std::optional<Instant> last;
    for (const CertificateStatus& status : overview.certificates)
        last = std::max(last, looked_at(status));  // without a value is before everything
    return last ? "looked " + relative(*last, overview.now) : "";
}

std::string totals_text(const Overview& overview, std::size_t width) {
    std::map<std::string, std::size_t> others;
    std::size_t ok = 0;
    std::map<char, std::size_t> marked;
    std::size_t expected = 0;
    std::size_t serving = 0;
    for (const CertificateStatus& status : overview.certificates) {
        const char mark = mark_of(status);
        ++marked[mark];
        if (mark == ' ' && status.state == CertificateState::Ok) ++ok;
        if (mark == ' ' && status.state != CertificateState::Ok) {
            std::string words(to_string(status.state));
            std::ranges::replace(words, '_', ' ');
            ++others[words];
        }
        expected += status.served.expected;
        serving += status.served.serving;
    }
    std::string line = counted(overview.certificates.size(), "certificate") + "   " + number(ok) + " ok";
    if (marked['~'] > 0) line += "   " + number(marked['~']) + " working";
    if (marked['!'] > 0) line += "   " + number(marked['!']) + " attention";
    if (marked['='] > 0) line += "   " + number(marked['=']) + " held";
    for (const auto& [state, count] : others) line += "   " + number(count) + " " + state;
    const std::string places =
        number(serving) + " of " + counted(expected, "place") + " serve what they should";
    if (overview.certificates.size() <= 200) return with_right(line, looked_words(overview), width);
    if (width >= kWide) return with_right(line, places, width);
    return line + "\n" + with_right(places, looked_words(overview), width);
}

std::string causes_text(const Overview& overview, const TableLook& look) {
    const std::vector<Cause> causes = causes_of(overview);
    if (causes.empty()) {
        const bool is_well = attention_code_of(overview) == exit_code::kWell;
        return is_well ? "Nothing needs anybody.\n" : "No certificate needs anybody.\n";
    }
    if (look.width >= kWide) return wide_table(causes, overview.now, look.width);
    std::string text;
    for (const Cause& cause : causes) text += narrow_entry(cause, overview.now, look.width);
    return text;
}

std::string next_text(const Overview& overview, std::size_t width) {
    std::vector<const CertificateStatus*> order;
    for (const CertificateStatus& status : overview.certificates) {
        if (status.config != nullptr && status.plan.renewal.at > overview.now) order.push_back(&status);
    }
    if (order.empty()) return {};
    const auto at = [](const CertificateStatus* status) {
        return std::pair(status->plan.renewal.at, status->record.name);
    };
    std::ranges::sort(order, {}, at);
    const auto rest_words = [&](std::size_t shown) {
        const std::size_t rest = order.size() - shown;
        return rest == 0 ? std::string()
                         : " · " + number(rest) + " more within " +
                               duration_words(order.back()->plan.renewal.at - overview.now + days(1));
    };
    constexpr std::size_t kShownMax = 3;
    std::string line = "NEXT  ";
    std::size_t shown = 0;
    for (; shown < std::min(order.size(), kShownMax); ++shown) {
        const std::string item = (shown == 0 ? "" : " · ") + cut_middle(order[shown]->record.name, 30) + " " +
                                 relative(order[shown]->plan.renewal.at, overview.now);
        if (columns(line) + columns(item) > width) break;
        line += item;
    }
    if (columns(line) + columns(rest_words(shown)) <= width) line += rest_words(shown);
    return line + "\n";
}

std::string outlook_text(const Overview& overview) {
    return expiry_line(overview) + renewal_line(overview);
}

}  // namespace agent
