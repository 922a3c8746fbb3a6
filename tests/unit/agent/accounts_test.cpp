// SPDX-License-Identifier: Apache-2.0
// Accounts: made once, whoever asks and whatever dies; kept in step with the configuration; lost, damaged and
// closed ones.
#include "agent/work/accounts.hpp"

#include <filesystem>
#include <fstream>
#include <future>
#include <ostream>
#include <sstream>
#include <thread>

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

TEST_CASE("accounts: one is made, and found again by the next run without asking") {
    Stage stage;
    const auto account = Run(stage)->open(ca_config());
    REQUIRE(account);
    CHECK(account->url == fakes::kOrigin + "/account/1");
    const std::size_t asked = stage.ca.log().size();
    CHECK(Run(stage)->open(ca_config()).value().url == account->url);
    CHECK(stage.ca.log().size() == asked);
}

TEST_CASE("accounts: a run killed at any moment of the first registration leaves one account at the CA") {
    for (const tests::Fault fault : {tests::Fault::Kill, tests::Fault::PowerCut}) {
        std::unique_ptr<Stage> stage;
        const auto work = [&](base::Files& files) {
            stage = std::make_unique<Stage>();
            (void)Run(*stage, &files)->open(ca_config());
        };
        const std::size_t struck = tests::at_every_call(fault, work, [&](base::Files&, std::size_t number) {
            CAPTURE(number);
            const auto account = Run(*stage)->open(ca_config());
            REQUIRE(account);
            CHECK(stage->ca.accounts.known.size() == 1);
            CHECK(knows(*stage, *account));
        });
        CHECK(struck > 20);
    }
}

TEST_CASE("accounts: of two that register at once one waits, and finds what the other has made") {
    Stage stage;
    Run second(stage);
    std::string meanwhile;
    stage.ca.before = [&](const std::string& path, int) -> std::optional<Answer> {
        // The first one's request is on its way: the second is not let in, for all its patience.
        if (path == "/account" && meanwhile.empty()) meanwhile = code_of(second->open(ca_config()));
        return std::nullopt;
    };
    const auto first = Run(stage)->open(ca_config());
    REQUIRE(first);
    CHECK(meanwhile == "state/locked");
    CHECK(stage.clock.passed() >= 30s);
    CHECK(second->open(ca_config()).value().url == first->url);
    CHECK(stage.ca.count("/account") == 1);
    CHECK(stage.ca.accounts.known.size() == 1);
}

TEST_CASE("accounts: a CA that does not answer keeps nobody waiting for another one") {
    Stage stage;
    const tests::TemporaryDirectory directory;
    base::SystemFiles files;
    const auto store = agent::FileStore::open_read_only(files, directory / "state");
    spdlog::logger log("test", std::make_shared<spdlog::sinks::ostream_sink_st>(stage.said));
    acme::Session session({.name = "fake", .directory = fakes::kOrigin + "/dir"}, stage.ca, stage.clock);
    agent::CaConfig other = ca_config();
    other.name = "other";
    std::unique_ptr<agent::Accounts> accounts;
    std::optional<base::Result<acme::Account>> meanwhile;
    std::promise<void> opened;
    std::jthread thread;
    bool has_waited = true;
    // While the first is asked, whose answer takes its time, another thread opens the other.
    const auto session_of = [&](const agent::CaConfig& ca) -> acme::Session& {
        if (ca.name == "fake" && !thread.joinable()) {
            thread = std::jthread([&] {
                meanwhile = accounts->open(other);
                opened.set_value();
            });
            has_waited = opened.get_future().wait_for(10s) != std::future_status::ready;
        }
        return session;
    };
    accounts = std::make_unique<agent::Accounts>(*store, stage.clock, log, session_of);
    CHECK(accounts->open(ca_config()));
    thread.join();
    CHECK_FALSE(has_waited);
    CHECK((meanwhile && *meanwhile));
}

TEST_CASE("accounts: one that is gone while its certificates are there is not replaced in silence") {
    Stage stage;
    const std::string url = Run(stage)->open(ca_config()).value().url;
    {
        Run run(stage);
        const auto lease = run.store().lease("example.com").value();
        agent::GenerationRecord generation{.number = 1, .account = url};
        generation.ordered_for.ca = "fake";
        REQUIRE(run.store().save({.name = "example.com", .generations = {generation}}));
    }
    std::filesystem::remove_all(stage.place());
    const auto opened = Run(stage)->open(ca_config());
    CHECK(code_of(opened) == "state/corrupt");
    CHECK(contains(opened.error().message, "with which example.com was ordered, is gone"));
    CHECK(stage.ca.accounts.known.size() == 1);
    // Its directory elsewhere is another CA, whatever its name is.
    agent::CaConfig elsewhere = ca_config();
    elsewhere.directory = "https://elsewhere.test/dir";
    CHECK(code_of(Run(stage)->open(elsewhere)) != "state/corrupt");
    // A person says so.
    const auto anew = Run(stage)->register_anew(ca_config());
    REQUIRE(anew);
    CHECK(anew->url != url);
    CHECK(Run(stage)->open(ca_config()).value().url == anew->url);
}

TEST_CASE("accounts: one whose key is damaged is put aside when a person asks for another, and not before") {
    Stage stage;
    REQUIRE(Run(stage)->open(ca_config()));
    const std::string place = stage.place();
    std::ofstream(place + "/account.key") << "torn";
    CHECK(code_of(Run(stage)->open(ca_config())) == "state/corrupt");
    CHECK(stage.ca.accounts.known.size() == 1);
    REQUIRE(Run(stage)->register_anew(ca_config()));
    bool is_kept = false;
    for (const auto& entry : std::filesystem::directory_iterator(place)) {
        if (!entry.path().filename().string().starts_with("retired-")) continue;
        std::ifstream file(entry.path() / "account.key");
        is_kept = std::string(std::istreambuf_iterator<char>(file), {}) == "torn";
    }
    CHECK(is_kept);
}

TEST_CASE("accounts: the contact at the CA follows the configuration") {
    Stage stage;
    REQUIRE(Run(stage)->open(ca_config()));
    REQUIRE(Run(stage)->open(ca_config({"new@example.com", "tel:+1"})));
    CHECK(stage.ca.accounts.known.at(1).contact ==
          std::vector<std::string>{"mailto:new@example.com", "tel:+1"});
    REQUIRE(Run(stage)->open(ca_config({})));
    CHECK(stage.ca.accounts.known.at(1).contact.empty());
    const std::size_t asked = stage.ca.log().size();
    REQUIRE(Run(stage)->open(ca_config({})));
    CHECK(stage.ca.log().size() == asked);
}

TEST_CASE("accounts: a contact that the CA does not take stops nothing, and is tried once a run") {
    Stage stage;
    REQUIRE(Run(stage)->open(ca_config()));
    stage.ca.before = answer_at("/account/1", fakes::problem(400, "unsupportedContact", "no telephones"));
    Run run(stage);
    CHECK(run->open(ca_config({"tel:+1"})));
    CHECK(run->open(ca_config({"tel:+1"})));
    CHECK(stage.ca.count("/account/1") == 1);
    CHECK(contains(stage.said.str(), "no telephones"));
    CHECK(code_of(run->tell_contact(ca_config({"tel:+1"}))) == "ca/account-refused");
}

TEST_CASE("accounts: lost by the CA, one is registered with the same key, and a new URL is told") {
    Stage stage;
    const std::string before = Run(stage)->open(ca_config()).value().url;
    stage.ca.accounts.known = {{7, {}}};
    stage.ca.accounts.known.at(7).jwk = {};
    const auto account = Run(stage)->find_again(ca_config());
    REQUIRE(account);
    CHECK(account->url != before);
    CHECK(contains(stage.said.str(), "the CA has lost our account " + before));
    CHECK(Run(stage)->open(ca_config()).value().url == account->url);

    // What is lost is kept, for records that name it, until somebody says so.
    const auto lost = [&] {
        Run run(stage);
        const auto stored = run.store().account("fake", ca_config().directory).value();
        return stored && stored->lost ? stored->lost->url : "";
    };
    CHECK(lost() == before);
    stage.ca.accounts.known = {{8, {}}};
    REQUIRE(Run(stage)->find_again(ca_config()));
    CHECK(lost() == before);
    REQUIRE(Run(stage)->forget_loss(ca_config()));
    CHECK(lost().empty());
    REQUIRE(Run(stage)->forget_loss(ca_config()));
}

TEST_CASE("accounts: one that was closed stays closed, and a new one is made only when somebody says so") {
    Stage stage;
    const acme::Account before = Run(stage)->open(ca_config()).value();
    CHECK(code_of(Run(stage)->register_anew(ca_config())) == "usage/wrong");
    REQUIRE(Run(stage)->close(ca_config()));
    CHECK(stage.ca.accounts.known.at(1).status == "deactivated");
    const std::size_t asked = stage.ca.log().size();
    const auto refused = Run(stage)->open(ca_config());
    CHECK(code_of(refused) == "ca/account-refused");
    CHECK(contains(refused.error().hint, "renewd account register fake --new"));
    CHECK(code_of(Run(stage)->change_key(ca_config(), base::KeyType::EcdsaP256)) == "ca/account-refused");
    CHECK(code_of(Run(stage)->close(ca_config())) == "ca/account-refused");
    CHECK(stage.ca.log().size() == asked);

    const auto anew = Run(stage)->register_anew(ca_config());
    REQUIRE(anew);
    CHECK(anew->url != before.url);
    CHECK(Run(stage)->open(ca_config()).value().url == anew->url);
    CHECK(std::filesystem::exists(stage.place() + "/retired-1795262400/account.key"));
}

TEST_CASE("accounts: one that somebody else closed is not replaced by itself") {
    Stage stage;
    REQUIRE(Run(stage)->open(ca_config()));
    stage.ca.accounts.known.at(1).status = "deactivated";
    CHECK(code_of(Run(stage)->find_again(ca_config())) == "ca/account-refused");
    CHECK(stage.ca.accounts.known.size() == 1);
    CHECK(Run(stage)->register_anew(ca_config()));
    CHECK(stage.ca.accounts.known.size() == 2);
}

TEST_CASE("accounts: the answer to closing is lost; asked again, it is closed") {
    Stage stage;
    REQUIRE(Run(stage)->open(ca_config()));
    stage.ca.after = [](const std::string& path, int count, base::HttpResponse answer) -> Answer {
        if (path == "/account/1" && count == 1) return fakes::lost();
        return answer;
    };
    CHECK(code_of(Run(stage)->close(ca_config())) == "ca/unreachable");
    CHECK(Run(stage)->close(ca_config()));
    CHECK(code_of(Run(stage)->open(ca_config())) == "ca/account-refused");
}
