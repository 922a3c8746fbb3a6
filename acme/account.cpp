// SPDX-License-Identifier: Apache-2.0
#include "acme/account.hpp"

#include <optional>
#include <utility>

#include "acme/url.hpp"
#include "acme/wire.hpp"
#include "base/encoding.hpp"

namespace acme {

using base::Code;
using base::Result;

namespace {

/// newAccount is idempotent (§7.3.1: the same key finds the same account), so a lost answer is asked for
/// again.
Result<Session::Posted> register_key(Session& session, const Account& account,
                                     const Session::PayloadFor& payload_for) {
    auto answer = session.post_to(account, &Directory::new_account, payload_for, {});
    if (!answer && answer.error().code == Code::CaUnreachable)
        answer = session.post_to(account, &Directory::new_account, payload_for, {});
    return answer;
}

Result<void> check_open(const Session& session, const std::string& status) {
    if (status != "deactivated" && status != "revoked") return {};
    return base::fail(Code::CaAccountRefused,
                      "the account at CA " + session.authority().name + " has been " + status,
                      "an account that was closed stays closed; a new one needs a new key:  renewd account "
                      "register " +
                          session.authority().name + " --new");
}

base::Failure binding_required(const std::string& ca) {
    return base::fail(
        Code::CaBindingRequired,
        "the CA " + ca + " takes new accounts only with an external account binding, and none is configured",
        "get a key from it, then write  eab = { kid = \"…\", key_file = "
        "\"/etc/renewd/secret/eab\" }  in [ca." +
            ca + "]");
}

/// The inner JWS: the account's public key, signed with the key that the CA gave its customer (§7.3.4).
Result<std::string> sign_binding(const std::string& ca, const ExternalBinding& binding,
                                 const base::PrivateKey& key, const std::string& new_account_url) {
    std::string text = binding.key.reveal();
    while (text.ends_with('=')) text.pop_back();
    auto raw = base::parse_base64url(text);
    const base::Secret wipe(std::move(text));
    if (!raw || raw->empty()) {
        return base::fail(Code::ConfigWrongValue,
                          "the key of the external account binding in [ca." + ca + "] is not base64url",
                          "it is used as the CA shows it: letters, digits, - and _");
    }
    return sign_with_mac(base::Secret(std::move(*raw)), binding.algorithm,
                         {.url = new_account_url, .kid = binding.kid, .payload = key.jwk()});
}

Result<std::string> account_url(const std::string& ca, const std::string& asked,
                                const base::HttpResponse& answer) {
    const std::string_view location = answer.header("location");
    if (location.empty()) {
        return base::fail(Code::CaProtocol,
                          "the CA " + ca + " answered newAccount without the account's URL");
    }
    return resolve_url(asked, location);
}

/// Without a binding where one is wanted, only an account that is there already can be had.
Result<std::string> find_bound_account(Session& session, const base::PrivateKey& key) {
    std::string url = TRY(find_account(session, key));
    if (url.empty()) return binding_required(session.authority().name);
    return url;
}

}  // namespace

Result<Account> find_or_create_account(Session& session, const base::PrivateKey& key,
                                       const Registration& registration) {
    const std::string& ca = session.authority().name;
    const Directory directory = TRY(session.directory());
    if (!directory.terms_of_service.empty() && !registration.agree_tos) {
        return base::fail(Code::CaTermsNotAgreed,
                          "the CA " + ca + " wants its terms of service agreed to: " +
                              base::printable(directory.terms_of_service, 300),
                          "read them, then set agree_tos = true in [ca." + ca + "]");
    }
    Account account{.key = key};
    if (directory.external_account_required && !registration.binding) {
        account.url = TRY(find_bound_account(session, key));
        return account;
    }
    std::optional<ExternalBinding> binding;
    if (registration.binding) binding = TRY(registration.binding());
    const auto payload_for = [&](const std::string& url) -> Result<std::string> {
        return new_account_payload(registration.contact, registration.agree_tos,
                                   binding ? TRY(sign_binding(ca, *binding, key, url)) : "");
    };
    auto posted = register_key(session, account, payload_for);
    if (!posted && posted.error().problem.ends_with(":externalAccountRequired")) return binding_required(ca);
    const auto [shown, asked] = TRY(std::move(posted));
    const AccountView view = parse_account(shown.body);
    TRY(check_open(session, view.status));
    account.url = TRY(account_url(ca, asked, shown));
    // §7.3.1: what is sent with a key that has an account already changes nothing of it.
    if (shown.status == 200 && view.contact != contact_urls(registration.contact))
        TRY(update_contact(session, account, registration.contact));
    return account;
}

Result<std::string> find_account(Session& session, const base::PrivateKey& key) {
    auto posted = register_key(session, {.key = key}, [](const std::string&) -> Result<std::string> {
        return find_account_payload();
    });
    if (!posted && posted.error().code == Code::CaAccountMissing) return std::string{};
    const auto [shown, asked] = TRY(std::move(posted));
    TRY(check_open(session, parse_account(shown.body).status));
    return account_url(session.authority().name, asked, shown);
}

Result<AccountView> look_at_account(Session& session, const Account& account) {
    AccountView view = parse_account(TRY(session.post(account, account.url, std::nullopt)).body);
    TRY(check_open(session, view.status));
    return view;
}

Result<void> update_contact(Session& session, const Account& account,
                            const std::vector<std::string>& contact) {
    const std::string payload = contact_payload(contact);
    auto answer = session.post(account, account.url, payload);
    if (!answer && answer.error().code == Code::CaUnreachable)
        answer = session.post(account, account.url, payload);
    const AccountView view = parse_account(TRY(std::move(answer)).body);
    return check_open(session, view.status);
}

Result<void> deactivate_account(Session& session, const Account& account) {
    const base::HttpResponse answer = TRY(session.post(account, account.url, R"({"status":"deactivated"})"));
    const std::string status = parse_account(answer.body).status;
    if (status == "deactivated" || status.empty()) return {};
    return base::fail(Code::CaProtocol, "the CA " + session.authority().name +
                                            " was asked to close the account, and says it is " +
                                            base::printable(status, 40));
}

}  // namespace acme
