// SPDX-License-Identifier: Apache-2.0
#include "agent/memory/index.hpp"

#include <optional>
#include <set>
#include <utility>

#include <unistd.h>

#include "agent/memory/state_files.hpp"
#include "base/patience.hpp"
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
constexpr base::Milliseconds kNotesPatience{10'000};  // each takes as long as the disk does for one line

base::Failure damaged() {
    return base::fail(Code::StateCorrupt, "the index of due times is damaged");
}

using Names = std::set<std::string, std::less<>>;

/// The names in the notes; those of this process only where `ours_too`. Absent: they cannot be read, and may
/// have any name in them.
std::optional<Names> noted_names(base::Files& files, const std::string& path, bool ours_too) {
    const auto text = base::read_file(files, path, 2 * kNotesMax);
    if (!text) return text.error().code == Code::FileNotFound ? std::optional(Names{}) : std::nullopt;
    std::string_view rest = *text;
    const std::string ours = std::to_string(::getpid());
    Names names;
    while (!rest.empty()) {
        std::string_view line = base::take_until(rest, '\n');
        const std::string_view name = base::take_until(line, ' ');
        if (ours_too || line != ours) names.emplace(name);
    }
    return names;
}

std::string text_without(const Names& left_out, const Index& index) {
    std::string text(kFirstLine);
    text.reserve(index.size() * 68);
    for (const auto& [name, entry] : index) {
        if (left_out.contains(name)) continue;
        text += name;
        text += ' ';
        text += std::to_string(entry.due.time_since_epoch().count());
        text += ' ';
        text += std::to_string(entry.fingerprint);
        if (entry.pressing_at) text += ' ' + std::to_string(entry.pressing_at->time_since_epoch().count());
        text += '\n';
    }
    return base::sealed(std::move(text));
}

/// Held for the blink of an eye, by those who add a note and by the one who takes them away.
Result<base::Lock> lock_notes(base::Files& files, const std::string& place) {
    base::SystemClock clock;
    return as_state(base::take_patiently(clock, kNotesPatience, base::Milliseconds(5),
                                         [&] { return base::Lock::take(files, place + ".lock"); }));
}

}  // namespace

std::string to_text(const Index& index) {
    return text_without({}, index);
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
        const auto fingerprint = base::parse_number<std::uint64_t>(base::take_until(line, ' '));
        const auto pressing_at = base::parse_number<std::int64_t>(line);
        if (!due || !fingerprint || (!pressing_at && !line.empty())) return damaged();
        IndexEntry entry{.due = base::Instant(base::Seconds(*due)), .fingerprint = *fingerprint};
        if (pressing_at) entry.pressing_at = base::Instant(base::Seconds(*pressing_at));
        index.emplace_hint(index.end(), name, entry);
    }
    return index;
}

Index IndexFile::load() const {
    const auto text = base::read_file(files_, place_, kIndexMax);
    if (!text) return {};
    auto index = parse_index(*text);
    // Last, for whatever is noted meanwhile.
    const auto noted = noted_names(files_, place_ + kNotes, /*ours_too=*/true);
    if (!index || !noted) return {};
    for (const std::string& name : *noted) index->erase(name);
    return std::move(*index);
}

bool IndexFile::has_notes() const {
    return base::exists(files_, place_ + kNotes);
}

Result<void> IndexFile::save(const Index& index) const {
    // Nobody notes anything meanwhile, so that what is missing in the index needs no note any more.
    const base::Lock lock = TRY(lock_notes(files_, place_));
    const auto noted = noted_names(files_, place_ + kNotes, /*ours_too=*/false);
    const std::string text = noted ? text_without(*noted, index) : to_text(Index{});
    TRY(as_state(base::write_durably(files_, place_, text, kPrivate)));
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
    const std::string note = certificate + " " + std::to_string(::getpid()) + "\n";
    const auto add = [&] {
        return as_state(base::append_durably(files_, place_ + kNotes, note, kPrivate.mode));
    };
    auto noted = add();
    if (noted || noted.error().code != Code::StateNoSpace) return noted;
    // A full disk must not stop what has its room already: without the index nothing is relied on. Where that
    // makes room, whoever saves another one hears of it all the same.
    TRY(as_state(base::remove_tree(files_, place_)));
    static_cast<void>(add());
    return {};
}

}  // namespace agent
