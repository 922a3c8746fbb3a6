// SPDX-License-Identifier: Apache-2.0
#include "agent/memory/file_store.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fcntl.h>

#include "agent/memory/generation_files.hpp"
#include "agent/memory/state_files.hpp"
#include "base/encoding.hpp"
#include "base/text.hpp"

namespace agent {

using base::Code;
using base::Result;

namespace {

constexpr std::uint64_t kHistoryMax = 1'048'576;

/// The number a generation's directory is named with; 0 if it is none.
int generation_number(const std::string& name) {
    const int number = base::parse_number<int>(name).value_or(0);
    return number > 0 && std::to_string(number) == name ? number : 0;
}

bool looks_volatile(base::Files& files, const std::string& directory) {
    constexpr std::array<std::string_view, 5> kVolatile{"/tmp/", "/var/tmp/", "/run/", "/var/run/",
                                                        "/var/cache/"};
    const std::string with_slash = directory + "/";
    if (std::ranges::any_of(kVolatile, [&](auto prefix) { return with_slash.starts_with(prefix); })) {
        return true;
    }
    const auto in_memory = files.is_in_memory(directory);
    return in_memory && *in_memory;
}

}  // namespace

Result<std::unique_ptr<FileStore>> FileStore::open(base::Files& files, std::string directory,
                                                   bool allow_volatile) {
    TRY(as_state(base::make_directories(files, directory + "/certificates", kPrivateDirectory)));
    TRY(as_state(base::make_directories(files, directory + "/accounts", kPrivateDirectory)));
    if (!allow_volatile && looks_volatile(files, directory)) {
        return base::fail(Code::StateVolatile,
                          directory + " does not survive a reboot or a cleaner, and keys in it would be lost",
                          "choose another agent.state_dir, or set agent.allow_volatile = true for a test");
    }
    remove_leftovers_of_the_dead(files, directory);
    return std::unique_ptr<FileStore>(new FileStore(files, std::move(directory), /*may_write=*/true));
}

std::unique_ptr<FileStore> FileStore::open_read_only(base::Files& files, std::string directory) {
    return std::unique_ptr<FileStore>(new FileStore(files, std::move(directory), /*may_write=*/false));
}

std::string FileStore::home(const std::string& certificate) const {
    const bool is_wildcard = certificate.starts_with("*");
    return root_ + "/certificates/" + (is_wildcard ? "_wildcard" + certificate.substr(1) : certificate);
}

std::string FileStore::directory_of(const std::string& certificate, int number) const {
    return home(certificate) + "/" + std::to_string(number);
}

Result<std::unique_ptr<Lease>> FileStore::lease(const std::string& certificate) {
    auto lease = TRY(take_lease(files_, home(certificate)));
    TRY(index().note_change(certificate));
    // What is left there would become a part of the generation.
    for (const std::string& place : TRY(order_places(certificate))) TRY(remove_leftovers(files_, place));
    return lease;
}

Result<std::vector<std::string>> FileStore::certificates() {
    auto names = files_.list(root_ + "/certificates");
    if (!names && names.error().code == Code::FileNotFound) return std::vector<std::string>{};
    std::vector<std::string> certificates = TRY(as_state(std::move(names)));
    for (std::string& name : certificates) {
        if (name.starts_with("_wildcard")) name = "*" + name.substr(9);
    }
    return certificates;
}

void FileStore::found(const std::string& certificate, std::string finding) {
    const std::scoped_lock guard(findings_mutex_);
    std::vector<std::string>& known = findings_[certificate];
    if (std::ranges::find(known, finding) == known.end()) known.push_back(std::move(finding));
}

std::vector<std::string> FileStore::findings(const std::string& certificate) {
    const std::scoped_lock guard(findings_mutex_);
    const auto node = findings_.extract(certificate);
    return node.empty() ? std::vector<std::string>{} : std::move(node.mapped());
}

Result<std::optional<Record>> FileStore::read_record(const std::string& certificate) {
    std::string missing;
    for (const char* file : {"/record.json", "/record.json.1"}) {
        const std::string path = home(certificate) + file;
        const auto text = TRY(as_owned(read_if_there(files_, path, kStateFileMax), home(certificate)));
        if (!text) {
            missing = missing.empty() ? path + " is missing" : missing;
            continue;
        }
        auto record = parse_record(*text);
        if (record && record->name == certificate) {
            if (!missing.empty()) found(certificate, missing);
            return std::optional(std::move(*record));
        }
        if (!record && record.error().code == Code::StateNewer) {
            return tl::make_unexpected(std::move(record).error().within(path));
        }
        found(certificate,
              path + (record ? " is the record of " + record->name : " " + record.error().message));
    }
    return std::optional<Record>{};
}

Result<std::vector<GenerationRecord>> FileStore::read_generations(const std::string& certificate,
                                                                  const std::vector<int>& numbers) {
    std::vector<GenerationRecord> generations;
    for (const int number : numbers) {
        const std::string path = directory_of(certificate, number) + "/meta.json";
        const auto text = TRY(as_owned(read_if_there(files_, path, kStateFileMax), home(certificate)));
        auto generation = text ? parse_generation(*text)
                               : Result<GenerationRecord>(base::fail(Code::StateCorrupt, "is missing"));
        // One that cannot be read is left where it is, for a person, and is never counted as held.
        if (generation && generation->number == number) {
            generations.push_back(std::move(*generation));
            continue;
        }
        found(certificate, path +
                               (generation ? " is of generation " + std::to_string(generation->number)
                                           : " " + generation.error().message) +
                               "; generation " + std::to_string(number) +
                               " is left as it is, and is not used");
    }
    return generations;
}

Result<std::optional<Record>> FileStore::load(const std::string& certificate) {
    auto names = files_.list(home(certificate));
    if (!names && names.error().code == Code::FileNotFound) return std::optional<Record>{};
    const std::vector<std::string> entries = TRY(as_state(std::move(names)));
    std::optional<Record> record = TRY(read_record(certificate));

    std::vector<int> unrecorded;
    for (const std::string& entry : entries) {
        const int number = generation_number(entry);
        if (number > 0 && !(record && record->generation(number) != nullptr)) unrecorded.push_back(number);
    }
    if (!record && unrecorded.empty()) return std::optional<Record>{};
    const bool is_rebuilt = !record;
    if (is_rebuilt) record = Record{.name = certificate};
    const int newest = record->wanted() == nullptr ? 0 : record->wanted()->number;
    for (GenerationRecord& generation : TRY(read_generations(certificate, unrecorded))) {
        record->first_seen =
            record->first_seen == base::Instant{} ? generation.issued_at : record->first_seen;
        // A run was killed between the generation and its record.
        if (!is_rebuilt && generation.number > newest) note_issued(*record, generation.number);
        record->generations.push_back(std::move(generation));
    }
    std::sort(record->generations.begin(), record->generations.end(),
              [](const GenerationRecord& a, const GenerationRecord& b) { return a.number < b.number; });
    if (is_rebuilt && record->generations.empty()) {
        return base::fail(
            Code::StateCorrupt,
            home(certificate) +
                " holds generations, but neither its record nor one of them can be read. "
                "Nothing is ordered until you decide",
            "bring it back from a backup; or, to begin anew:  mv " + home(certificate) + " " + root_ + "/");
    }
    if (is_rebuilt) {
        found(certificate, home(certificate) + ": the record was lost, and is put together again from " +
                               std::to_string(record->generations.size()) +
                               " generation(s); what targets have is looked at anew");
    }
    return record;
}

/// The one before stays at hand; one that cannot be trusted is evidence, and takes the place of nothing.
Result<void> FileStore::put_aside(const Record& next, const std::string& current) {
    constexpr int kEvidenceMax = 9;
    const std::string path = home(next.name) + "/record.json";
    const auto known = parse_record(current);
    if (!known && known.error().code == Code::StateNewer)
        return tl::make_unexpected(base::Error(known.error()).within(path));
    if (known && known->name == next.name) {
        TRY(as_state(base::remove_tree(files_, path + ".1")));
        return as_state(files_.link(path, path + ".1"));
    }
    for (int number = 1; number <= kEvidenceMax; ++number) {
        const std::string aside = path + ".corrupt" + (number == 1 ? "" : "." + std::to_string(number));
        if (base::exists(files_, aside)) continue;
        return as_state(files_.link(path, aside));
    }
    return {};  // the first ones tell most
}

Result<void> FileStore::save(const Record& record) {
    const std::string path = home(record.name) + "/record.json";
    if (const auto current = TRY(as_state(read_if_there(files_, path, kStateFileMax))))
        TRY(put_aside(record, *current));
    TRY(as_state(base::write_durably(files_, path, to_text(record), kPrivate)));
    return point_live_at(record);
}

Result<void> FileStore::point_live_at(const Record& record) {
    if (record.wanted() == nullptr) return {};
    const std::string live = home(record.name) + "/live";
    const std::string wanted = std::to_string(record.wanted()->number);
    const auto now = files_.read_symlink(live);
    if (now && *now == wanted) return {};
    return as_state(base::replace_symlink(files_, wanted, live));
}

Result<int> FileStore::next_number(const std::string& certificate) {
    int highest = 0;
    for (const std::string& entry : TRY(as_state(files_.list(home(certificate))))) {
        highest = std::max(highest, generation_number(entry));
    }
    const std::optional<Record> record = TRY(read_record(certificate));
    if (record && record->wanted() != nullptr) highest = std::max(highest, record->wanted()->number);
    return highest + 1;
}

Result<deployers::Generation> FileStore::generation(const std::string& certificate, int number) {
    auto generation = read_generation_files(files_, directory_of(certificate, number), certificate, number);
    if (!generation && generation.error().code == Code::StateCorrupt)
        generation.error().hint =
            "bring it back from a backup; or, for a new one:  renewd renew " + certificate + " --force";
    return generation;
}

Result<void> FileStore::amend(const std::string& certificate, const GenerationRecord& record) {
    const std::string directory = directory_of(certificate, record.number);
    TRY(remove_leftovers(files_, directory));
    return as_state(base::write_durably(files_, directory + "/meta.json", to_text(record), kPrivate));
}

Result<void> FileStore::prune(const std::string& certificate, const std::vector<int>& kept) {
    for (const std::string& entry : TRY(as_state(files_.list(home(certificate))))) {
        const int number = generation_number(entry);
        if (number == 0 || std::ranges::find(kept, number) != kept.end()) continue;
        if (TRY(read_generations(certificate, {number})).empty()) continue;  // left for a person
        TRY(remove_at_once(files_, directory_of(certificate, number)));
    }
    return {};
}

Result<void> FileStore::forget(const std::string& certificate) {
    // Half of a directory would be taken for a certificate that has lost its record, and put together again:
    // it is moved away whole, and what a killed run has left there goes with the next.
    const std::string place = root_ + "/forgotten";
    const std::string aside = home(certificate).replace(0, (root_ + "/certificates").size(), place);
    TRY(as_state(base::make_directories(files_, place, kPrivateDirectory)));
    TRY(as_state(base::remove_tree(files_, aside)));
    TRY(as_state(files_.rename(home(certificate), aside)));
    TRY(as_state(base::sync_directory(files_, root_ + "/certificates")));
    return as_state(base::remove_tree(files_, place));
}

/// Whoever holds the lease writes: threads of one process, each for a target of its own.
Result<void> FileStore::remember(const std::string& certificate, const std::string& line) {
    const std::string path = home(certificate) + "/history.jsonl";
    const std::scoped_lock turn(history_mutex_);
    if (const auto info = files_.info(path); info && info->size > kHistoryMax) {
        TRY(as_state(files_.rename(path, path + ".1")));
        torn_histories_.erase(path);
    }
    const auto file = TRY(as_state(files_.open(path, O_WRONLY | O_APPEND | O_CREAT, 0600)));
    // Half of a line that could not be written to its end spoils none but itself.
    const std::string text = (torn_histories_.contains(path) ? "\n" : "") + line + "\n";
    std::string_view rest = text;
    while (!rest.empty()) {
        auto taken = files_.write(file, rest);
        if (taken && *taken == 0) taken = base::fail(Code::FileIo, path + ": no byte was taken");
        if (!taken && rest.size() < text.size()) torn_histories_.insert(path);
        rest.remove_prefix(TRY(as_state(std::move(taken))));
    }
    torn_histories_.erase(path);
    return {};
}

Result<std::vector<std::string>> FileStore::history(const std::string& certificate, std::size_t lines_max) {
    std::vector<std::string> lines;  // newest first
    for (const char* file : {"/history.jsonl", "/history.jsonl.1"}) {
        if (lines.size() >= lines_max) break;
        const auto text = TRY(as_state(read_if_there(files_, home(certificate) + file, kStateFileMax)));
        std::size_t end = text ? text->size() : 0;
        while (end > 0 && lines.size() < lines_max) {
            const std::size_t before = text->rfind('\n', end - 1);
            const std::size_t begin = before == std::string::npos ? 0 : before + 1;
            if (begin < end) lines.push_back(text->substr(begin, end - begin));
            end = begin == 0 ? 0 : begin - 1;
        }
    }
    std::ranges::reverse(lines);
    return lines;
}

Result<std::uint64_t> FileStore::free_bytes() {
    return as_state(files_.free_bytes(root_));
}

}  // namespace agent
