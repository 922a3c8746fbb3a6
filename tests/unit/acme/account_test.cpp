// SPDX-License-Identifier: Apache-2.0
#include "acme/account.hpp"

#include <ostream>
#include <string>
#include <string_view>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "base/encoding.hpp"
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

base::PrivateKey new_key() {
    return base::PrivateKey::generate(base::KeyType::EcdsaP256).value();
}

acme::Registration with_binding(const std::string& key, acme::MacAlgorithm algorithm) {
    return {.agree_tos = true, .binding = [=]() -> base::Result<acme::ExternalBinding> {
                return acme::ExternalBinding{.kid = "k1", .key = base::Secret(key), .algorithm = algorithm};
            }};
}

const acme::Registration kAgreed{.agree_tos = true};

}  // namespace

TEST_CASE("account: registered, with its URL as the kid") {
    World world({});
    world.ca.meta = R"({"termsOfService":"https://ca.test/tos"})";
    const base::PrivateKey key = new_key();
    const auto account =
        find_or_create_account(world.session, key, {.contact = {"ops@example.com"}, .agree_tos = true});
    REQUIRE(account);
    CHECK(account->url == fakes::kOrigin + "/account/2");
    CHECK(account->key.public_key_der() == key.public_key_der());
    CHECK(world.ca.payload("/account") ==
          R"({"contact":["mailto:ops@example.com"],"termsOfServiceAgreed":true})");
    CHECK(world.ca.log() == Log{"GET /dir", "HEAD /nonce", "POST /account"});
}

TEST_CASE("account: found again (200) is the same as created (201)") {
    World world({});
    world.ca.before = first_account(base::HttpResponse{.status = 200,
                                                       .headers = {{"location", "https://ca.test/account/9"}},
                                                       .body = R"({"status":"valid"})"});
    CHECK(find_or_create_account(world.session, world.account.key, kAgreed).value().url ==
          "https://ca.test/account/9");
}

TEST_CASE("account: terms are agreed to by the user, and before anything is sent") {
    World world({});
    world.ca.meta = R"({"termsOfService":"https://ca.test/tos"})";
    const auto account = find_or_create_account(world.session, world.account.key, {.agree_tos = false});
    CHECK(code_of(account) == "ca/terms-not-agreed");
    CHECK(contains(account.error().message, "https://ca.test/tos"));
    CHECK(contains(account.error().hint, "agree_tos = true in [ca.fake]"));
    CHECK(world.ca.log() == Log{"GET /dir"});

    World without_terms({});
    CHECK(find_or_create_account(without_terms.session, world.account.key, {}));
    CHECK(without_terms.ca.payload("/account") == "{}");
}

TEST_CASE("account: a lost answer is asked for again; the key finds the account") {
    World world({});
    world.ca.after = [](const std::string& path, int count, base::HttpResponse answer) -> Answer {
        if (path == "/account" && count == 1) return fakes::lost();
        return answer;
    };
    CHECK(find_or_create_account(world.session, world.account.key, kAgreed));
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
        CHECK(code_of(find_or_create_account(world.session, world.account.key, kAgreed)) == c.want);
        CHECK(world.ca.count("/account") == 1);
    }
}

TEST_CASE("account: the contact of one that was there already is brought up to date") {
    World world({});
    const acme::Registration registration{.contact = {"ops@example.com"}, .agree_tos = true};
    REQUIRE(find_or_create_account(world.session, world.account.key, registration));
    CHECK(world.ca.accounts.known.at(1).contact == std::vector<std::string>{"mailto:ops@example.com"});
    CHECK(world.ca.count("/account/1") == 1);
    REQUIRE(find_or_create_account(world.session, world.account.key, registration));
    CHECK(world.ca.count("/account/1") == 1);

    REQUIRE(acme::update_contact(world.session, world.account, {}));
    CHECK(world.ca.accounts.known.at(1).contact.empty());
}

TEST_CASE("account: bound to an account of the CA's own (RFC 8555 §7.3.4)") {
    // The MAC: printf %s PROTECTED.PAYLOAD | openssl dgst -SHA… -mac HMAC -macopt hexkey:…
    for (const std::string_view key :
         {"c2VjcmV0LWtleS1vZi10aGUtY3VzdG9tZXI", "c2VjcmV0LWtleS1vZi10aGUtY3VzdG9tZXI="}) {
        for (const auto& [algorithm, name, bytes] : {std::tuple(acme::MacAlgorithm::Hs256, "HS256", 32U),
                                                     std::tuple(acme::MacAlgorithm::Hs384, "HS384", 48U),
                                                     std::tuple(acme::MacAlgorithm::Hs512, "HS512", 64U)}) {
            World world({});
            world.ca.meta = R"({"externalAccountRequired":true})";
            const base::PrivateKey account_key = new_key();
            REQUIRE(find_or_create_account(world.session, account_key,
                                           with_binding(std::string(key), algorithm)));
            const auto binding =
                nlohmann::json::parse(world.ca.payload("/account")).at("externalAccountBinding");
            CHECK(fakes::header_of(binding) ==
                  nlohmann::json{{"alg", name}, {"kid", "k1"}, {"url", fakes::kOrigin + "/account"}});
            CHECK(fakes::payload_of(binding) == nlohmann::json::parse(account_key.jwk()));
            CHECK(base::parse_base64url(binding.at("signature").get<std::string>()).value().size() == bytes);
        }
    }
}

TEST_CASE("account: a binding names the URL that is asked, also when the CA has moved it") {
    World world({});
    world.ca.after = [](const std::string& path, int count, base::HttpResponse answer) -> Answer {
        if (path == "/dir" && count == 1)
            answer.body = fakes::with_member(answer.body, "newAccount", R"("https://ca.test/moved")");
        return answer;
    };
    world.ca.before = [](const std::string& path, int) -> std::optional<Answer> {
        if (path == "/moved") return fakes::reply(404);
        return std::nullopt;
    };
    REQUIRE(find_or_create_account(world.session, new_key(),
                                   with_binding("c2VjcmV0", acme::MacAlgorithm::Hs256)));
    CHECK(world.ca.count("/moved") == 1);
    const auto binding = nlohmann::json::parse(world.ca.payload("/account")).at("externalAccountBinding");
    CHECK(fakes::header_of(binding).at("url") == fakes::kOrigin + "/account");
}

TEST_CASE("account: a binding that is wanted, or cannot be used") {
    World world({});
    world.ca.meta = R"({"externalAccountRequired":true})";
    const auto without = find_or_create_account(world.session, new_key(), kAgreed);
    CHECK(code_of(without) == "ca/binding-required");
    CHECK(contains(without.error().hint, "eab = { kid = "));
    CHECK(contains(without.error().hint, "[ca.fake]"));
    // An account that is there needs none: its key may be gone by now.
    CHECK(find_or_create_account(world.session, world.account.key, kAgreed).value().url == world.account.url);

    world.ca.clear_log();
    const auto garbled = find_or_create_account(world.session, new_key(), with_binding("not base64url!", {}));
    CHECK(code_of(garbled) == "config/wrong-value");
    CHECK_FALSE(contains(garbled.error().message, "not base64url!"));
    acme::Registration unreadable = kAgreed;
    unreadable.binding = []() -> base::Result<acme::ExternalBinding> {
        return base::fail(base::Code::ConfigSecretUnavailable, "eab.key_env: not set");
    };
    CHECK(code_of(find_or_create_account(world.session, new_key(), unreadable)) ==
          "config/secret-unavailable");
    CHECK(world.ca.count("/account") == 0);
}

TEST_CASE("account: looked for, looked at, and closed") {
    World world({});
    CHECK(acme::find_account(world.session, world.account.key).value() == world.account.url);
    CHECK(acme::find_account(world.session, new_key()).value().empty());
    CHECK(world.ca.accounts.known.size() == 1);
    CHECK(acme::look_at_account(world.session, world.account).value().status == "valid");

    REQUIRE(acme::deactivate_account(world.session, world.account));
    CHECK(world.ca.accounts.known.at(1).status == "deactivated");
    CHECK(code_of(acme::look_at_account(world.session, world.account)) == "ca/account-refused");
    CHECK(code_of(find_or_create_account(world.session, world.account.key, kAgreed)) == "ca/account-refused");
    world.ca.before = [](const std::string& path, int) -> std::optional<Answer> {
        if (path == "/account/1") return fakes::reply(200, R"({"status":"valid"})");
        return std::nullopt;
    };
    CHECK(code_of(acme::deactivate_account(world.session, world.account)) == "ca/protocol");
}
