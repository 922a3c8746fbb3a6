// SPDX-License-Identifier: Apache-2.0
// The accounts of the file store: a directory for each CA, and in it the key, the URL, what was registered
// with it, and, while it is being changed, the next key.
#include <algorithm>
#include <utility>

#include "agent/memory/file_store.hpp"
#include "agent/memory/state_files.hpp"
#include "base/encoding.hpp"
#include "base/key.hpp"

namespace agent {

using base::Code;
using base::Result;

namespace {

constexpr const char* kKey = "/account.key";
constexpr const char* kNextKey = "/account.key.next";
constexpr const char* kUrl = "/account.url";
constexpr const char* kContact = "/account.contact";
constexpr const char* kClosed = "/account.closed";
constexpr const char* kLost = "/account.lost";

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::size_t begin = 0;
    while (begin < text.size()) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        if (end > begin) lines.push_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    return lines;
}

std::string first_line(const std::string& text) {
    return text.substr(0, text.find('\n'));
}

}  // namespace

std::string FileStore::account_place(const std::string& ca, const std::string& directory) const {
    // The directory URL is the CA's identity: another URL under the same name is another account.
    return root_ + "/accounts/" + ca + "-" + base::sha256_hex(directory).substr(0, 8);
}

Result<std::unique_ptr<Lease>> FileStore::lease_account(const std::string& ca, const std::string& directory) {
    const std::string place = account_place(ca, directory);
    auto lease = TRY(take_lease(files_, place, "account."));
    remove_leftovers_of_the_dead(files_, place);  // the ledger and the CA's directory are written without it
    return lease;
}

Result<std::optional<StoredAccount>> FileStore::account(const std::string& ca, const std::string& directory) {
    const std::string place = account_place(ca, directory);
    const auto read = [&](const char* name) {
        return as_state(read_if_there(files_, place + name, kPemFileMax));
    };
    const auto undecided = [&](const char* name, const std::string& fault, const std::string& otherwise) {
        return base::fail(Code::StateCorrupt,
                          "the key of the account at CA " + ca + ", " + place + name + ", " + fault +
                              ". Nothing is ordered there until you decide",
                          "bring it back from a backup; or, " + otherwise);
    };
    const auto parse = [&](const char* name, const std::string& pem,
                           const std::string& otherwise) -> Result<base::PrivateKey> {
        auto key = base::PrivateKey::parse(base::Secret(pem));
        if (key) return key;
        return undecided(name, "cannot be read: " + key.error().message, otherwise);
    };
    const std::string anew = "for a new account:  renewd account register " + ca + " --new";
    const auto pem = TRY(read(kKey));
    if (!pem && base::exists(files_, place + kUrl)) return undecided(kKey, "is gone", anew);
    if (!pem) return std::optional<StoredAccount>{};
    StoredAccount account{.key = TRY(parse(kKey, *pem, anew)),
                          .url = first_line(TRY(read(kUrl)).value_or(""))};
    if (const auto next = TRY(read(kNextKey))) {
        const std::string drop =
            "if the CA has not taken it, go on with the old one:  rm " + place + kNextKey;
        account.next_key = TRY(parse(kNextKey, *next, drop));
    }
    if (const auto contact = TRY(read(kContact))) account.contact = lines_of(*contact);
    if (const auto closed = TRY(read(kClosed)))
        account.closed_at = base::parse_instant(first_line(*closed)).value_or(base::Instant{});
    account.lost = TRY(lost_account(ca, directory));
    return std::optional(std::move(account));
}

Result<std::optional<LostAccount>> FileStore::lost_account(const std::string& ca,
                                                           const std::string& directory) {
    const auto text = TRY(as_state(read_if_there(files_, account_place(ca, directory) + kLost, kPemFileMax)));
    const std::vector<std::string> lines = text ? lines_of(*text) : std::vector<std::string>{};
    if (lines.size() != 2) return std::optional<LostAccount>{};
    return std::optional(
        LostAccount{.url = lines[0], .at = base::parse_instant(lines[1]).value_or(base::Instant{})});
}

Result<void> FileStore::save_account(const std::string& ca, const std::string& directory,
                                     const StoredAccount& account) {
    const std::string place = account_place(ca, directory);
    TRY(as_state(base::make_directories(files_, place, kPrivateDirectory)));
    const auto write = [&](const char* name, const std::string& text) {
        return as_state(base::write_durably(files_, place + name, text, kPrivate));
    };
    TRY(write("/directory.url", directory + "\n"));
    TRY(write(kKey, TRY(account.key.to_pem()).reveal()));
    // Before the new one is known: else nobody would hear of it after a kill in between.
    if (account.lost)
        TRY(write(kLost, account.lost->url + "\n" + base::format_instant(account.lost->at) + "\n"));
    if (!account.url.empty()) TRY(write(kUrl, account.url + "\n"));
    if (account.contact) {
        std::string lines;
        for (const std::string& each : *account.contact) lines += each + "\n";
        TRY(write(kContact, lines));
    }
    if (account.closed_at) TRY(write(kClosed, base::format_instant(*account.closed_at) + "\n"));
    return account.lost ? Result<void>{} : as_state(base::remove_tree(files_, place + kLost));
}

Result<void> FileStore::begin_key_change(const std::string& ca, const std::string& directory,
                                         const base::PrivateKey& next_key) {
    const std::string path = account_place(ca, directory) + kNextKey;
    return as_state(base::write_durably(files_, path, TRY(next_key.to_pem()).reveal(), kPrivate));
}

Result<void> FileStore::finish_key_change(const std::string& ca, const std::string& directory) {
    const std::string place = account_place(ca, directory);
    TRY(as_state(files_.rename(place + kNextKey, place + kKey)));
    return as_state(base::sync_directory(files_, place));
}

Result<void> FileStore::drop_key_change(const std::string& ca, const std::string& directory) {
    const std::string place = account_place(ca, directory);
    TRY(as_state(base::remove_tree(files_, place + kNextKey)));
    return as_state(base::sync_directory(files_, place));
}

Result<void> FileStore::retire_account(const std::string& ca, const std::string& directory,
                                       base::Instant now) {
    const std::string place = account_place(ca, directory);
    const std::string aside = place + "/retired-" + std::to_string(now.time_since_epoch().count());
    TRY(as_state(base::make_directories(files_, aside, kPrivateDirectory)));
    // The key last: without it there is no account, and with it everything else is still in its place or
    // aside.
    for (const char* name : {kClosed, kContact, kUrl, kNextKey, kKey}) {
        if (base::exists(files_, place + name)) TRY(as_state(files_.rename(place + name, aside + name)));
    }
    return as_state(base::sync_directory(files_, place));
}

}  // namespace agent
