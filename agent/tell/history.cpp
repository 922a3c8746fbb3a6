// SPDX-License-Identifier: Apache-2.0
#include "agent/tell/history.hpp"

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "agent/tell/words.hpp"
#include "base/encoding.hpp"

namespace agent {

using base::Instant;

namespace {

constexpr std::size_t kLinesMax = 12;    // of one text: a hook may have said more
constexpr std::size_t kBefore = 4 + 18;  // columns of the indentation and the time
constexpr std::size_t kWhat = 15;

/// What programs and CAs have said, made safe, with its line ends.
std::string safe_text(const std::string& text) {
    std::string safe;
    std::size_t begin = 0;
    for (std::size_t lines = 0; begin < text.size(); ++lines) {
        if (lines == kLinesMax) return safe + "\n…";
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        safe += (lines == 0 ? "" : "\n") + base::printable(std::string_view(text).substr(begin, end - begin));
        begin = end + 1;
    }
    return safe;
}

void add_line(std::string& text, const std::string& line) {
    if (line.empty()) return;
    text += (text.empty() ? "" : "\n") + line;
}

std::string told(const Happening& happening) {
    std::string text = safe_text(happening.text);
    if (happening.error) {
        add_line(text, safe_text(happening.error->message));
        add_line(text, safe_text(happening.error->hint));
    }
    if (happening.target.empty()) return text;
    return base::printable(happening.target) + (text.empty() ? "" : ": " + text);
}

/// "21 Nov 12:00:05".
std::string time_words(Instant at) {
    return day_words(at) + " " + base::format_instant(at).substr(11, 8);
}

std::string line_of(const Happening& happening, std::size_t width) {
    std::string what = base::printable(happening.what, 64);
    std::ranges::replace(what, '_', ' ');
    const std::string head =
        "    " + padded(time_words(happening.at), kBefore - 4) + padded(what, kWhat) + " ";
    std::string lines;
    for (const std::string& line : wrapped(told(happening), width - columns(head))) {
        lines += (lines.empty() ? head : std::string(columns(head), ' ')) + line + "\n";
    }
    return lines.empty() ? head.substr(0, head.find_last_not_of(' ') + 1) + "\n" : lines;
}

std::string head_of(const HistoryEntry& entry, Instant now) {
    const int generation = entry.happening.generation;
    const std::string which = generation == 0 ? "no generation" : "generation " + std::to_string(generation);
    return entry.certificate + ", " + which + ", " + relative(entry.happening.at, now) + "\n";
}

}  // namespace

void History::add(const std::string& certificate, const std::vector<std::string>& lines) {
    for (const std::string& line : lines) {
        auto happening = parse_line(line);
        if (!happening) {
            ++unreadable_;
            continue;
        }
        entries_.push_back({.certificate = certificate,
                            .happening = std::move(*happening),
                            .line = line,
                            .position = read_++});
    }
    // Of 83,000 certificates no more is held than is shown in the end, some times over.
    if (entries_.size() > 8 * lines_max_) keep_newest(lines_max_);
}

void History::keep_newest(std::size_t count) {
    std::ranges::sort(entries_, {},
                      [](const HistoryEntry& e) { return std::pair(e.happening.at, e.position); });
    if (entries_.size() > count)
        entries_.erase(entries_.begin(), entries_.end() - static_cast<std::ptrdiff_t>(count));
}

std::vector<HistoryEntry> History::entries() const {
    History sorted = *this;
    sorted.keep_newest(lines_max_);
    return std::move(sorted.entries_);
}

std::string to_text(const History& history, Instant now, std::size_t width) {
    std::string text;
    const HistoryEntry* before = nullptr;
    const std::vector<HistoryEntry> entries = history.entries();
    for (const HistoryEntry& entry : entries) {
        const bool goes_on = before != nullptr && before->certificate == entry.certificate &&
                             before->happening.generation == entry.happening.generation;
        if (!goes_on) text += head_of(entry, now);
        text += line_of(entry.happening, width);
        before = &entry;
    }
    if (entries.empty()) text += "Nothing has happened yet.\n";
    if (history.unreadable() > 0) text += counted(history.unreadable(), "line") + " could not be read.\n";
    return text.empty() || entries.empty() ? text : text + "Times are UTC.\n";
}

nlohmann::json to_json(const History& history) {
    nlohmann::json list = nlohmann::json::array();
    for (const HistoryEntry& entry : history.entries()) {
        nlohmann::json line = nlohmann::json::parse(entry.line);
        line["certificate"] = entry.certificate;
        list.push_back(std::move(line));
    }
    return list;
}

}  // namespace agent
