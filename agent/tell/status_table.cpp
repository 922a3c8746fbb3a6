// SPDX-License-Identifier: Apache-2.0
// The status as a table that one likes to look at: aligned, in 80 columns or 120, what needs a person first
// and in plain words.
#include <algorithm>
#include <cctype>
#include <set>

#include "agent/plan/drift.hpp"
#include "agent/plan/hold.hpp"
#include "agent/tell/causes.hpp"
#include "agent/tell/hold_words.hpp"
#include "agent/tell/words.hpp"

namespace agent {

using base::Instant;

namespace {

constexpr std::size_t kWide = 120;

struct Row {
    char mark = ' ';
    std::vector<std::string> cells{};
    std::vector<std::string> below{};  // what is wrong, what to do
};

std::string next_of(const CertificateStatus& status, Instant now) {
    if (status.config == nullptr) return "removed, kept until forgotten";
    if (status.state == CertificateState::Paused) return "paused by the CA";
    if (status.held && status.held->by == HoldBy::Limit) {
        return "orders " + relative(status.plan.renewal.held_until.value_or(status.plan.renewal.at), now) +
               " (limit)";
    }
    if (status.held) return brief_hold(*status.held, now);
    if (status.record.issuance) return "orders again " + relative(status.record.issuance->next_attempt, now);
    for (const TargetStatus& target : status.targets) {
        if (!target.record.failure) continue;
        const bool in_place = target.record.installed == target.wanted;
        if (in_place && target.record.drift.is_contested)
            return "repairs again " + relative(repair_time(target.record.drift, now).value_or(now), now);
        return (in_place ? "reloads again " : "deploys again ") +
               relative(target.record.failure->next_attempt, now);
    }
    if (status.record.wanted() == nullptr) return "to be ordered";
    if (status.state == CertificateState::Renewing) return "order open, to be finished";
    if (status.state == CertificateState::Deploying) {
        const auto to_go =
            std::count_if(status.targets.begin(), status.targets.end(),
                          [](const TargetStatus& t) { return t.record.installed != t.wanted; });
        return "to be deployed, " + std::to_string(to_go) + " to go";
    }
    if (status.plan.renewal.at <= now) return "renewal is due";
    return "renews " + relative(status.plan.renewal.at, now) +
           (is_paused(status.record, now) ? ", paused" : "");
}

std::string expiry_words(const CertificateStatus& status, Instant now, bool is_wide) {
    const auto expiry = expiry_of(status);
    if (!expiry) return "never issued";
    const std::string words = *expiry <= now ? "expired " + relative(*expiry, now) : relative(*expiry, now);
    return is_wide ? words + " (" + day_words(*expiry) + ")" : words;
}

std::string looked_of(const CertificateStatus& status, Instant now) {
    const auto last = looked_at(status);
    return last ? relative(*last, now) : "never";
}

/// What to type once it is mended, unless the hint says it already.
std::string next_step(const CertificateStatus& status) {
    if (status.attention->error.hint.find("renewd ") != std::string::npos) return {};
    return (status.record.issuance ? "renewd renew " : "renewd deploy ") + status.record.name;
}

Row row_of(const CertificateStatus& status, Instant now, std::size_t width, bool is_first_of_cause) {
    const bool is_wide = width >= kWide;
    Row row{.mark = mark_of(status)};
    const Served& served = status.served;
    const std::string places = served.expected == 0
                                   ? "nobody looks"
                                   : std::to_string(served.serving) + "/" + std::to_string(served.expected);
    const GenerationRecord* wanted = status.record.wanted();
    row.cells.push_back(status.record.name);
    if (is_wide) {
        row.cells.push_back(ca_of(status));
        row.cells.push_back(wanted == nullptr ? "-" : std::to_string(wanted->number));
    }
    row.cells.push_back(expiry_words(status, now, is_wide));
    row.cells.push_back(places);
    if (is_wide) row.cells.push_back(looked_of(status, now));
    row.cells.push_back(next_of(status, now));
    if (!status.attention || !is_first_of_cause) return row;
    const base::Error& error = status.attention->error;
    for (const std::string& text : {error.message, error.hint, next_step(status)}) {
        for (const std::string& line : wrapped(text, width - 4)) row.below.push_back("    " + line);
    }
    return row;
}

std::string line_of(const Row& row, const std::vector<std::size_t>& widths) {
    std::string line = std::string(1, row.mark) + " ";
    for (std::size_t i = 0; i < row.cells.size(); ++i) line += padded(row.cells[i], widths[i]) + "   ";
    return line.substr(0, line.find_last_not_of(' ') + 1);
}

std::string coloured(const std::string& text, char mark, bool has_colour) {
    if (!has_colour || mark == ' ') return text;
    return (mark == '!' ? "\033[31m" : "\033[36m") + text + "\033[0m";
}

std::string summary_of(const Overview& overview) {
    const auto attention =
        static_cast<std::size_t>(std::count_if(overview.certificates.begin(), overview.certificates.end(),
                                               [](const auto& s) { return s.attention.has_value(); }));
    const bool is_well_otherwise = overview.store.ok() && !overview.clock && overview.conditions.empty() &&
                                   overview.agent.config_error.empty();
    std::string line = counted(overview.certificates.size(), "certificate") + ", ";
    line += attention > 0 ? std::to_string(attention) + (attention == 1 ? " needs" : " need") + " attention."
            : is_well_otherwise ? "all well."
                                : "well but for what is said above.";
    const std::string looked = looked_words(overview);
    std::string agent = agent_words(overview);
    if (!agent.empty()) agent = overview.agent.is_running ? "agent " + agent : "no agent runs";
    std::string rest = looked + (looked.empty() || agent.empty() ? "" : "; ") + agent;
    if (rest.empty()) return line;
    rest.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(rest.front())));
    return line + " " + rest + ".";
}

/// The last line where there is no such summary.
std::string agent_line(const Overview& overview, std::size_t label) {
    const std::string agent = agent_words(overview);
    return agent.empty() ? "" : padded("AGENT", label) + agent + "\n";
}

constexpr std::size_t kByCause = 200;  // above, rows would help nobody
constexpr std::size_t kNameMin = 16;

/// What is wrong is told once for each cause.
std::vector<Row> rows_of(const Overview& overview, std::size_t width, bool only_marked) {
    std::vector<Row> rows;
    std::set<std::string> told;
    for (const CertificateStatus& status : overview.certificates) {
        if (only_marked && mark_of(status) == ' ') continue;
        const bool is_first = status.attention && told.insert(status.attention->cause).second;
        rows.push_back(row_of(status, overview.now, width, is_first));
    }
    return rows;
}

/// Columns as wide as what is in them; names are cut where all would not fit.
std::string aligned(std::vector<Row> rows, const TableLook& look) {
    Row head{.cells = {"CERTIFICATE", "EXPIRES", "SERVED", "NEXT"}};
    if (look.width >= kWide) head.cells = {"CERTIFICATE", "CA", "GEN", "EXPIRES", "SERVED", "LOOKED", "NEXT"};
    rows.insert(rows.begin(), head);
    std::vector<std::size_t> widths(head.cells.size());
    for (const Row& row : rows) {
        for (std::size_t i = 0; i < row.cells.size(); ++i)
            widths[i] = std::max(widths[i], columns(row.cells[i]));
    }
    std::size_t others = 2 + 3 * (widths.size() - 1);
    for (std::size_t i = 1; i < widths.size(); ++i) others += widths[i];
    const std::size_t room = look.width > others + kNameMin ? look.width - others : kNameMin;
    widths[0] = std::min(widths[0], room);
    std::string text;
    for (Row& row : rows) {
        row.cells[0] = cut_middle(row.cells[0], widths[0]);
        text += coloured(line_of(row, widths), row.mark, look.has_colour) + "\n";
        for (const std::string& line : row.below) text += line + "\n";
    }
    return text;
}

std::size_t lines_of(const std::vector<Row>& rows) {
    std::size_t lines = rows.size();
    for (const Row& row : rows) lines += row.below.size();
    return lines;
}

}  // namespace

std::string to_table(const Overview& overview, const TableLook& look) {
    constexpr std::size_t kAround = 4;  // lines besides the rows: the head, the summary, the prompt
    std::string text;
    if (!overview.agent.config_error.empty()) {
        const auto& since = overview.agent.config_accepted_at;
        const std::string instead = since ? "; the one of " + instant_words(*since) + " is" : "";
        text += coloured("! the configuration is not in force: " + overview.agent.config_error + instead, '!',
                         look.has_colour) +
                "\n\n";
    }
    if (overview.clock) {
        text += coloured("! " + overview.clock->message + "; " + overview.clock->hint, '!', look.has_colour) +
                "\n\n";
    }
    for (const Condition& condition : overview.conditions)
        text += coloured("! " + condition.message + "; " + condition.hint, '!', look.has_colour) + "\n\n";
    if (!overview.store.ok())
        text += coloured("! " + as_one(overview.store.errors).message, '!', look.has_colour) + "\n\n";
    std::vector<Row> rows = rows_of(overview, look.width, /*only_marked=*/false);
    if (look.all || look.height == 0 || lines_of(rows) + kAround <= look.height)
        return text + aligned(std::move(rows), look) + "\n" + summary_of(overview) + "\n";
    text += totals_text(overview, look.width) + "\n";
    if (overview.certificates.size() > kByCause)
        return text + causes_text(overview, look) + "\n" + outlook_text(overview) + agent_line(overview, 9);
    rows = rows_of(overview, look.width, /*only_marked=*/true);
    if (!rows.empty()) text += aligned(std::move(rows), look) + "\n";
    return text + next_text(overview, look.width) + "ALL   renewd status --all\n" + agent_line(overview, 6);
}

}  // namespace agent
