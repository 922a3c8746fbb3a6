// SPDX-License-Identifier: Apache-2.0
// The embedded default store: a tree of files (DESIGN.md §7), each written whole, synced and renamed.
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "agent/memory/index.hpp"
#include "agent/memory/store.hpp"
#include "base/clock.hpp"
#include "base/file.hpp"

namespace agent {

class FileStore final : public Store {
  public:
    /// Makes `directory` (0700) if it is missing. state/volatile on tmpfs, or under /tmp, /run and
    /// /var/cache, unless `allow_volatile`; state/unwritable.
    [[nodiscard]] static base::Result<std::unique_ptr<FileStore>> open(base::Files& files,
                                                                       std::string directory,
                                                                       bool allow_volatile);
    /// Without making or checking anything: for commands that only read.
    [[nodiscard]] static std::unique_ptr<FileStore> open_read_only(base::Files& files, std::string directory);

    base::Result<std::unique_ptr<Lease>> lease(const std::string& certificate) override;
    base::Result<std::optional<Record>> load(const std::string& certificate) override;
    std::vector<std::string> findings(const std::string& certificate) override;
    base::Result<void> save(const Record& record) override;
    base::Result<std::vector<std::string>> certificates() override;
    base::Result<std::vector<OpenOrder>> open_orders(const std::string& certificate) override;
    base::Result<void> begin_order(const std::string& certificate, const OpenOrder& order) override;
    base::Result<void> order_placed(const std::string& certificate, const OpenOrder& order) override;
    base::Result<void> drop_orders(const std::string& certificate) override;
    base::Result<int> next_number(const std::string& certificate) override;
    base::Result<void> complete(const std::string& certificate, const GenerationRecord& record,
                                const base::Chain& chain) override;
    base::Result<deployers::Generation> generation(const std::string& certificate, int number) override;
    base::Result<void> amend(const std::string& certificate, const GenerationRecord& record) override;
    base::Result<void> prune(const std::string& certificate, const std::vector<int>& kept) override;
    base::Result<void> forget(const std::string& certificate) override;
    [[nodiscard]] std::string directory_of(const std::string& certificate, int number) const override;
    base::Result<std::unique_ptr<Lease>> lease_account(const std::string& ca,
                                                       const std::string& directory) override;
    base::Result<std::optional<StoredAccount>> account(const std::string& ca,
                                                       const std::string& directory) override;
    base::Result<std::optional<LostAccount>> lost_account(const std::string& ca,
                                                          const std::string& directory) override;
    base::Result<void> save_account(const std::string& ca, const std::string& directory,
                                    const StoredAccount& account) override;
    base::Result<void> begin_key_change(const std::string& ca, const std::string& directory,
                                        const base::PrivateKey& next_key) override;
    base::Result<void> finish_key_change(const std::string& ca, const std::string& directory) override;
    base::Result<void> drop_key_change(const std::string& ca, const std::string& directory) override;
    base::Result<void> retire_account(const std::string& ca, const std::string& directory,
                                      base::Instant now) override;
    [[nodiscard]] std::string account_place(const std::string& ca,
                                            const std::string& directory) const override;
    std::optional<acme::KeptDirectory> kept_directory(const std::string& ca,
                                                      const std::string& directory) override;
    void keep_directory(const std::string& ca, const std::string& directory,
                        const acme::KeptDirectory& kept) override;
    base::Result<void> remember(const std::string& certificate, const std::string& line) override;
    base::Result<std::vector<std::string>> history(const std::string& certificate,
                                                   std::size_t lines_max) override;
    base::Result<std::uint64_t> free_bytes() override;

  private:
    FileStore(base::Files& files, std::string directory, bool may_write)
        : files_(files), root_(std::move(directory)), may_write_(may_write) {}

    [[nodiscard]] IndexFile index() const { return {files_, root_}; }

    [[nodiscard]] std::string home(const std::string& certificate) const;
    [[nodiscard]] base::Result<std::optional<Record>> read_record(const std::string& certificate);
    [[nodiscard]] base::Result<std::vector<GenerationRecord>> read_generations(
        const std::string& certificate, const std::vector<int>& numbers);
    void found(const std::string& certificate, std::string finding);
    /// The directories of open orders, whatever is in them.
    [[nodiscard]] base::Result<std::vector<std::string>> order_places(const std::string& certificate);
    /// Where the order at this CA is, or will be.
    [[nodiscard]] base::Result<std::string> order_place(const std::string& certificate,
                                                        const std::string& ca);
    [[nodiscard]] base::Result<std::optional<OpenOrder>> read_order(const std::string& certificate,
                                                                    const std::string& place);
    [[nodiscard]] base::Result<void> drop_orders_but(const std::string& certificate, const std::string& kept);
    [[nodiscard]] base::Result<void> write_contents(const std::string& next, const GenerationRecord& record,
                                                    const base::Chain& chain);
    void take_room_again(const std::string& next);
    [[nodiscard]] base::Result<void> settle_generation(const std::string& certificate, int number);
    [[nodiscard]] base::Result<void> point_live_at(const Record& record);
    [[nodiscard]] base::Result<void> put_aside(const Record& next, const std::string& current);

    base::Files& files_;
    std::string root_;
    bool may_write_;
    std::mutex findings_mutex_{};
    std::map<std::string, std::vector<std::string>> findings_{};
    std::mutex history_mutex_{};
    std::set<std::string> torn_histories_{};  // files that end within a line
};

}  // namespace agent
