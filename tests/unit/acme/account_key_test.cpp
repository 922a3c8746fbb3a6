// SPDX-License-Identifier: Apache-2.0
#include "acme/account_key.hpp"

#include <ostream>
#include <string>

#include <doctest/doctest.h>

#include "acme/jws.hpp"
#include "tests/unit/acme/fakes.hpp"

using fakes::code_of;
using fakes::World;

namespace {

using Answer = fakes::Ca::Answer;

base::PrivateKey new_key() {
    return base::PrivateKey::generate(base::KeyType::EcdsaP256).value();
}

}  // namespace

TEST_CASE("account key: the CA knows the account by the new key, and no longer by the old one") {
    World world({});
    const acme::Account renewed{.key = new_key(), .url = world.account.url};
    REQUIRE(acme::change_account_key(world.session, world.account, renewed.key));
    CHECK(acme::has_key(world.session, renewed).value());
    CHECK_FALSE(acme::has_key(world.session, world.account).value());
}

TEST_CASE("account key: one that is another account's is refused, however the CA says so") {
    for (const bool says_conflict : {true, false}) {
        World world({});
        world.ca.accounts.checks_key_use = says_conflict;
        const base::PrivateKey others = new_key();
        REQUIRE(world.session.post({.key = others}, fakes::kOrigin + "/account", "{}"));
        const auto changed = acme::change_account_key(world.session, world.account, others);
        CHECK(code_of(changed) == "ca/key-in-use");
        CHECK(acme::has_key(world.session, world.account).value());
        CHECK(world.ca.count("/key-change") == 0);
    }
    World world({});
    world.ca.before = [](const std::string& path, int) -> std::optional<Answer> {
        if (path == "/key-change") return fakes::problem(409, "malformed", "key in use");
        return std::nullopt;
    };
    CHECK(code_of(acme::change_account_key(world.session, world.account, new_key())) == "ca/key-in-use");
}

TEST_CASE("account key: an answer of 200 is no proof") {
    World world({});
    world.ca.accounts.ignores_key_change = true;
    const acme::Account renewed{.key = new_key(), .url = world.account.url};
    REQUIRE(acme::change_account_key(world.session, world.account, renewed.key));
    CHECK_FALSE(acme::has_key(world.session, renewed).value());
}

TEST_CASE("account key: whether a key is known is not guessed where the CA cannot be asked") {
    for (const auto& [answer, code] :
         {std::pair<Answer, std::string>(fakes::lost(), "ca/unreachable"),
          std::pair<Answer, std::string>(fakes::reply(503), "ca/server-error"),
          std::pair<Answer, std::string>(fakes::reply(403, "<html>Forbidden</html>"), "ca/refused"),
          std::pair<Answer, std::string>(fakes::reply(404), "ca/refused"),
          std::pair<Answer, std::string>(fakes::problem(429, "rateLimited"), "ca/rate-limited")}) {
        World world({});
        world.ca.before = [answer = answer](const std::string& path, int) -> std::optional<Answer> {
            if (path == "/account/1") return answer;
            return std::nullopt;
        };
        CHECK(code_of(acme::has_key(world.session, world.account)) == code);
    }
}

TEST_CASE("account key: a CA without keyChange says so before anything is sent") {
    World world({});
    world.ca.after = [](const std::string& path, int, base::HttpResponse answer) -> Answer {
        if (path == "/dir") answer.body = fakes::with_member(answer.body, "keyChange", "");
        return answer;
    };
    CHECK(code_of(acme::change_account_key(world.session, world.account, new_key())) == "ca/protocol");
    CHECK(world.ca.log() == std::vector<std::string>{"GET /dir"});
}

TEST_CASE("account key: an order of before the change is proven with the key of now") {
    World world({"a.example"});
    REQUIRE(world.session.post(world.account, fakes::kOrigin + "/order",
                               R"({"identifiers":[{"type":"dns","value":"a.example"}]})"));
    world.request.order_url = fakes::kOrigin + "/order/1";
    const base::PrivateKey renewed = new_key();
    REQUIRE(acme::change_account_key(world.session, world.account, renewed));
    world.account.key = renewed;
    CHECK(world.issue());
    const acme::ChallengeTask task = world.solver.last_task();
    CHECK(task.key_authorization == acme::key_authorization(task.token, renewed));
    CHECK(world.ca.count("/order") == 1);
}
