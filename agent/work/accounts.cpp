// SPDX-License-Identifier: Apache-2.0
#include "agent/work/accounts.hpp"

#include <utility>

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "acme/account_key.hpp"
#include "base/encoding.hpp"
#include "base/patience.hpp"

namespace agent {

using base::Code;
using base::PrivateKey;
using base::Result;

namespace {

constexpr base::Seconds kPatience{30};
constexpr base::Seconds kContactAgain{3600};

acme::Account account_of(const StoredAccount& stored) {
    return {.key = stored.key, .url = stored.url};
}

acme::Registration registration_of(const CaConfig& ca) {
    acme::Registration registration{.contact = ca.contact, .agree_tos = ca.agree_tos};
    if (ca.eab) {
        registration.binding = [binding = *ca.eab]() -> Result<acme::ExternalBinding> {
            return acme::ExternalBinding{.kid = binding.kid,
                                         .key = TRY(base::read_secret(binding.key)),
                                         .algorithm = binding.algorithm};
        };
    }
    return registration;
}

/// "https://ca.example:14000" of a URL.
std::string origin_of(const std::string& url) {
    const std::size_t host = url.find("://");
    return host == std::string::npos ? url : url.substr(0, url.find('/', host + 3));
}

/// RFC 8555 §6.2, §6.7: what the CA does not take is the type of the key, before there is an account.
base::Error with_other_key(base::Error error, const CaConfig& ca) {
    const bool is_about_key =
        error.problem.ends_with(":badSignatureAlgorithm") || error.problem.ends_with(":badPublicKey");
    if (is_about_key) {
        error.hint =
            "the CA does not take the type of the new account's key; for another:  renewd account "
            "register " +
            ca.name + " --key-type TYPE  (rsa-2048, ecdsa-p384…)";
    }
    return error;
}

base::Failure closed(const CaConfig& ca, const StoredAccount& stored) {
    return base::fail(Code::CaAccountRefused,
                      "the account " + stored.url + " at CA " + ca.name + " was closed on " +
                          base::format_instant(*stored.closed_at),
                      "for a new one:  renewd account register " + ca.name + " --new");
}

}  // namespace

std::string key_type_of(const PrivateKey& key) {
    const auto jwk = nlohmann::json::parse(key.jwk(), nullptr, /*allow_exceptions=*/false);
    if (jwk.value("kty", "") != "RSA") return jwk.value("crv", "") == "P-384" ? "ecdsa-p384" : "ecdsa-p256";
    const auto modulus = base::parse_base64url(jwk.value("n", ""));
    return "rsa-" + std::to_string(modulus ? modulus->size() * 8 : 0);
}

Accounts::Accounts(Store& store, base::Clock& clock, spdlog::logger& log, SessionOf session_of)
    : store_(store), clock_(clock), log_(log), session_of_(std::move(session_of)) {}

Result<std::unique_ptr<Lease>> Accounts::take_turn(const CaConfig& ca) {
    return base::take_patiently(clock_, kPatience, base::Milliseconds(100),
                                [&] { return store_.lease_account(ca.name, ca.directory); });
}

Accounts::Place& Accounts::place_of(const CaConfig& ca) {
    const std::scoped_lock guard(places_mutex_);
    return places_[ca.name];
}

bool Accounts::is_settled(const CaConfig& ca, const std::optional<StoredAccount>& stored) {
    if (!stored || stored->url.empty() || stored->next_key || stored->closed_at) return false;
    if (stored->contact == ca.contact) return true;
    const auto refused = place_of(ca).contact_refused;
    return refused && clock_.steady() - *refused < kContactAgain;
}

Result<acme::Account> Accounts::open(const CaConfig& ca) {
    // Certificates of one CA wait for one another here: the first makes the account, the others find it. It
    // is read each time: another renewd may have changed its key.
    const std::scoped_lock guard(place_of(ca).turn);
    const auto stored = TRY(store_.account(ca.name, ca.directory));
    if (is_settled(ca, stored)) return account_of(*stored);
    const auto lease = TRY(take_turn(ca));
    return account_of(TRY(settle(ca)));
}

Result<acme::Account> Accounts::open_with(const CaConfig& ca, base::KeyType type) {
    const std::scoped_lock guard(place_of(ca).turn);
    const auto lease = TRY(take_turn(ca));
    const auto stored = TRY(store_.account(ca.name, ca.directory));
    if (!stored) TRY(check_none_was_lost(ca));
    const std::string there = stored ? key_type_of(stored->key) : std::string();
    const bool is_another = there != base::to_string(type);
    if (is_another && (!stored || stored->url.empty())) return account_of(TRY(begin(ca, type)));
    const StoredAccount settled = TRY(settle(ca));
    if (!is_another) return account_of(settled);
    return base::fail(Code::UsageWrong,
                      "there is an account at CA " + ca.name + " already, and its key is " + there,
                      "for a new key of it:  renewd account rollover " + ca.name + " --key-type " +
                          std::string(base::to_string(type)));
}

/// Certificates of ours from this very CA without an account there: it has been lost, key and all. Another
/// one in its place would break CAA records and limits that name it, so a person has to say so.
Result<void> Accounts::check_none_was_lost(const CaConfig& ca) {
    for (const std::string& name : TRY(store_.certificates())) {
        const auto record = store_.load(name);
        if (!record || !*record) continue;
        for (const GenerationRecord& generation : (*record)->generations) {
            if (generation.ordered_for.ca != ca.name ||
                origin_of(generation.account) != origin_of(ca.directory))
                continue;
            return base::fail(
                Code::StateCorrupt,
                "the account at CA " + ca.name + ", " + generation.account + ", with which " + name +
                    " was ordered, is gone: there is nothing in " +
                    store_.account_place(ca.name, ca.directory) +
                    ". Nothing is ordered there until you decide",
                "bring it back from a backup; or, for a new account:  renewd account register " + ca.name +
                    " --new");
        }
    }
    return {};
}

/// Everything that has to be done before the account can be used; under its lease.
Result<StoredAccount> Accounts::settle(const CaConfig& ca) {
    std::optional<StoredAccount> stored = TRY(store_.account(ca.name, ca.directory));
    if (stored && stored->closed_at) return closed(ca, *stored);
    if (!stored) {
        TRY(check_none_was_lost(ca));
        stored = StoredAccount{.key = TRY(PrivateKey::generate(kFirstKeyType))};
        TRY(store_.save_account(ca.name, ca.directory, *stored));
    }
    if (stored->next_key) TRY(settle_key_change(ca, *stored));
    if (stored->url.empty()) TRY(register_key(ca, *stored));
    if (stored->contact != ca.contact) settle_contact(ca, *stored);
    return std::move(*stored);
}

Result<void> Accounts::register_key(const CaConfig& ca, StoredAccount& stored) {
    auto account = acme::find_or_create_account(session_of_(ca), stored.key, registration_of(ca));
    if (!account) return base::Failure(with_other_key(std::move(account).error(), ca));
    const std::string before = std::exchange(stored.url, account->url);
    // Of several losses the first is what records name, if nobody has seen to them since.
    if (!before.empty() && stored.url != before && !stored.lost)
        stored.lost = LostAccount{.url = before, .at = clock_.now()};
    if (stored.lost && stored.lost->url == stored.url) stored.lost.reset();  // it is known again
    stored.contact = ca.contact;
    return store_.save_account(ca.name, ca.directory, stored);
}

/// A run was killed while it changed the key: whichever key the CA knows is the account's.
Result<void> Accounts::settle_key_change(const CaConfig& ca, StoredAccount& stored) {
    acme::Session& session = session_of_(ca);
    if (!stored.url.empty()) {
        if (TRY(acme::has_key(session, {.key = *stored.next_key, .url = stored.url}))) {
            log_.warn("{}: the account's new key, which an interrupted run had asked for, is in force",
                      ca.name);
            return take_next_key(ca, stored);
        }
        return drop_next_key(ca, stored);
    }
    TRY(store_.drop_key_change(ca.name, ca.directory));
    stored.next_key.reset();
    return {};
}

/// One that the CA says it does not know. Not before it is certain that the old one is good for something, or
/// that nothing is: a CA that has taken the new key may still answer from a copy that has not.
Result<void> Accounts::drop_next_key(const CaConfig& ca, StoredAccount& stored) {
    const auto old = acme::look_at_account(session_of_(ca), account_of(stored));
    if (!old && old.error().code != Code::CaAccountMissing) {
        base::Error error =
            base::Error(old.error()).within("neither the old nor the new key opens the account");
        if (error.hint.empty()) error.hint = "both keys are kept, and the next run asks again";
        return tl::make_unexpected(std::move(error));
    }
    TRY(store_.drop_key_change(ca.name, ca.directory));
    stored.next_key.reset();
    return {};
}

Result<void> Accounts::take_next_key(const CaConfig& ca, StoredAccount& stored) {
    TRY(store_.finish_key_change(ca.name, ca.directory));
    stored.key = *std::exchange(stored.next_key, std::nullopt);
    return {};
}

/// A contact that the CA does not take must not keep certificates from being renewed.
void Accounts::settle_contact(const CaConfig& ca, StoredAccount& stored) {
    const auto told = [&]() -> Result<void> {
        TRY(acme::update_contact(session_of_(ca), account_of(stored), ca.contact));
        stored.contact = ca.contact;
        return store_.save_account(ca.name, ca.directory, stored);
    }();
    if (told) {
        log_.info("{}: the account's contact is now that of the configuration", ca.name);
        return;
    }
    place_of(ca).contact_refused = clock_.steady();
    log_.error("{}: the account's contact could not be changed, and stays what it was: {}", ca.name,
               told.error().message);
}

Result<acme::Account> Accounts::find_again(const CaConfig& ca) {
    const std::scoped_lock guard(place_of(ca).turn);
    const auto lease = TRY(take_turn(ca));
    StoredAccount stored = TRY(settle(ca));
    const std::string before = stored.url;
    TRY(register_key(ca, stored));
    if (stored.url != before) {
        log_.error(
            "{}: the CA has lost our account {}; the same key is now {}. CAA records with accounturi, and "
            "dns-persist and dns-account records, name the old one.",
            ca.name, before, stored.url);
    }
    return account_of(stored);
}

Result<void> Accounts::forget_loss(const CaConfig& ca) {
    const std::scoped_lock guard(place_of(ca).turn);
    const auto lease = TRY(take_turn(ca));
    auto stored = TRY(store_.account(ca.name, ca.directory));
    if (!stored || !stored->lost) return {};
    stored->lost.reset();
    return store_.save_account(ca.name, ca.directory, *stored);
}

Result<acme::Account> Accounts::register_anew(const CaConfig& ca, base::KeyType type) {
    const std::scoped_lock guard(place_of(ca).turn);
    const auto lease = TRY(take_turn(ca));
    const auto read = store_.account(ca.name, ca.directory);
    if (!read && read.error().code != Code::StateCorrupt) return tl::make_unexpected(read.error());
    if (!read || !*read) return replace_lost(ca, type);
    const std::optional<StoredAccount>& stored = *read;
    if (!stored->closed_at && !stored->url.empty()) {
        const auto view = acme::look_at_account(session_of_(ca), account_of(*stored));
        if (view) {
            return base::fail(Code::UsageWrong,
                              "the account " + stored->url + " at CA " + ca.name + " is well",
                              "for a new key of it:  renewd account rollover " + ca.name);
        }
        if (view.error().code != Code::CaAccountRefused) return tl::make_unexpected(view.error());
    }
    TRY(store_.retire_account(ca.name, ca.directory, clock_.now()));
    log_.warn(
        "{}: the account {} is replaced by a new one. CAA records with accounturi, and dns-persist "
        "and dns-account records, name the old one.",
        ca.name, stored->url);
    return account_of(TRY(begin(ca, type)));
}

/// What cannot be read of it is put aside.
Result<acme::Account> Accounts::replace_lost(const CaConfig& ca, base::KeyType type) {
    TRY(store_.retire_account(ca.name, ca.directory, clock_.now()));
    return account_of(TRY(begin(ca, type)));
}

/// A new account, whatever there was.
Result<StoredAccount> Accounts::begin(const CaConfig& ca, base::KeyType type) {
    TRY(store_.save_account(ca.name, ca.directory, {.key = TRY(PrivateKey::generate(type))}));
    return settle(ca);
}

Result<void> Accounts::tell_contact(const CaConfig& ca) {
    const std::scoped_lock guard(place_of(ca).turn);
    const auto lease = TRY(take_turn(ca));
    StoredAccount stored = TRY(settle(ca));
    if (stored.contact == ca.contact) return {};
    TRY(acme::update_contact(session_of_(ca), account_of(stored), ca.contact));
    stored.contact = ca.contact;
    return store_.save_account(ca.name, ca.directory, stored);
}

Result<void> Accounts::change_key(const CaConfig& ca, base::KeyType type) {
    const std::scoped_lock guard(place_of(ca).turn);
    const auto lease = TRY(take_turn(ca));
    StoredAccount stored = TRY(settle(ca));
    const PrivateKey next = TRY(PrivateKey::generate(type));
    stored.next_key = next;
    TRY(store_.begin_key_change(ca.name, ca.directory, next));
    acme::Session& session = session_of_(ca);
    auto changed = acme::change_account_key(session, account_of(stored), next);
    // Neither an answer of 200 nor an error is proof: what counts is the key that the CA knows.
    auto known = acme::has_key(session, {.key = next, .url = stored.url});
    if (!known) {
        base::Error error = std::move(known).error();
        error.message += "; whether the account has its new key is not known";
        error.hint = "both keys are kept, and the next run asks again";
        return tl::make_unexpected(std::move(error));
    }
    if (*known) return take_next_key(ca, stored);
    TRY(drop_next_key(ca, stored));
    if (!changed) return changed;
    return base::fail(Code::CaProtocol,
                      "the CA " + ca.name + " said yes to the new key, and does not know the account by it",
                      "the old key stays in force");
}

Result<void> Accounts::close(const CaConfig& ca) {
    const std::scoped_lock guard(place_of(ca).turn);
    const auto lease = TRY(take_turn(ca));
    auto stored = TRY(store_.account(ca.name, ca.directory));
    if (!stored || stored->url.empty()) {
        return base::fail(Code::UsageWrong, "there is no account at CA " + ca.name + " to be closed");
    }
    if (stored->closed_at) return closed(ca, *stored);
    if (stored->next_key) TRY(settle_key_change(ca, *stored));
    auto done = acme::deactivate_account(session_of_(ca), account_of(*stored));
    // 403: it is closed already, by an earlier run whose answer was lost, or by somebody else.
    if (!done && done.error().code != Code::CaAccountRefused) return done;
    stored->closed_at = clock_.now();
    return store_.save_account(ca.name, ca.directory, *stored);
}

}  // namespace agent
