// SPDX-License-Identifier: Apache-2.0
#include "acme/account.hpp"

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
Result<Session::Posted> register_key(Session& session, const Account& account, const std::string& payload) {
    auto answer = session.post_to(account, &Directory::new_account, payload, {});
    if (!answer && answer.error().code == Code::CaUnreachable)
        answer = session.post_to(account, &Directory::new_account, payload, {});
    return answer;
}

}  // namespace

Result<Account> find_or_create_account(Session& session, const base::PrivateKey& key,
                                       const std::vector<std::string>& contact, bool agree_tos) {
    const std::string& ca = session.authority().name;
    const Directory directory = TRY(session.directory());
    if (!directory.terms_of_service.empty() && !agree_tos) {
        return base::fail(Code::CaTermsNotAgreed,
                          "the CA " + ca + " wants its terms of service agreed to: " +
                              base::printable(directory.terms_of_service, 300),
                          "read them, then set agree_tos = true in [ca." + ca + "]");
    }
    Account account{.key = key};
    const auto [answer, asked] = TRY(register_key(session, account, new_account_payload(contact, agree_tos)));
    const std::string status = parse_account_status(answer.body);
    if (status == "deactivated" || status == "revoked") {
        return base::fail(Code::CaAccountRefused, "the account at CA " + ca + " has been " + status,
                          "an account that was closed stays closed; a new one needs a new key");
    }
    const std::string_view location = answer.header("location");
    if (location.empty()) {
        return base::fail(Code::CaProtocol,
                          "the CA " + ca + " answered newAccount without the account's URL");
    }
    account.url = TRY(resolve_url(asked, location));
    return account;
}

}  // namespace acme
