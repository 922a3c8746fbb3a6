// SPDX-License-Identifier: Apache-2.0
#include "agent/memory/ledger_file.hpp"

#include <fcntl.h>

#include "agent/memory/state_files.hpp"
#include "base/encoding.hpp"
#include "base/text.hpp"

namespace agent {

using base::Result;

namespace {

constexpr std::string_view kTitle = "renewd-ledger ";
constexpr std::string_view kHead = "renewd-ledger 1";
constexpr std::int64_t kVersion = 1;
constexpr const char* kName = "/ledger";
constexpr const char* kLockName = "/ledger.lock";
/// 83,000 certificates of six days without renewal information leave 40,000 lines of 90 bytes; the file is
/// rewritten long before it has four times as many.
constexpr std::size_t kLedgerFileMax = 33'554'432;
constexpr std::size_t kDigest = 8;

// <digest> bucket <milliseconds> <name>
// <digest> wait <seconds> <names, or *> <words>
// <digest> account <url>
std::string line_of(const std::string& content) {
    return base::sha256_hex(content).substr(0, kDigest) + " " + content + "\n";
}

std::string bucket_line(const std::string& name, LimitInstant full_at) {
    return line_of("bucket " + std::to_string(full_at.time_since_epoch().count()) + " " + name);
}

std::string wait_line(const LearnedHold& hold) {
    return line_of("wait " + std::to_string(hold.until.time_since_epoch().count()) + " " +
                   (hold.names.empty() ? "*" : hold.names) + " " + base::printable(hold.words));
}

std::optional<std::int64_t> number_of(std::string_view text) {
    const auto value = base::parse_number<std::int64_t>(text);
    // 2100-01-01 in milliseconds: no limit lasts that long.
    constexpr std::int64_t kLast = 4'102'444'800'000;
    return value && *value >= 0 && *value <= kLast ? value : std::nullopt;
}

bool take_content(Ledger& ledger, std::string_view content) {
    const std::string_view kind = base::take_until(content, ' ');
    if (kind == "account") {
        ledger.belong_to(std::string(content));
        return !content.empty();
    }
    const auto value = number_of(base::take_until(content, ' '));
    if (!value || content.empty()) return false;
    if (kind == "bucket") {
        ledger.set_bucket(std::string(content), LimitInstant(base::Milliseconds(*value)));
        return true;
    }
    if (kind != "wait") return false;
    std::string names(base::take_until(content, ' '));
    if (names == "*") names.clear();
    ledger.set_learned({.names = std::move(names),
                        .until = base::Instant(base::Seconds(*value)),
                        .words = std::string(content)});
    return true;
}

bool take_line(Ledger& ledger, std::string_view line) {
    if (line.size() <= kDigest + 1 || line[kDigest] != ' ') return false;
    const std::string_view content = line.substr(kDigest + 1);
    return base::sha256_hex(content).starts_with(line.substr(0, kDigest)) && take_content(ledger, content);
}

}  // namespace

LedgerText parse_ledger(std::string_view text) {
    LedgerText read;
    bool is_first = true;
    while (!text.empty()) {
        const std::string_view line = base::take_until(text, '\n');
        if (line.empty()) continue;  // after a line that was torn
        ++read.lines;
        if (std::exchange(is_first, false) && line.starts_with(kTitle)) {
            read.is_newer = number_of(line.substr(kTitle.size())).value_or(0) > kVersion;
            if (read.is_newer) return read;
            if (line != kHead) read.is_whole = false;
            continue;
        }
        if (!take_line(read.ledger, line)) read.is_whole = false;
    }
    static_cast<void>(read.ledger.take_changes());
    return read;
}

std::string to_text(const Ledger& ledger) {
    std::string text = std::string(kHead) + "\n";
    if (!ledger.account().empty()) text += line_of("account " + ledger.account());
    for (const auto& [name, full_at] : ledger.buckets()) text += bucket_line(name, full_at);
    for (const LearnedHold& hold : ledger.learned()) text += wait_line(hold);
    return text;
}

std::string to_lines(const Ledger& ledger, const Ledger::Changes& changes) {
    std::string text;
    if (changes.account) text += line_of("account " + ledger.account());
    for (const std::string& name : changes.buckets) text += bucket_line(name, ledger.bucket(name));
    if (changes.learned) {
        for (const LearnedHold& hold : ledger.learned()) text += wait_line(hold);
    }
    return text;
}

Result<std::optional<LedgerText>> LedgerFile::read() {
    const auto text = TRY(as_state(read_if_there(files_, place_ + kName, kLedgerFileMax)));
    if (!text) return std::optional<LedgerText>{};
    return std::optional(parse_ledger(*text));
}

std::optional<std::uint64_t> LedgerFile::size() {
    const auto info = files_.info(place_ + kName);
    return info ? std::optional(info->size) : std::nullopt;
}

Result<base::Lock> LedgerFile::lock() {
    TRY(as_state(base::make_directories(files_, place_, kPrivateDirectory)));
    return as_state(base::Lock::take(files_, place_ + kLockName));
}

Result<void> LedgerFile::append(const std::string& lines) {
    return as_state(base::append_durably(files_, place_ + kName, lines, kPrivate.mode));
}

Result<void> LedgerFile::replace(const std::string& text) {
    return as_state(base::write_durably(files_, place_ + kName, text, kPrivate));
}

}  // namespace agent
