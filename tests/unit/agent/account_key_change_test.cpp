// SPDX-License-Identifier: Apache-2.0
// The change of an account's key, killed at every call it makes, and against a CA that loses answers, lies,
// or is not to be understood: one key is in force, and it is ours.
#include <filesystem>
#include <memory>
#include <ostream>
#include <string_view>

#include <doctest/doctest.h>

#include "tests/unit/agent/account_stage.hpp"
#include "tests/unit/base/faulty_files.hpp"

using fakes::code_of;
using fakes::contains;
using Answer = fakes::Ca::Answer;
using tests::answer_at;
using tests::ca_config;
using tests::knows;
using tests::Run;
using tests::Stage;

TEST_CASE("accounts: a new key is in force, and the old one is gone") {
    Stage stage;
    const acme::Account before = Run(stage)->open(ca_config()).value();
    REQUIRE(Run(stage)->change_key(ca_config(), base::KeyType::EcdsaP256));
    const acme::Account after = Run(stage)->open(ca_config()).value();
    CHECK(after.url == before.url);
    CHECK(knows(stage, after));
    CHECK_FALSE(knows(stage, before));
    CHECK_FALSE(std::filesystem::exists(stage.place() + "/account.key.next"));
    CHECK(stage.read("account.key") != before.key.to_pem().value().reveal());
}

TEST_CASE("accounts: a run killed at any moment of a change of the key is finished by the next one") {
    for (const tests::Fault fault : {tests::Fault::Kill, tests::Fault::PowerCut}) {
        std::unique_ptr<Stage> stage;
        const auto work = [&](base::Files& files) {
            stage = std::make_unique<Stage>();
            REQUIRE(Run(*stage)->open(ca_config()));
            (void)Run(*stage, &files)->change_key(ca_config(), base::KeyType::EcdsaP256);
        };
        const std::size_t struck = tests::at_every_call(fault, work, [&](base::Files&, std::size_t number) {
            CAPTURE(number);
            const auto account = Run(*stage)->open(ca_config());
            REQUIRE(account);
            CHECK(knows(*stage, *account));
            CHECK(stage->ca.accounts.known.size() == 1);
            CHECK_FALSE(std::filesystem::exists(stage->place() + "/account.key.next"));
        });
        CHECK(struck > 20);
    }
}

TEST_CASE("accounts: a disk that fails at any moment of a change of the key costs no account") {
    std::unique_ptr<Stage> stage;
    const auto work = [&](base::Files& files) {
        stage = std::make_unique<Stage>();
        REQUIRE(Run(*stage)->open(ca_config()));
        Run faulty(*stage, &files);
        (void)faulty->change_key(ca_config(), base::KeyType::EcdsaP256);
    };
    const std::size_t struck =
        tests::at_every_call(tests::Fault::Fail, work, [&](base::Files&, std::size_t number) {
            CAPTURE(number);
            CHECK(knows(*stage, Run(*stage)->open(ca_config()).value()));
        });
    CHECK(struck > 10);
}

TEST_CASE("accounts: the answer to a change of the key is lost, and what the CA did is found out") {
    Stage stage;
    const acme::Account before = Run(stage)->open(ca_config()).value();
    stage.ca.after = [](const std::string& path, int, base::HttpResponse answer) -> Answer {
        if (path == "/key-change") return fakes::lost();
        return answer;
    };
    CHECK(Run(stage)->change_key(ca_config(), base::KeyType::EcdsaP256));
    CHECK_FALSE(knows(stage, before));

    // The same, and then the CA is gone: both keys wait for the next run.
    stage.ca.after = [](const std::string& path, int, base::HttpResponse answer) -> Answer {
        if (path == "/key-change" || path == "/account/1") return fakes::lost();
        return answer;
    };
    const auto changed = Run(stage)->change_key(ca_config(), base::KeyType::EcdsaP256);
    CHECK(code_of(changed) == "ca/unreachable");
    CHECK(contains(changed.error().hint, "both keys are kept"));
    CHECK(std::filesystem::exists(stage.place() + "/account.key.next"));
    CHECK(code_of(Run(stage)->open(ca_config())) == "ca/unreachable");
    CHECK(std::filesystem::exists(stage.place() + "/account.key.next"));
    stage.ca.after = nullptr;
    CHECK(knows(stage, Run(stage)->open(ca_config()).value()));
    CHECK(contains(stage.said.str(), "is in force"));
}

TEST_CASE("accounts: a CA that says yes to a new key and changes nothing is not believed") {
    Stage stage;
    const acme::Account before = Run(stage)->open(ca_config()).value();
    stage.ca.accounts.ignores_key_change = true;
    const auto changed = Run(stage)->change_key(ca_config(), base::KeyType::EcdsaP256);
    CHECK(code_of(changed) == "ca/protocol");
    CHECK(stage.read("account.key") == before.key.to_pem().value().reveal());
    CHECK_FALSE(std::filesystem::exists(stage.place() + "/account.key.next"));
}

TEST_CASE("accounts: a new key is kept, whatever hides for a moment that the CA has taken it") {
    struct Case {
        std::string_view name;
        base::HttpResponse answer;
        std::string_view code;
    };

    for (const Case& c : {
             Case{"a page of a load balancer", fakes::reply(403, "<html>Forbidden</html>"), "ca/refused"},
             Case{"nothing there", fakes::reply(404), "ca/refused"},
             Case{"a copy that knows neither key", fakes::problem(400, "malformed", "JWS verification error"),
                  "ca/refused"},
         }) {
        CAPTURE(c.name);
        Stage stage;
        const acme::Account before = Run(stage)->open(ca_config()).value();
        stage.ca.before = answer_at("/account/1", c.answer);
        const auto changed = Run(stage)->change_key(ca_config(), base::KeyType::EcdsaP256);
        CHECK(code_of(changed) == c.code);
        CHECK(contains(changed.error().hint, "both keys are kept"));
        CHECK_FALSE(Run(stage)->open(ca_config()));
        CHECK(std::filesystem::exists(stage.place() + "/account.key.next"));
        stage.ca.before = nullptr;
        CHECK(knows(stage, Run(stage)->open(ca_config()).value()));
        CHECK_FALSE(knows(stage, before));
    }
}

TEST_CASE("accounts: a next key that the CA knows nothing of, or as another account's, is dropped") {
    for (const bool is_others : {false, true}) {
        Stage stage;
        const acme::Account before = Run(stage)->open(ca_config()).value();
        const auto next = base::PrivateKey::generate(base::KeyType::EcdsaP256).value();
        Run run(stage);
        if (is_others) REQUIRE(run.session().post({.key = next}, fakes::kOrigin + "/account", "{}"));
        REQUIRE(run.store().begin_key_change("fake", fakes::kOrigin + "/dir", next));
        CHECK(run->open(ca_config()).value().key.public_key_der() == before.key.public_key_der());
        CHECK_FALSE(std::filesystem::exists(stage.place() + "/account.key.next"));
    }
}

TEST_CASE("accounts: neither key is dropped while neither opens the account") {
    Stage stage;
    REQUIRE(Run(stage)->open(ca_config()));
    const auto next = base::PrivateKey::generate(base::KeyType::EcdsaP256).value();
    REQUIRE(Run(stage).store().begin_key_change("fake", fakes::kOrigin + "/dir", next));
    stage.ca.accounts.known.at(1).status = "deactivated";
    CHECK(code_of(Run(stage)->open(ca_config())) == "ca/account-refused");
    CHECK(std::filesystem::exists(stage.place() + "/account.key.next"));
}

TEST_CASE("accounts: a key that another renewd has changed is used at once") {
    Stage stage;
    Run agent(stage);
    REQUIRE(agent->open(ca_config()));
    REQUIRE(Run(stage)->change_key(ca_config(), base::KeyType::EcdsaP256));
    CHECK(knows(stage, agent->open(ca_config()).value()));
}
