// SPDX-License-Identifier: Apache-2.0
#include "agent/memory/index.hpp"

#include <set>

#include <fcntl.h>
#include <unistd.h>

#include "agent/memory/state_files.hpp"
#include "base/text.hpp"

namespace agent {

using base::Code;
using base::Result;

namespace {

constexpr std::string_view kFirstLine = "renewd index 1\n";
constexpr const char* kNotes = ".changed";
constexpr std::size_t kIndexMax = std::size_t{256} * 1024 * 1024;
/// Without an agent nobody ever takes the notes away. Beyond this, reading all records costs less than they
/// do.
constexpr std::uint64_t kNotesMax = 1'048'576;

base::Failure damaged() {
    return base::fail(Code::StateCorrupt, "the index of due times is damaged");
}

/// The names in the notes; those of this process only where `ours_too`.
std::set<std::string, std::less<>> noted(base::Files& files, const std::string& path, bool ours_too) {
    std::set<std::string, std::less<>> names;
    const auto text = base::read_file(files, path, 2 * kNotesMax);
    std::string_view rest = text ? std::string_view(*text) : std::string_view();
    const std::string ours = std::to_string(::getpid());
    while (!rest.empty()) {
        std::string_view line = base::take_until(rest, '\n');
        const std::string_view name = base::take_until(line, ' ');
        if (ours_too || line != ours) names.emplace(name);
    }
    return names;
}

/// Held for the blink of an eye, by those who add a note and by the one who takes them away.
Result<base::Lock> lock_notes(base::Files& files, const std::string& place) {
    constexpr int kTries = 200;
    for (int i = 1;; ++i) {
        auto lock = base::Lock::take(files, place + ".lock");
        if (lock || lock.error().code != Code::StateLocked || i == kTries) return as_state(std::move(lock));
        ::usleep(5'000);
    }
}

}  // namespace

std::string to_text(const Index& index) {
    std::string text(kFirstLine);
    text.reserve(index.size() * 56);
    for (const auto& [name, entry] : index) {
        text += name;
        text += ' ';
        text += std::to_string(entry.due.time_since_epoch().count());
        text += ' ';
        text += std::to_string(entry.fingerprint);
        text += '\n';
    }
    return base::sealed(std::move(text));
}

Result<Index> parse_index(std::string_view text) {
    const auto content = base::unsealed(text);
    if (!content || !content->starts_with(kFirstLine)) return damaged();
    std::string_view rest = content->substr(kFirstLine.size());
    Index index;
    while (!rest.empty()) {
        std::string_view line = base::take_until(rest, '\n');
        const std::string_view name = base::take_until(line, ' ');
        const auto due = base::parse_number<std::int64_t>(base::take_until(line, ' '));
        const auto fingerprint = base::parse_number<std::uint64_t>(line);
        if (!due || !fingerprint) return damaged();
        const IndexEntry entry{.due = base::Instant(base::Seconds(*due)), .fingerprint = *fingerprint};
        index.emplace_hint(index.end(), name, entry);
    }
    return index;
}

Index IndexFile::load() const {
    const auto text = base::read_file(files_, place_, kIndexMax);
    if (!text) return {};
    auto index = parse_index(*text);
    if (!index) return {};
    for (const std::string& name : noted(files_, place_ + kNotes, /*ours_too=*/true)) index->erase(name);
    return std::move(*index);
}

Result<void> IndexFile::save(Index index) const {
    // Nobody notes anything meanwhile, so that what is missing in the index needs no note any more.
    const base::Lock lock = TRY(lock_notes(files_, place_));
    for (const std::string& name : noted(files_, place_ + kNotes, /*ours_too=*/false)) index.erase(name);
    TRY(as_state(base::write_durably(files_, place_, to_text(index), kPrivate)));
    return as_state(base::remove_tree(files_, place_ + kNotes));
}

Result<void> IndexFile::note_change(const std::string& certificate) const {
    const base::Lock lock = TRY(lock_notes(files_, place_));
    const auto info = files_.info(place_ + kNotes);
    if (info && info->size > kNotesMax) {
        TRY(as_state(base::remove_tree(files_, place_)));
        TRY(as_state(base::remove_tree(files_, place_ + kNotes)));
        return {};
    }
    return append(certificate + " " + std::to_string(::getpid()) + "\n");
}

Result<void> IndexFile::append(const std::string& line) const {
    const auto file = TRY(as_state(files_.open(place_ + kNotes, O_WRONLY | O_APPEND | O_CREAT, 0600)));
    const std::size_t written = TRY(as_state(files_.write(file, line)));
    if (written != line.size())
        return base::fail(Code::StateNoSpace, place_ + ".changed: only a part of a line was taken");
    return as_state(files_.sync(file));
}

}  // namespace agent
