// SPDX-License-Identifier: Apache-2.0
// The status as a table that one likes to look at: aligned, in 80 columns or 120, what needs a person first
// and in plain words.
#include <algorithm>
#include <array>

#include "agent/tell/status.hpp"
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

char mark_of(const CertificateStatus& status) {
    if (status.attention) return '!';
    if (status.held) return '=';
    return status.state == CertificateState::Renewing || status.state == CertificateState::Deploying ? '~'
                                                                                                     : ' ';
}

std::string next_of(const CertificateStatus& status, Instant now) {
    if (status.config == nullptr) return "removed, kept until forgotten";
    if (status.state == CertificateState::Paused) return "paused by the CA";
    if (status.state == CertificateState::Held)
        return "orders " + relative(status.plan.renewal.held_until.value_or(status.plan.renewal.at), now) +
               " (limit)";
    if (status.record.issuance) return "orders again " + relative(status.record.issuance->next_attempt, now);
    for (const TargetStatus& target : status.targets) {
        if (!target.record.failure) continue;
        const bool in_place = target.record.installed == target.wanted;
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
    return "renews " + relative(status.plan.renewal.at, now);
}

std::string expiry_of(const CertificateStatus& status, Instant now, bool is_wide) {
    const GenerationRecord* wanted = status.record.wanted();
    if (wanted == nullptr) return "never issued";
    const Instant expiry = status.served.oldest_not_after.value_or(wanted->not_after);
    const std::string words = expiry <= now ? "expired " + relative(expiry, now) : relative(expiry, now);
    return is_wide ? words + " (" + day_words(expiry) + ")" : words;
}

std::string looked_of(const CertificateStatus& status, Instant now) {
    std::optional<Instant> last;
    for (const TargetStatus& target : status.targets) {
        if (target.record.verified_at)
            last = std::max(last.value_or(*target.record.verified_at), *target.record.verified_at);
    }
    return last ? relative(*last, now) : "never";
}

/// What to type once it is mended, unless the hint says it already.
std::string next_step(const CertificateStatus& status) {
    if (status.attention->error.hint.find("renewd ") != std::string::npos) return {};
    return (status.record.issuance ? "renewd renew " : "renewd deploy ") + status.record.name;
}

Row row_of(const CertificateStatus& status, Instant now, std::size_t width) {
    const bool is_wide = width >= kWide;
    Row row{.mark = mark_of(status)};
    const Served& served = status.served;
    const std::string places = served.expected == 0
                                   ? "nobody looks"
                                   : std::to_string(served.serving) + "/" + std::to_string(served.expected);
    const GenerationRecord* wanted = status.record.wanted();
    row.cells.push_back(cut_middle(status.record.name, is_wide ? 44 : 28));
    if (is_wide) {
        row.cells.push_back(status.config == nullptr ? "" : status.config->ca.front());
        row.cells.push_back(wanted == nullptr ? "-" : std::to_string(wanted->number));
    }
    row.cells.push_back(expiry_of(status, now, is_wide));
    row.cells.push_back(places);
    if (is_wide) row.cells.push_back(looked_of(status, now));
    row.cells.push_back(next_of(status, now));
    if (!status.attention) return row;
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
    std::string line = counted(overview.certificates.size(), "certificate") + ", ";
    if (attention == 0) return line + "all well.";
    return line + std::to_string(attention) + (attention == 1 ? " needs attention." : " need attention.");
}

}  // namespace

std::string to_table(const Overview& overview, std::size_t width, bool has_colour) {
    std::string text;
    if (!overview.store.ok) text += coloured("! " + overview.store.message, '!', has_colour) + "\n\n";
    Row head{.cells = {"CERTIFICATE", "EXPIRES", "SERVED", "NEXT"}};
    if (width >= kWide) head.cells = {"CERTIFICATE", "CA", "GEN", "EXPIRES", "SERVED", "LOOKED", "NEXT"};
    std::vector<Row> rows{head};
    for (const CertificateStatus& status : overview.certificates)
        rows.push_back(row_of(status, overview.now, width));
    std::vector<std::size_t> widths(head.cells.size());
    for (const Row& row : rows) {
        for (std::size_t i = 0; i < row.cells.size(); ++i)
            widths[i] = std::max(widths[i], columns(row.cells[i]));
    }
    for (const Row& row : rows) {
        text += coloured(line_of(row, widths), row.mark, has_colour) + "\n";
        for (const std::string& line : row.below) text += line + "\n";
    }
    return text + "\n" + summary_of(overview) + "\n";
}

}  // namespace agent
