// SPDX-License-Identifier: Apache-2.0
#include "acme/revocation.hpp"

#include <ostream>
#include <string>

#include <doctest/doctest.h>

#include "tests/unit/acme/fakes.hpp"

using acme::RevocationReason;
using fakes::code_of;
using fakes::contains;
using fakes::World;

namespace {

using Answer = fakes::Ca::Answer;

}  // namespace

TEST_CASE("revocation: by the account, and by the certificate's own key") {
    World world({});
    REQUIRE(acme::revoke(world.session, world.account, "one", RevocationReason::Superseded));
    REQUIRE(acme::revoke(world.session, {.key = std::get<base::PrivateKey>(world.request.key)}, "two",
                         RevocationReason::KeyCompromise));
    const auto& revoked = world.ca.accounts.revoked;
    REQUIRE(revoked.size() == 2);
    CHECK((revoked[0].der == "one" && revoked[0].reason == 4 && revoked[0].by == "/account/1"));
    CHECK((revoked[1].der == "two" && revoked[1].reason == 1 && revoked[1].by == "its key"));
}

TEST_CASE("revocation: what is revoked already is revoked") {
    World world({});
    REQUIRE(acme::revoke(world.session, world.account, "one", RevocationReason::Unspecified));
    CHECK(acme::revoke(world.session, world.account, "one", RevocationReason::Unspecified));
    CHECK(world.ca.accounts.revoked.size() == 1);
}

TEST_CASE("revocation: a lost answer is asked for again") {
    World world({});
    world.ca.after = [](const std::string& path, int count, base::HttpResponse answer) -> Answer {
        if (path == "/revoke" && count == 1) return fakes::lost();
        return answer;
    };
    CHECK(acme::revoke(world.session, world.account, "one", RevocationReason::Unspecified));
    CHECK(world.ca.accounts.revoked.size() == 1);
}

TEST_CASE("revocation: refused for the reason, for the signer, or by a CA that cannot") {
    World world({});
    const auto reason =
        acme::revoke(world.session, world.account, "one", RevocationReason::PrivilegeWithdrawn);
    CHECK(code_of(reason) == "ca/revocation-refused");
    CHECK(contains(reason.error().hint, "privilegeWithdrawn"));
    const acme::Account stranger{.key = std::get<base::PrivateKey>(world.request.key),
                                 .url = world.account.url};
    CHECK(code_of(acme::revoke(world.session, stranger, "one", RevocationReason::Unspecified)) ==
          "ca/revocation-refused");

    World without({});
    without.ca.after = [](const std::string& path, int, base::HttpResponse answer) -> Answer {
        if (path == "/dir") answer.body = fakes::with_member(answer.body, "revokeCert", "");
        return answer;
    };
    CHECK(code_of(acme::revoke(without.session, without.account, "one", RevocationReason::Unspecified)) ==
          "ca/revocation-refused");
}

TEST_CASE("revocation: reasons by name and by number") {
    for (const auto& [text, reason] :
         {std::pair("keyCompromise", RevocationReason::KeyCompromise),
          std::pair("key-compromise", RevocationReason::KeyCompromise),
          std::pair("KEYCOMPROMISE", RevocationReason::KeyCompromise),
          std::pair("1", RevocationReason::KeyCompromise), std::pair("0", RevocationReason::Unspecified),
          std::pair("superseded", RevocationReason::Superseded),
          std::pair("cessationOfOperation", RevocationReason::CessationOfOperation),
          std::pair("3", RevocationReason::AffiliationChanged)}) {
        CAPTURE(text);
        CHECK((acme::parse_revocation_reason(text).value() == reason));
        CHECK((acme::parse_revocation_reason(acme::to_string(reason)).value() == reason));
    }
    for (const char* text : {"", "2", "6", "7", "8", "01", "stolen", "INC-4711"}) {
        CAPTURE(text);
        const auto reason = acme::parse_revocation_reason(text);
        CHECK(code_of(reason) == "usage/wrong");
        CHECK(contains(reason.error().hint, "keyCompromise (1)"));
    }
}
