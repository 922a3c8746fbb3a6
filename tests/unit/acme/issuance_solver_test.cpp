// SPDX-License-Identifier: Apache-2.0
// What the flow asks of solvers, what it tells of what they put up and take away again, and what it makes of
// one that cannot.
#include <algorithm>
#include <ostream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "acme/issuance.hpp"
#include "tests/unit/acme/fakes.hpp"

using fakes::code_of;
using fakes::contains;
using fakes::message_of;
using fakes::World;

TEST_CASE("issuance: the time that a solver takes is not the CA's") {
    World world({"a.example"});
    world.ca.validation_looks = 3;
    world.solver.waits = [&world] { world.clock.sleep(900s); };
    CHECK(message_of(world.issue()) == "");
    CHECK(world.ca.count("/chall/1/0") == 1);
}

TEST_CASE("issuance: a solver that does not exist, does not fit, or does not work") {
    World none({"a.example", "b.example"});
    none.effects.solver_for = [&none](const base::Identifier& name) -> acme::Solver* {
        return name.value == "a.example" ? &none.solver : nullptr;
    };
    const auto missing = none.issue();
    CHECK(code_of(missing) == "solver/none");
    CHECK(contains(message_of(missing), "b.example"));
    CHECK(contains(missing.error().hint, "http-01"));
    CHECK(none.solver.presents() == 0);

    World other({"*.example.com"});
    other.solver.type_name = "tls-alpn-01";
    const auto unfit = other.issue();
    CHECK(code_of(unfit) == "solver/none");
    CHECK(contains(message_of(unfit), "offers quantum-01, http-01"));
    CHECK(contains(unfit.error().hint, "dns-01"));

    World broken({"a.example", "b.example", "c.example"});
    broken.solver.failing = "b.example";
    const auto failed = broken.issue();
    CHECK(code_of(failed) == "solver/present");
    CHECK(contains(message_of(failed), "b.example: the webroot is gone"));
    CHECK(failed.error().step == "authorize");
    CHECK(broken.solver.held() == 0);
    CHECK(broken.ca.count("/chall/1/0") == 0);

    World only({"a.example"});  // whose certificate is told by whoever shows the error
    only.solver.failing = "a.example";
    CHECK(message_of(only.issue()).starts_with("the webroot is gone"));
}

TEST_CASE("issuance: what a solver cannot take away again is told, and stops nothing") {
    World world({"a.example"});
    world.solver.cannot_clean_up = true;
    REQUIRE(world.issue());
    const std::string told = "authorize: a.example: a challenge was left behind: read-only file system";
    CHECK(std::ranges::find(world.progress, told) != world.progress.end());
}

TEST_CASE("issuance: what outlives us is told of once, before any of it is put up") {
    World world({"a.example", "b.example"});
    std::vector<std::string> told;
    std::vector<std::string> gone;
    world.effects.about_to_present =
        [&](const std::vector<acme::ChallengeTask>& tasks) -> base::Result<void> {
        CHECK(world.solver.presents() == 0);
        for (const acme::ChallengeTask& task : tasks) told.push_back(task.key_authorization);
        return {};
    };
    world.effects.taken_away = [&](const acme::ChallengeTask& task) {
        gone.push_back(task.key_authorization);
    };
    REQUIRE(world.issue());
    CHECK(told.size() == 2);
    std::ranges::sort(told);
    std::ranges::sort(gone);
    CHECK(told == gone);

    World unwritable({"a.example"});
    unwritable.effects.about_to_present = [](const auto&) -> base::Result<void> {
        return base::fail(base::Code::StateNoSpace, "the disk is full");
    };
    CHECK(code_of(unwritable.issue()) == "state/no-space");
    CHECK(unwritable.solver.presents() == 0);
    CHECK(unwritable.ca.count("/chall/1/0") == 0);
}

TEST_CASE("issuance: what goes with the process, and what stays where it is, is not told of as gone") {
    World listener({"a.example"});
    listener.solver.outlives = false;
    listener.effects.about_to_present = [](const auto&) -> base::Result<void> {
        return base::fail(base::Code::StateNoSpace, "nobody should ask");
    };
    listener.effects.taken_away = [](const auto&) { CHECK(false); };
    CHECK(code_of(listener.issue()) == "ok");

    World stuck({"a.example"});
    stuck.solver.cannot_clean_up = true;
    int left_behind = 0;
    stuck.effects.taken_away = [](const auto&) { CHECK(false); };
    stuck.effects.left_behind = [&](const auto&, const auto&) { ++left_behind; };
    CHECK(code_of(stuck.issue()) == "ok");
    CHECK(left_behind == 1);
}

TEST_CASE("issue: dns-persist-01 needs no token, and knows the account and the CA's names") {
    World world({"a.example"});
    world.solver.type_name = "dns-persist-01";
    world.ca.issuer_domains = {"ca.example"};
    world.ca.fetch = {};
    CHECK(code_of(world.issue()) == "ok");
    const auto task = world.solver.last_task();
    CHECK(task.token.empty());
    CHECK(task.key_authorization.empty());
    CHECK(task.account_url == world.account.url);
    CHECK(task.issuer_domains == std::vector<std::string>{"ca.example"});

    World eleven({"a.example"});
    eleven.solver.type_name = "dns-persist-01";
    eleven.ca.issuer_domains = std::vector<std::string>(11, "ca.example");
    const auto refused = eleven.issue();
    CHECK(code_of(refused) == "ca/protocol");
    CHECK(contains(message_of(refused), "issuer-domain-names"));
    CHECK(eleven.solver.presents() == 0);
}
