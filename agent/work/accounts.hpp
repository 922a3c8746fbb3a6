// SPDX-License-Identifier: Apache-2.0
// The accounts at the CAs: made when they are first needed, kept up to date with the configuration, given new
// keys, closed. Each change is durable before and after the CA is asked, so that a killed run is finished by
// the next one.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include <spdlog/fwd.h>

#include "acme/account.hpp"
#include "agent/config/config.hpp"
#include "agent/memory/store.hpp"

namespace agent {

/// "ecdsa-p256", "rsa-2048": also of keys that were brought along.
[[nodiscard]] std::string key_type_of(const base::PrivateKey& key);

/// ES256, which RFC 8555 §6.2 has every CA take.
inline constexpr base::KeyType kFirstKeyType = base::KeyType::EcdsaP256;

/// Thread safe: the account of a CA is worked on by one at a time, and waits for no other CA. Every call
/// blocks for its exchanges with the CA, and up to 30 s for another renewd that is at work on the account.
class Accounts {
  public:
    using SessionOf = std::function<acme::Session&(const CaConfig&)>;

    /// Everything is borrowed for as long as this lives.
    Accounts(Store& store, base::Clock& clock, spdlog::logger& log, SessionOf session_of);

    /// The account at this CA: the stored one, or one found or registered now, its key durable before the CA
    /// is asked. A change of the key that was interrupted is finished, or dropped where the CA knows nothing
    /// of it; a contact that was changed in the configuration is told to the CA (what it does not take is
    /// logged, and stops nothing). ca/account-refused for one that was closed, state/corrupt for one whose
    /// key is gone or damaged while it is known, or while there are certificates of it; never another in its
    /// place.
    [[nodiscard]] base::Result<acme::Account> open(const CaConfig& ca);

    /// The same with a key of this type, for a CA that does not take ours: one that no account has come of
    /// yet is replaced. usage/wrong where there is an account with another type of key.
    [[nodiscard]] base::Result<acme::Account> open_with(const CaConfig& ca, base::KeyType type);

    /// The CA does not know the account any more: asks once for it again with the same key and binding. A
    /// URL that has changed is told loudly, and kept until forget_loss().
    [[nodiscard]] base::Result<acme::Account> find_again(const CaConfig& ca);

    /// Somebody has read that the CA had lost our account, and has seen to the records that named it.
    [[nodiscard]] base::Result<void> forget_loss(const CaConfig& ca);

    /// A new account with a new key, in place of one that is closed or lost. usage/wrong while the old one is
    /// well.
    [[nodiscard]] base::Result<acme::Account> register_anew(const CaConfig& ca,
                                                            base::KeyType type = kFirstKeyType);

    /// Tells the CA the contact of the configuration, whatever it was told last.
    [[nodiscard]] base::Result<void> tell_contact(const CaConfig& ca);

    /// A new key for the account (RFC 8555 §7.3.5). When this succeeds the old key is gone; on any error the
    /// account has the old one, or, where the CA's answer is not known, both are kept for the next run.
    [[nodiscard]] base::Result<void> change_key(const CaConfig& ca, base::KeyType type);

    /// §7.3.6: for ever. The account's files stay, marked.
    [[nodiscard]] base::Result<void> close(const CaConfig& ca);

  private:
    [[nodiscard]] base::Result<std::unique_ptr<Lease>> take_turn(const CaConfig& ca);

    /// What concerns one CA. Its turn is held for as long as the CA is asked.
    struct Place {
        std::mutex turn{};
        std::optional<base::Steady> contact_refused{};  // not asked again with each certificate
    };

    [[nodiscard]] Place& place_of(const CaConfig& ca);
    [[nodiscard]] bool is_settled(const CaConfig& ca, const std::optional<StoredAccount>& stored);
    [[nodiscard]] base::Result<StoredAccount> settle(const CaConfig& ca);
    [[nodiscard]] base::Result<StoredAccount> begin(const CaConfig& ca, base::KeyType type);
    [[nodiscard]] base::Result<void> check_none_was_lost(const CaConfig& ca);
    [[nodiscard]] base::Result<acme::Account> replace_lost(const CaConfig& ca, base::KeyType type);
    [[nodiscard]] base::Result<void> settle_key_change(const CaConfig& ca, StoredAccount& stored);
    [[nodiscard]] base::Result<void> drop_next_key(const CaConfig& ca, StoredAccount& stored);
    [[nodiscard]] base::Result<void> take_next_key(const CaConfig& ca, StoredAccount& stored);
    [[nodiscard]] base::Result<void> register_key(const CaConfig& ca, StoredAccount& stored);
    void settle_contact(const CaConfig& ca, StoredAccount& stored);

    Store& store_;
    base::Clock& clock_;
    spdlog::logger& log_;
    SessionOf session_of_;
    std::mutex places_mutex_;
    std::map<std::string, Place> places_;  // by CA
};

}  // namespace agent
