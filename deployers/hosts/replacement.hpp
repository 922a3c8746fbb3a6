// SPDX-License-Identifier: Apache-2.0
// The files of one installation on this machine: what is there, the new ones beside it, the switch, and the
// way back. All of it through base::Files, so that a test can cut it off at every single call; receiver.sh
// does the same in the same order.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/file.hpp"
#include "deployers/hosts/places.hpp"
#include "deployers/installation.hpp"

namespace deployers {

class Replacement {
  public:
    /// Both are borrowed; `installation` passes check(). `user` is who we are.
    Replacement(base::Files& files, const Installation& installation, uid_t user);

    /// May all of it be written here? Touches nothing. deploy/unsafe-path; deploy/write-failed for an owner
    /// or a group that is unknown here, or that we may not give files to.
    [[nodiscard]] base::Result<void> check_host();

    /// Clears up what an interrupted run left; true if there was one. What it had saved is then what was
    /// there before.
    [[nodiscard]] base::Result<bool> recover();

    /// Every file, staged and published, has its content, owner and mode already.
    [[nodiscard]] bool is_in_place();
    /// All files of one of our generations are there and whole: of the wanted one, or of a known one.
    [[nodiscard]] bool holds_ours();

    /// Writes and publishes everything durably. After an error what was there before is there; what an
    /// interrupted run had published stays only if it had published all of it.
    [[nodiscard]] base::Result<void> publish();
    /// Puts back what was there before publish(), also nothing. Without a publish(), what an interrupted run
    /// had saved. What can come back does; an error is the first one of what cannot, and the journal stays.
    [[nodiscard]] base::Result<void> put_back();
    /// After put_back(): makes it durable and clears away what lies beside the files. An error takes nothing
    /// back of what is there again; what is left lying is found by the next run.
    [[nodiscard]] base::Result<void> tidy();
    /// Forgets what was there before: from here on there is no way back.
    [[nodiscard]] base::Result<void> forget();
    /// Removes the versions that are not kept.
    [[nodiscard]] base::Result<void> prune();

  private:
    [[nodiscard]] base::Result<void> forget_once();

    /// A file with the ids its owner's and group's names have here.
    struct Item {
        const FilePlan* plan = nullptr;
        std::string sha256{};
        base::FileAttributes attributes{};
    };

    [[nodiscard]] base::Result<std::vector<Item>> resolve(const std::vector<FilePlan>& plans) const;
    [[nodiscard]] base::Result<void> check_owner(const FilePlan& plan,
                                                 const base::FileAttributes& attributes) const;
    [[nodiscard]] bool has(const Item& item);
    /// Nothing where no file is.
    [[nodiscard]] base::Result<std::optional<std::string>> read_digest(const std::string& path);
    /// The same, where what cannot be read is as good as not there.
    [[nodiscard]] std::optional<std::string> digest(const std::string& path);
    [[nodiscard]] bool is_complete(const Journal& journal);
    [[nodiscard]] bool is_published(const std::string& path) const;

    [[nodiscard]] base::Result<void> make_directory_for(const std::string& path);
    [[nodiscard]] base::Result<void> write_staged(const Item& item);
    [[nodiscard]] base::Result<void> save(const Item& item, Journal& journal);
    [[nodiscard]] base::Result<void> copy_as(const std::string& from, const std::string& to);
    [[nodiscard]] base::Result<Journal> prepare();
    [[nodiscard]] base::Result<void> switch_over();
    [[nodiscard]] base::Result<void> put_back(const JournalEntry& entry);
    [[nodiscard]] base::Result<void> sync_directories();
    [[nodiscard]] base::Result<void> remove(const std::string& path);
    void remove_unpublished();

    base::Files& files_;
    const Installation& installation_;
    uid_t user_;
    std::string work_;
    std::vector<Item> staged_{}, published_{};
    Journal journal_{};           // as on disk
    bool left_complete_ = false;  // an interrupted run had published all there is in journal_
    std::vector<std::string>
        made_{};  // staged files and directories that were not there before, in the order of making
};

}  // namespace deployers
