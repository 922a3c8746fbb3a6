// SPDX-License-Identifier: Apache-2.0
// Where records, keys and generations live. Whoever changes anything of a certificate holds its lease;
// reading needs none.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "acme/session.hpp"
#include "agent/memory/record.hpp"
#include "base/certificate.hpp"
#include "base/error.hpp"
#include "base/key.hpp"
#include "deployers/generation.hpp"

namespace agent {

/// The account that we had when the CA lost it, and since when.
struct LostAccount {
    std::string url{};
    base::Instant at{};
};

/// The account at one CA.
struct StoredAccount {
    base::PrivateKey key;
    std::string url{};                           // empty: the key is durable, but the CA has not answered yet
    std::optional<base::PrivateKey> next_key{};  // of a change of the key that has begun
    std::optional<std::vector<std::string>> contact{};  // as last registered; nothing: not known
    std::optional<base::Instant> closed_at{};           // deactivated by us, for ever
    std::optional<LostAccount> lost{};  // what records may still name, until somebody says that they do not
};

/// Held by the one writer; given back when it goes, or when its process dies.
class Lease {
  public:
    virtual ~Lease() = default;
};

/// All calls block on storage only. Errors: state/locked, state/corrupt, state/newer-version, state/no-space,
/// state/unwritable.
class Store {
  public:
    virtual ~Store() = default;

    /// The right to change this certificate; state/locked if somebody else has it.
    [[nodiscard]] virtual base::Result<std::unique_ptr<Lease>> lease(const std::string& certificate) = 0;
    /// What is remembered; nothing if there never was anything. A record that is lost or corrupt is put
    /// together again from its generations; a generation that a killed run finished is in it.
    [[nodiscard]] virtual base::Result<std::optional<Record>> load(const std::string& certificate) = 0;
    /// What load() has found wrong with this certificate's state since this was asked last, for people: what
    /// it is, and what became of it.
    [[nodiscard]] virtual std::vector<std::string> findings(const std::string& certificate) = 0;
    /// Replaces what load() has found, which must have been asked before: what it could not read is kept
    /// aside.
    [[nodiscard]] virtual base::Result<void> save(const Record& record) = 0;
    [[nodiscard]] virtual base::Result<std::vector<std::string>> certificates() = 0;

    /// The orders being worked on, at most one at each CA. state/corrupt says what can be read of one that
    /// cannot be gone on with, and what a person has to decide: none is dropped in silence.
    [[nodiscard]] virtual base::Result<std::vector<OpenOrder>> open_orders(
        const std::string& certificate) = 0;
    /// Makes key (or request) and intent durable, and takes the room that its certificate will need, before
    /// anything is asked of a CA. It takes the place of one at the same CA; those at others stay.
    /// state/no-space.
    [[nodiscard]] virtual base::Result<void> begin_order(const std::string& certificate,
                                                         const OpenOrder& order) = 0;
    /// Makes durable that the order is about to be asked for, and its URL, before anything is done with it.
    [[nodiscard]] virtual base::Result<void> order_placed(const std::string& certificate,
                                                          const OpenOrder& order) = 0;
    /// All of them, whatever can be read of them; none where one is of a later renewd: state/newer-version.
    [[nodiscard]] virtual base::Result<void> drop_orders(const std::string& certificate) = 0;

    /// The number the next generation gets: above every one that was ever used.
    [[nodiscard]] virtual base::Result<int> next_number(const std::string& certificate) = 0;
    /// Turns the open order at the record's CA and its chain into the generation `record.number`: complete,
    /// then visible. Orders at other CAs are not wanted any more, and are gone by then.
    [[nodiscard]] virtual base::Result<void> complete(const std::string& certificate,
                                                      const GenerationRecord& record,
                                                      const base::Chain& chain) = 0;
    [[nodiscard]] virtual base::Result<deployers::Generation> generation(const std::string& certificate,
                                                                         int number) = 0;
    /// Writes what has become of a generation (it was revoked) beside its files.
    [[nodiscard]] virtual base::Result<void> amend(const std::string& certificate,
                                                   const GenerationRecord& record) = 0;
    /// Removes what is not in `kept`.
    [[nodiscard]] virtual base::Result<void> prune(const std::string& certificate,
                                                   const std::vector<int>& kept) = 0;
    /// Drops everything of this certificate, whose lease is held: gone at once, and then removed.
    [[nodiscard]] virtual base::Result<void> forget(const std::string& certificate) = 0;
    /// Where a generation's files are, for hooks.
    [[nodiscard]] virtual std::string directory_of(const std::string& certificate, int number) const = 0;

    /// One account a directory URL; `ca` is for people.
    [[nodiscard]] virtual base::Result<std::unique_ptr<Lease>> lease_account(
        const std::string& ca, const std::string& directory) = 0;
    /// Nothing where there never was one; state/corrupt where its key is gone or cannot be read.
    [[nodiscard]] virtual base::Result<std::optional<StoredAccount>> account(
        const std::string& ca, const std::string& directory) = 0;
    /// StoredAccount::lost alone, without the work of reading a key.
    [[nodiscard]] virtual base::Result<std::optional<LostAccount>> lost_account(
        const std::string& ca, const std::string& directory) = 0;
    [[nodiscard]] virtual base::Result<void> save_account(const std::string& ca, const std::string& directory,
                                                          const StoredAccount& account) = 0;
    /// Makes a new account key durable beside the old one, before the CA is asked to take it.
    [[nodiscard]] virtual base::Result<void> begin_key_change(const std::string& ca,
                                                              const std::string& directory,
                                                              const base::PrivateKey& next_key) = 0;
    /// The new key takes the place of the old one, which is gone.
    [[nodiscard]] virtual base::Result<void> finish_key_change(const std::string& ca,
                                                               const std::string& directory) = 0;
    [[nodiscard]] virtual base::Result<void> drop_key_change(const std::string& ca,
                                                             const std::string& directory) = 0;
    /// Puts an account that is closed aside, so that a new one can take its place. Nothing is lost.
    [[nodiscard]] virtual base::Result<void> retire_account(const std::string& ca,
                                                            const std::string& directory,
                                                            base::Instant now) = 0;
    /// Where the account's files are, for people.
    [[nodiscard]] virtual std::string account_place(const std::string& ca,
                                                    const std::string& directory) const = 0;

    /// The CA's directory as it was fetched last, to be used while it is fresh; nothing if there is none.
    /// Keeping one is best effort.
    [[nodiscard]] virtual std::optional<acme::KeptDirectory> kept_directory(const std::string& ca,
                                                                            const std::string& directory) = 0;
    virtual void keep_directory(const std::string& ca, const std::string& directory,
                                const acme::KeptDirectory& kept) = 0;

    /// Adds a line to what happened.
    [[nodiscard]] virtual base::Result<void> remember(const std::string& certificate,
                                                      const std::string& line) = 0;
    /// The newest lines of it, at most `lines_max`, oldest first; none where nothing has happened.
    [[nodiscard]] virtual base::Result<std::vector<std::string>> history(const std::string& certificate,
                                                                         std::size_t lines_max) = 0;
    [[nodiscard]] virtual base::Result<std::uint64_t> free_bytes() = 0;
};

}  // namespace agent
