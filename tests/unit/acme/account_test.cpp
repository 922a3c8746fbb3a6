// SPDX-License-Identifier: Apache-2.0
#include "acme/account.hpp"

#include <ostream>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "tests/unit/acme/fakes.hpp"

using acme::find_or_create_account;
using fakes::code_of;
using fakes::contains;
using fakes::World;

namespace {

using Answer = fakes::Ca::Answer;
using Log = std::vector<std::string>;

/// The answer to the first newAccount.
fakes::Ca::Before first_account(const Answer& answer) {
    return [answer](const std::string& path, int count) -> std::optional<Answer> {
        if (path == "/account" && count == 1) return answer;
        return std::nullopt;
    };
}

}  // namespace

TEST_CASE("account: registered, with its URL as the kid") {
    World world({});
    world.ca.meta = R"({"termsOfService":"https://ca.test/tos"})";
    const auto account =
        find_or_create_account(world.session, world.account.key, {"ops@example.com"}, /*agree_tos=*/true);
    REQUIRE(account);
    CHECK(account->url == fakes::kOrigin + "/account/1");
    CHECK(account->key.public_key_der() == world.account.key.public_key_der());
    CHECK(world.ca.payload("/account") ==
          R"({"contact":["mailto:ops@example.com"],"termsOfServiceAgreed":true})");
    CHECK(world.ca.log() == Log{"GET /dir", "HEAD /nonce", "POST /account"});
}

TEST_CASE("account: found again (200) is the same as created (201)") {
    World world({});
    world.ca.before = first_account(base::HttpResponse{.status = 200,
                                                       .headers = {{"location", "https://ca.test/account/9"}},
                                                       .body = R"({"status":"valid"})"});
    CHECK(find_or_create_account(world.session, world.account.key, {}, true).value().url ==
          "https://ca.test/account/9");
}

TEST_CASE("account: terms are agreed to by the user, and before anything is sent") {
    World world({});
    world.ca.meta = R"({"termsOfService":"https://ca.test/tos"})";
    const auto account = find_or_create_account(world.session, world.account.key, {}, /*agree_tos=*/false);
    CHECK(code_of(account) == "ca/terms-not-agreed");
    CHECK(contains(account.error().message, "https://ca.test/tos"));
    CHECK(contains(account.error().hint, "agree_tos = true in [ca.fake]"));
    CHECK(world.ca.log() == Log{"GET /dir"});

    World without_terms({});
    CHECK(find_or_create_account(without_terms.session, world.account.key, {}, /*agree_tos=*/false));
    CHECK(without_terms.ca.payload("/account") == "{}");
}

TEST_CASE("account: a lost answer is asked for again; the key finds the account") {
    World world({});
    world.ca.after = [](const std::string& path, int count, base::HttpResponse answer) -> Answer {
        if (path == "/account" && count == 1) return fakes::lost();
        return answer;
    };
    CHECK(find_or_create_account(world.session, world.account.key, {}, true));
    CHECK(world.ca.count("/account") == 2);
}

TEST_CASE("account: closed, refused, or without a URL") {
    struct Case {
        std::string_view name;
        Answer answer;
        std::string_view want;
    };

    for (const Case& c : {
             Case{"deactivated, said by status",
                  {base::HttpResponse{.status = 200, .body = R"({"status":"deactivated"})"}},
                  "ca/account-refused"},
             Case{"deactivated, said by 403", fakes::problem(403, "unauthorized", "deactivated"),
                  "ca/account-refused"},
             Case{"needs EAB", fakes::problem(403, "externalAccountRequired"), "ca/binding-required"},
             Case{"new terms", fakes::problem(403, "userActionRequired"), "ca/terms-not-agreed"},
             Case{"no Location", fakes::reply(201, "{}"), "ca/protocol"},
             Case{"http Location",
                  {base::HttpResponse{.status = 201, .headers = {{"location", "http://ca.test/1"}}}},
                  "ca/protocol"},
         }) {
        CAPTURE(c.name);
        World world({});
        world.ca.before = first_account(c.answer);
        CHECK(code_of(find_or_create_account(world.session, world.account.key, {}, true)) == c.want);
        CHECK(world.ca.count("/account") == 1);
    }
}
