// SPDX-License-Identifier: Apache-2.0
// The flow of an order as it should go, and as CAs let it go (protocol O1 to O17, N5, N6, F1 to F5).
#include "acme/issuance.hpp"

#include <algorithm>
#include <ostream>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include <doctest/doctest.h>

#include "tests/unit/acme/fakes.hpp"

using fakes::code_of;
using fakes::contains;
using fakes::message_of;
using fakes::World;

namespace {

using Answer = fakes::Ca::Answer;
using Log = std::vector<std::string>;

/// Places an order as an earlier run did, and forgets how.
void place_before(World& world) {
    REQUIRE(world.session.post(world.account, fakes::kOrigin + "/order",
                               R"({"identifiers":[{"type":"dns","value":"a.example"}]})"));
    world.request.order_url = fakes::kOrigin + "/order/1";
    world.ca.clear_log();
}

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

TEST_CASE("issuance: the time that a solver takes is not the CA's") {
    World world({"a.example"});
    world.ca.validation_looks = 3;
    world.solver.waits = [&world] { world.clock.sleep(900s); };
    CHECK(message_of(world.issue()) == "");
    CHECK(world.ca.count("/chall/1/0") == 1);
}

TEST_CASE("issuance: a status nobody knows is looked at again until our patience ends") {
    World world({"a.example"});
    place_before(world);
    world.ca.forced_status = "on-hold";
    world.request.patience = 60s;
    CHECK(code_of(world.issue()) == "ca/order-pending");
    CHECK(world.ca.count("/finalize/1") == 0);
}

TEST_CASE("issuance: resuming goes on from where the order is") {
    SUBCASE("pending, with the same tokens") {
        World world({"a.example"});
        place_before(world);
        REQUIRE(world.issue());
        CHECK(world.ca.count("/order") == 0);
        CHECK(world.ca.count("/chall/1/0") == 1);
        CHECK(world.placed.empty());
    }
    SUBCASE("a challenge that the CA is at already is presented again, but not answered again") {
        World world({"a.example"});
        world.ca.validation_looks = 3;
        place_before(world);
        REQUIRE(world.session.post(world.account, fakes::kOrigin + "/chall/1/0", "{}"));
        world.ca.clear_log();
        REQUIRE(world.issue());
        CHECK(world.ca.count("/chall/1/0") == 0);
        CHECK(world.solver.presents() == 1);
    }
    SUBCASE("valid: nothing but the download") {
        World world({"a.example"});
        const auto first = world.issue();
        REQUIRE(first);
        world.request.order_url = first->order_url;
        world.ca.clear_log();
        const auto again = world.issue();
        REQUIRE(again);
        CHECK(again->chain.front().sha256() == first->chain.front().sha256());
        CHECK(world.ca.log() == Log{"POST /order/1", "POST /cert/1"});
        CHECK(world.solver.presents() == 1);
        CHECK(world.ca.issued() == 1);
    }
    SUBCASE("processing is waited for") {
        World world({"a.example"});
        world.ca.finalize_looks = 1'000'000;
        world.request.patience = 5s;
        CHECK(code_of(world.issue()) == "ca/order-pending");
        world.ca.finalize_looks = 1;
        world.request.order_url = world.placed.front();
        CHECK(world.issue());
        CHECK(world.ca.issued() == 1);
    }
}

TEST_CASE("issuance: an order that cannot be used any more") {
    struct Case {
        std::string_view name;
        Answer answer;
    };

    const auto order = [](const std::string& status, const std::string& name, const std::string& expires) {
        return fakes::reply(200, R"({"status":")" + status + R"(","expires":")" + expires +
                                     R"(","finalize":"/f","identifiers":[{"type":"dns","value":")" + name +
                                     R"("}]})");
    };
    for (const Case& c : {
             Case{"404 without a word", fakes::reply(404)},
             Case{"410 of a load balancer", fakes::reply(410, "<html>Gone</html>")},
             Case{"404 with a problem", fakes::problem(404, "malformed", "no such order")},
             Case{"403 of another account", fakes::problem(403, "unauthorized", "not yours")},
             Case{"invalid", order("invalid", "a.example", "2027-01-01T00:00:00Z")},
             Case{"expired", order("pending", "a.example", "2026-11-21T11:59:59Z")},
             Case{"for other names", order("pending", "b.example", "2027-01-01T00:00:00Z")},
         }) {
        CAPTURE(c.name);
        World world({"a.example"});
        world.request.order_url = fakes::kOrigin + "/order/7";
        world.ca.before = [&c](const std::string& path, int) -> std::optional<Answer> {
            if (path == "/order/7") return c.answer;
            return std::nullopt;
        };
        const auto issued = world.issue();
        CHECK(code_of(issued) == "ca/order-gone");
        CHECK(issued.error().step == "order");
        CHECK(world.ca.count("/order") == 0);
    }
}

TEST_CASE("issuance: an order that cannot be seen is not over") {
    struct Case {
        std::string_view name;
        Answer answer;
        std::string_view code;
    };

    for (const Case& c : {
             Case{"no answer", fakes::lost(), "ca/unreachable"},
             Case{"a load balancer forbids it", fakes::reply(403, "<html>Forbidden</html>"), "ca/protocol"},
             Case{"400 without a type", fakes::reply(400, R"({"detail":"no"})"), "ca/protocol"},
             Case{"a page of maintenance", fakes::reply(200, "<html>Back soon</html>"), "ca/protocol"},
             Case{"an account that is not known", fakes::problem(404, "accountDoesNotExist"),
                  "ca/account-missing"},
         }) {
        CAPTURE(c.name);
        World world({"a.example"});
        world.request.order_url = fakes::kOrigin + "/order/7";
        world.ca.before = [&c](const std::string& path, int) -> std::optional<Answer> {
            if (path == "/order/7") return c.answer;
            return std::nullopt;
        };
        CHECK(code_of(world.issue()) == c.code);
        CHECK(world.ca.count("/order") == 0);
    }
}

TEST_CASE("issuance: an order that the CA has given to two leads to one certificate; the other orders anew") {
    for (const bool comes_first : {true, false}) {
        CAPTURE(comes_first);
        World world({"a.example"});
        world.ca.reuses_orders = true;
        acme::IssuanceRequest theirs{.key = base::PrivateKey::generate(base::KeyType::EcdsaP256).value()};
        theirs.names = world.request.names;
        bool have_come = false;
        base::Result<acme::Issued> other = base::fail(base::Code::InternalUnexpected, "not asked yet");
        // Another certificate for the same names, with another type of key, between two steps of ours.
        const auto come_between = [&] {
            if (std::exchange(have_come, true)) return;
            other =
                acme::issue(world.session, world.account, theirs, {.solver_for = world.effects.solver_for});
        };
        if (comes_first) {
            world.effects.order_placed = [&](const std::string& url) -> base::Result<void> {
                world.placed.push_back(url);
                come_between();
                return {};
            };
        } else {
            world.solver.waits = come_between;
        }
        const auto ours = world.issue();
        CHECK(code_of(ours) == "ca/order-gone");
        CHECK(contains(message_of(ours), "another key than ours"));
        CHECK(ours.error().step == "download");
        REQUIRE(other);
        CHECK(other->order_url == world.placed.front());
        REQUIRE(world.issue());
        CHECK(world.placed.back() == fakes::kOrigin + "/order/2");
        CHECK(world.ca.issued() == 2);
    }
}

TEST_CASE("issuance: whether an order is over is judged by the CA's clock") {
    for (const auto& [expires, date, is_over] :
         {std::tuple{"2026-11-21T11:00:00Z", "Sat, 21 Nov 2026 10:00:00 GMT", false},
          std::tuple{"2026-11-21T13:00:00Z", "Sat, 21 Nov 2026 14:00:00 GMT", true}}) {
        CAPTURE(date);
        World world({"a.example"});
        place_before(world);
        world.ca.after = [&](const std::string& path, int, base::HttpResponse answer) -> Answer {
            answer.headers.emplace_back("date", date);
            if (path == "/order/1")
                answer.body = fakes::with_member(answer.body, "expires", "\"" + std::string(expires) + "\"");
            return answer;
        };
        CHECK(code_of(world.issue()) == (is_over ? "ca/order-gone" : "ok"));
    }
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
