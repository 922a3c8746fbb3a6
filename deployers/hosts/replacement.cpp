// SPDX-License-Identifier: Apache-2.0
// Everything that touches a file of an installation on this machine.
#include "deployers/hosts/replacement.hpp"

#include <algorithm>
#include <ranges>
#include <set>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "base/encoding.hpp"
#include "deployers/hosts/safe_path.hpp"
#include "deployers/limits.hpp"

namespace deployers {

namespace {

using base::Code;

constexpr mode_t kDirectoryMode =
    0755;  // the files' own modes guard them; a service must get at the public ones
constexpr mode_t kWorkMode = 0700;

/// Are we in this group? Only then may an ordinary user give a file to it.
bool is_member(gid_t group) {
    if (::getegid() == group) return true;
    std::vector<gid_t> groups(static_cast<std::size_t>(std::max(0, ::getgroups(0, nullptr))));
    const int count = ::getgroups(static_cast<int>(groups.size()), groups.data());
    groups.resize(static_cast<std::size_t>(std::max(0, count)));
    return std::ranges::find(groups, group) != groups.end();
}

base::Failure write_failed(const std::string& message) {
    return base::fail(Code::DeployWriteFailed, message);
}

/// What cannot be asked about is not taken for missing: on that depends what is removed.
base::Result<bool> is_there(base::Files& files, const std::string& path) {
    const auto info = files.info(path);
    if (info) return true;
    if (info.error().code == Code::FileNotFound) return false;
    return base::Failure(info.error());
}

}  // namespace

Replacement::Replacement(base::Files& files, const Installation& installation, uid_t user)
    : files_(files), installation_(installation), user_(user), work_(work_directory(installation)) {}

base::Result<void> Replacement::check_owner(const FilePlan& plan,
                                            const base::FileAttributes& attributes) const {
    if (user_ == 0) return {};
    const auto refuse = [&](const std::string& whom) {
        return write_failed(plan.path + " is to belong to " + whom + ", and user " + std::to_string(user_) +
                            ", as whom this runs, may not give files away");
    };
    if (attributes.uid != user_) return refuse("user " + plan.owner);
    if (!is_member(attributes.gid.value_or(0))) return refuse("group " + plan.group);
    return {};
}

base::Result<std::vector<Replacement::Item>> Replacement::resolve(const std::vector<FilePlan>& plans) const {
    std::vector<Item> items;
    for (const FilePlan& plan : plans) {
        const auto owner = base::user_id(plan.owner);
        const auto group = base::group_id(plan.group);
        if (!owner)
            return write_failed(plan.path + " cannot be given to its owner: " + owner.error().message);
        if (!group)
            return write_failed(plan.path + " cannot be given to its group: " + group.error().message);
        const base::FileAttributes attributes{
            .mode = static_cast<mode_t>(plan.mode), .uid = *owner, .gid = *group};
        TRY(check_owner(plan, attributes));
        items.push_back(
            {.plan = &plan, .sha256 = base::sha256_hex(plan.content.reveal()), .attributes = attributes});
    }
    return items;
}

base::Result<void> Replacement::check_host() {
    for (const auto* plans : {&installation_.published, &installation_.staged}) {
        for (const FilePlan& plan : *plans) {
            TRY(check_directory(files_, base::directory_of(plan.path), user_));
            TRY(check_replaceable(files_, plan.path));
        }
    }
    TRY(check_directory(files_, work_, user_));
    if (!installation_.versions.empty()) TRY(check_directory(files_, installation_.versions, user_));
    staged_ = TRY(resolve(installation_.staged));
    published_ = TRY(resolve(installation_.published));
    return {};
}

base::Result<std::optional<std::string>> Replacement::read_digest(const std::string& path) {
    const auto content = base::read_file(files_, path, kFileMax);
    if (content) return base::sha256_hex(*content);
    if (content.error().code == Code::FileNotFound) return std::nullopt;
    // No file of ours is as large as that, so it has the digest of none.
    if (content.error().code == Code::FileTooLarge) return std::string();
    return base::Failure(content.error());
}

std::optional<std::string> Replacement::digest(const std::string& path) {
    return read_digest(path).value_or(std::nullopt);
}

bool Replacement::is_complete(const Journal& journal) {
    return std::ranges::all_of(journal, [&](const JournalEntry& entry) {
        const auto now = digest(entry.path);
        return std::ranges::any_of(journal, [&](const JournalEntry& other) {
            return other.path == entry.path && other.sha256 == now;
        });
    });
}

bool Replacement::is_published(const std::string& path) const {
    return std::ranges::any_of(published_, [&](const Item& item) { return item.plan->path == path; });
}

base::Result<void> Replacement::remove(const std::string& path) {
    base::Result<void> removed = files_.unlink(path);
    if (!removed && removed.error().code == Code::FileNotFound) return {};
    return removed;
}

base::Result<bool> Replacement::recover() {
    const auto text = base::read_file(files_, work_ + "/journal", kBundleMax);
    if (!text && text.error().code != Code::FileNotFound) return base::Failure(text.error());
    for (const auto* items : {&published_, &staged_}) {
        for (const Item& item : *items) {
            TRY(remove(new_name(work_, item.plan->path)));
            // Without a journal nothing was published yet, and what was saved is still in its place as well.
            if (!text) TRY(remove(old_name(work_, item.plan->path)));
        }
    }
    if (!text) {
        TRY(base::remove_tree(files_, work_));
        return false;
    }
    // A file that is not ours any more (the configuration has changed since): what was complete stays, what
    // was cut off between two renames goes back, and neither is spoken of again.
    const Journal found = parse_journal(*text);
    left_complete_ = is_complete(found);
    for (const JournalEntry& entry : found) {
        if (is_published(entry.path)) {
            journal_.push_back(entry);
            continue;
        }
        TRY(check_directory(files_, base::directory_of(entry.path), user_));
        if (!left_complete_) TRY(put_back(entry));
        TRY(remove(old_name(work_, entry.path)));
    }
    return true;
}

bool Replacement::has(const Item& item) {
    const auto info = files_.info(item.plan->path);
    return info && info->kind == base::FileKind::Regular && info->mode == item.attributes.mode &&
           info->uid == item.attributes.uid && info->gid == item.attributes.gid &&
           digest(item.plan->path) == item.sha256;
}

bool Replacement::is_in_place() {
    const auto is_there = [&](const Item& item) { return has(item); };
    return std::ranges::all_of(published_, is_there) && std::ranges::all_of(staged_, is_there);
}

bool Replacement::holds_ours() {
    const auto holds = [&](const std::vector<FileDigest>& set) {
        const auto is_named = [&](const Item& item) {
            return std::ranges::find(set, item.plan->path, &FileDigest::path) != set.end();
        };
        const auto is_whole = [&](const FileDigest& file) { return digest(file.path) == file.sha256; };
        return std::ranges::all_of(published_, is_named) && std::ranges::all_of(set, is_whole);
    };
    std::vector<FileDigest> wanted;
    for (const auto* items : {&published_, &staged_}) {
        for (const Item& item : *items) wanted.push_back({.path = item.plan->path, .sha256 = item.sha256});
    }
    return holds(wanted) || std::ranges::any_of(installation_.known, holds);
}

base::Result<void> Replacement::make_directory_for(const std::string& path) {
    const std::string directory = base::directory_of(path);
    if (TRY(is_there(files_, directory))) return {};
    const std::string parent = base::directory_of(directory);
    const bool is_version = parent == installation_.versions;
    if (is_version && !TRY(is_there(files_, parent))) TRY(make_directory_for(directory));
    if (!TRY(is_there(files_, parent))) {
        return write_failed("the directory " + parent + " for " + path + " does not exist");
    }
    // Made with our own bits only, then opened up: a umask must neither widen nor narrow it.
    TRY(files_.make_directory(directory, kWorkMode));
    made_.push_back(directory);
    const base::Descriptor handle = TRY(files_.open(directory, O_RDONLY | O_DIRECTORY, 0));
    TRY(files_.change_mode(handle, kDirectoryMode));
    return base::sync_directory(files_, parent);
}

base::Result<void> Replacement::write_staged(const Item& item) {
    if (has(item)) return {};
    const std::string& path = item.plan->path;
    TRY(make_directory_for(path));
    const bool was_there = TRY(is_there(files_, path));
    const std::string beside = new_name(work_, path);
    TRY(base::write_new_file(files_, beside, item.plan->content.reveal(), item.attributes));
    if (!was_there) made_.push_back(path);
    return files_.rename(beside, path);
}

base::Result<void> Replacement::copy_as(const std::string& from, const std::string& to) {
    const std::string content = TRY(base::read_file(files_, from, kFileMax));
    const base::FileInfo info = TRY(files_.info(from));
    return base::write_new_file(files_, to, content, {.mode = info.mode, .uid = info.uid, .gid = info.gid});
}

base::Result<void> Replacement::save(const Item& item, Journal& journal) {
    const std::string& path = item.plan->path;
    const std::string old = old_name(work_, path);
    const auto now = TRY(read_digest(path));
    const bool is_saved = TRY(is_there(files_, old));
    const auto then = std::ranges::find_if(journal_, [&](const JournalEntry& entry) {
        return entry.path == path && entry.sha256 == now && (!entry.had || is_saved);
    });
    if (then != journal_.end()) {
        // What is there is what the interrupted run had published, so what it had saved is what was there
        // before. Its lines stay: we may be interrupted in our turn before we have published anything.
        journal.push_back({.sha256 = item.sha256, .had = then->had, .path = path});
        for (const JournalEntry& entry : journal_) {
            if (entry.path == path && std::ranges::find(journal, entry) == journal.end())
                journal.push_back(entry);
        }
        return {};
    }
    TRY(remove(old));
    const bool had = TRY(is_there(files_, path));
    // A second name for the same file keeps owner, mode and time as they are. Where the kernel does not let
    // us link what belongs to somebody else (fs.protected_hardlinks), a copy has to do.
    if (had && !files_.link(path, old)) TRY(copy_as(path, old));
    journal.push_back({.sha256 = item.sha256, .had = had, .path = path});
    return {};
}

base::Result<void> Replacement::sync_directories() {
    std::set<std::string> directories;
    for (const auto* items : {&published_, &staged_}) {
        for (const Item& item : *items) directories.insert(base::directory_of(item.plan->path));
    }
    for (const std::string& directory : directories) {
        if (TRY(is_there(files_, directory))) TRY(base::sync_directory(files_, directory));
    }
    return {};
}

base::Result<Journal> Replacement::prepare() {
    for (const Item& item : published_) TRY(make_directory_for(item.plan->path));
    for (const Item& item : staged_) TRY(write_staged(item));
    Journal journal;
    for (const Item& item : published_) {
        TRY(save(item, journal));
        TRY(base::write_new_file(files_, new_name(work_, item.plan->path), item.plan->content.reveal(),
                                 item.attributes));
    }
    if (!TRY(is_there(files_, work_))) TRY(files_.make_directory(work_, kWorkMode));
    TRY(sync_directories());
    TRY(base::write_durably(files_, work_ + "/journal", to_text(journal), {.mode = 0600}));
    return journal;
}

base::Result<void> Replacement::switch_over() {
    journal_ = TRY(prepare());
    left_complete_ = false;  // from here on it is our own run that is put back
    for (const Item& item : published_) TRY(files_.rename(new_name(work_, item.plan->path), item.plan->path));
    return sync_directories();
}

base::Result<void> Replacement::publish() {
    base::Result<void> done = switch_over();
    if (done) return done;
    if (left_complete_) {
        remove_unpublished();
        return done;
    }
    if (const auto back = put_back(); !back) {
        return base::fail(done.error().code, done.error().message +
                                                 "; and what was there before could not be put back: " +
                                                 back.error().message + "; the next run tries again");
    }
    (void)tidy();  // the error that is told is the one that led here
    return done;
}

base::Result<void> Replacement::put_back(const JournalEntry& entry) {
    if (TRY(read_digest(entry.path)) != entry.sha256) return {};  // not published, or somebody else's by now
    if (!entry.had) return remove(entry.path);
    const std::string old = old_name(work_, entry.path);
    if (!TRY(is_there(files_, old))) return {};
    TRY(files_.rename(old, entry.path));
    return remove(old);  // rename(2) does nothing at all where both names are one file already
}

base::Result<void> Replacement::put_back() {
    base::Result<void> done;
    for (const JournalEntry& entry : journal_) {
        base::Result<void> one = put_back(entry);
        if (done) done = std::move(one);
    }
    return done;
}

base::Result<void> Replacement::tidy() {
    TRY(sync_directories());
    remove_unpublished();
    return forget();
}

void Replacement::remove_unpublished() {
    for (const auto* items : {&published_, &staged_}) {
        for (const Item& item : *items) (void)remove(new_name(work_, item.plan->path));
    }
    // Nobody reads what was staged. A directory that holds something else by now stays.
    for (const std::string& path : made_ | std::views::reverse) {
        if (!remove(path)) (void)files_.remove_directory(path);
    }
    made_.clear();
}

base::Result<void> Replacement::forget() {
    // The deployment is done, and nobody comes back for this before the next one: an error that passes must
    // not leave it behind.
    if (forget_once()) return {};
    return forget_once();
}

base::Result<void> Replacement::forget_once() {
    // The journal goes first: without it, what was saved is only a left-over.
    if (TRY(is_there(files_, work_))) {
        TRY(remove(work_ + "/journal"));
        TRY(base::sync_directory(files_, work_));
    }
    journal_.clear();
    for (const Item& item : published_) TRY(remove(old_name(work_, item.plan->path)));
    TRY(base::remove_tree(files_, work_));
    // Durable before anybody says that it is done: what a power loss brings back nobody would come back for.
    return sync_directories();
}

base::Result<void> Replacement::prune() {
    if (installation_.versions.empty() || !TRY(is_there(files_, installation_.versions))) return {};
    for (const std::string& name : TRY(files_.list(installation_.versions))) {
        const auto& kept = installation_.versions_kept;
        if (!is_version_name(name) || std::ranges::find(kept, name) != kept.end()) continue;
        TRY(base::remove_tree(files_, installation_.versions + "/" + name));
    }
    return base::sync_directory(files_, installation_.versions);
}

}  // namespace deployers
