// SPDX-License-Identifier: Apache-2.0
// The flow of an order as it should go, and as CAs let it go (protocol O1 to O17, N5, N6, F1 to F5).
#include "acme/issuance.hpp"

#include <ostream>
#include <string>
#include <tuple>
#include <vector>

#include <doctest/doctest.h>

#include "tests/unit/acme/fakes.hpp"

using fakes::code_of;
using fakes::contains;
using fakes::World;

namespace {

using Answer = fakes::Ca::Answer;
using Log = std::vector<std::string>;

}  // namespace

TEST_CASE("issuance: one fresh name takes nine requests, and no more") {
    World world({"a.example"});
    const auto issued = world.issue();
    REQUIRE(issued);
    CHECK(world.ca.log() == Log{"GET /dir", "HEAD /nonce", "POST /order", "POST /authz/1/0",
                                "POST /chall/1/0", "POST /order/1", "POST /finalize/1", "POST /order/1",
                                "POST /cert/1"});
    CHECK(issued->order_url == fakes::kOrigin + "/order/1");
    CHECK(issued->chain.size() == 2);
    CHECK(world.placed == Log{fakes::kOrigin + "/order/1"});
    CHECK(world.solver.presents() == 1);
    CHECK(world.solver.held() == 0);
    CHECK(world.clock.passed() < 1s);
    CHECK(world.progress == Log{"order: 1 name", "authorize: 0/1 names", "authorize: 1/1 names",
                                "finalize: 1 name", "download: "});
}

TEST_CASE(
    "issuance: round trips that wait for one another: eight in a fresh process, seven in a running one") {
    for (const int names : {1, 2, 100}) {
        CAPTURE(names);
        std::vector<std::string> all;
        for (int i = 0; i < names; ++i) all.push_back("n" + std::to_string(i) + ".example");
        World world(all);
        REQUIRE(world.session.directory());  // what a kept directory saves
        world.ca.clear_log();
        REQUIRE(world.issue());
        CHECK(world.ca.round_trips() == 8);
        world.ca.clear_log();
        REQUIRE(world.issue());
        CHECK(world.ca.round_trips() == 7);
    }
}

TEST_CASE("issuance: many names, one of them authorized already; all are up before any is answered") {
    World world({"a.example", "b.example", "c.example", "d.example"});
    world.ca.reused = {"b.example"};
    std::size_t held_at_first_answer = 0;
    world.ca.before = [&](const std::string& path, int) -> std::optional<Answer> {
        if (path.starts_with("/chall/") && held_at_first_answer == 0)
            held_at_first_answer = world.solver.held();
        return std::nullopt;
    };
    REQUIRE(world.issue());
    CHECK(held_at_first_answer == 3);
    CHECK(world.ca.count("/chall/1/1") == 0);
    CHECK(world.solver.held() == 0);
}

TEST_CASE("issuance: a wildcard and its parent, and an address") {
    World world({"*.example.com", "example.com", "192.0.2.7"});
    REQUIRE(world.issue());
    CHECK(world.solver.presents() == 3);
}

TEST_CASE("issuance: an order born ready is finalized at once") {
    World world({"a.example"});
    world.ca.reused = {"a.example"};
    REQUIRE(world.issue());
    CHECK(world.solver.presents() == 0);
    CHECK(world.ca.log() ==
          Log{"GET /dir", "HEAD /nonce", "POST /order", "POST /finalize/1", "POST /order/1", "POST /cert/1"});
}

TEST_CASE("issuance: a CA that finishes within finalize is not looked at again") {
    World world({"a.example"});
    world.ca.finalize_looks = 0;
    REQUIRE(world.issue());
    CHECK(world.ca.count("/order/1") == 1);
}

TEST_CASE("issuance: the wait honours Retry-After, within 1 and 60 s") {
    World world({"a.example"});
    world.ca.finalize_looks = 4;
    world.ca.after = [](const std::string&, int, base::HttpResponse answer) -> Answer {
        answer.headers.emplace_back("retry-after", "3153600000");  // a century
        return answer;
    };
    REQUIRE(world.issue());
    const auto slept = world.clock.slept();
    const std::vector<base::Milliseconds> want = {300ms, 300ms, 60s, 60s, 60s};
    CHECK((slept == want));
}

TEST_CASE("issuance: endless processing ends with our patience, and says that nothing is lost") {
    World world({"a.example"});
    world.ca.finalize_looks = 1'000'000;
    world.request.patience = 600s;
    const auto issued = world.issue();
    CHECK(code_of(issued) == "ca/order-pending");
    CHECK(issued.error().step == "finalize");
    CHECK(world.clock.passed() >= 600s);
    CHECK(world.clock.passed() < 602s);
    CHECK(world.ca.count("/order/1") < 60);
    CHECK(world.solver.held() == 0);
}

TEST_CASE(
    "issuance: a clock that is ahead refuses nothing that is valid by the CA's, and the CA no more than "
    "that") {
    for (const auto& [date, code] : {std::tuple{"Sat, 22 Aug 2026 10:00:00 GMT", "ok"},
                                     std::tuple{"Wed, 21 Oct 2026 10:00:00 GMT", "ca/wrong-certificate"},
                                     std::tuple{"Sat, 21 Nov 2026 12:00:00 GMT", "ca/wrong-certificate"}}) {
        CAPTURE(date);
        World world({"a.example"});
        world.ca.make_chain = [&](EVP_PKEY* key, const fakes::Ca::Names& names) {
            const base::Instant from = *base::parse_instant("2026-08-22T09:00:00Z");
            return base::to_pem(
                {test_ca::issue(
                     world.ca.intermediate,
                     {.public_key = key, .names = names, .not_before = from, .not_after = from + 30 * 24h}),
                 world.ca.intermediate.certificate});
        };
        world.ca.after = [&](const std::string&, int, base::HttpResponse answer) -> Answer {
            answer.headers.emplace_back("date", date);
            return answer;
        };
        CHECK(code_of(world.issue()) == code);
    }
}

TEST_CASE("issuance: the order's URL is kept before anything is done with it") {
    World world({"a.example"});
    world.effects.order_placed = [](const std::string&) -> base::Result<void> {
        return base::fail(base::Code::StateNoSpace, "disk full");
    };
    CHECK(code_of(world.issue()) == "state/no-space");
    CHECK(world.ca.log().back() == "POST /order");
    CHECK(world.solver.presents() == 0);
}

TEST_CASE("issuance: profiles are sent only where they are offered") {
    World world({"a.example"});
    world.request.profile = "short";
    world.ca.meta = R"({"profiles":{"classic":"as ever","short":"6 days"}})";
    REQUIRE(world.issue());
    CHECK(contains(world.ca.payload("/order"), R"("profile":"short")"));

    World wrong({"a.example"});
    wrong.request.profile = "shrot";
    wrong.ca.meta = world.ca.meta;
    const auto issued = wrong.issue();
    CHECK(code_of(issued) == "ca/profile-refused");
    CHECK(contains(issued.error().hint, "classic, short"));
    CHECK(wrong.ca.log() == Log{"GET /dir"});

    // A directory that is hours old is no reason to refuse one that has come since.
    World later({"a.example"});
    later.request.profile = "short";
    REQUIRE(later.session.directory());
    later.ca.meta = world.ca.meta;
    later.clock.sleep(2h);
    REQUIRE(later.issue());
    CHECK(later.ca.count("/dir") == 2);

    World none({"a.example"});
    none.request.profile = "short";
    CHECK(code_of(none.issue()) == "ca/profile-refused");
    World default_profile({"a.example"});
    REQUIRE(default_profile.issue());
    CHECK_FALSE(contains(default_profile.ca.payload("/order"), "profile"));
}
