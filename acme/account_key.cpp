// SPDX-License-Identifier: Apache-2.0
#include "acme/account_key.hpp"

#include <utility>

#include "acme/account.hpp"
#include "acme/jws.hpp"
#include "acme/problem.hpp"
#include "acme/wire.hpp"

namespace acme {

using base::Code;
using base::Result;

Result<void> change_account_key(Session& session, const Account& account, const base::PrivateKey& new_key) {
    const std::string& ca = session.authority().name;
    const std::string url = TRY(session.directory()).key_change;
    if (url.empty()) {
        return base::fail(
            Code::CaProtocol,
            "the CA " + ca + " has no keyChange in its directory: it cannot change account keys");
    }
    // Some CAs say 409, some 500, and some 200 and change nothing: asked before, so that all are told alike.
    const std::string owner = TRY(find_account(session, new_key));
    if (!owner.empty() && owner != account.url) {
        return base::fail(Code::CaKeyInUse,
                          "the CA " + ca + " knows the new key already, as that of the account " + owner,
                          "the old key stays; each account needs a key of its own");
    }
    const std::string inner =
        TRY(sign(new_key, {.url = url, .payload = key_change_payload(account.url, account.key.jwk())}));
    TRY(session.post(account, {.url = url, .payload = inner, .changes_key = true}));
    return {};
}

Result<bool> has_key(Session& session, const Account& account) {
    const auto view = look_at_account(session, account);
    if (view) return true;
    const Code code = view.error().code;
    // "JWS verification error" is malformed at some CAs and unauthorized at others.
    const bool refused =
        code == Code::CaRefused || code == Code::CaAccountRefused || code == Code::CaAccountMissing;
    if (refused && view.error().problem.starts_with(kProblemPrefix)) return false;
    return base::Failure(view.error());
}

}  // namespace acme
