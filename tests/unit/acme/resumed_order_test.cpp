// SPDX-License-Identifier: Apache-2.0
// An order that was placed before, by an earlier run or by somebody else: gone on with from where it is, left
// where it is, or over (protocol O2, O5).
#include <ostream>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "acme/issuance.hpp"
#include "tests/unit/acme/fakes.hpp"

using fakes::code_of;
using fakes::contains;
using fakes::message_of;
using fakes::World;

namespace {

using Answer = fakes::Ca::Answer;
using Log = std::vector<std::string>;

/// An earlier run has left an order, whose URL gives this answer.
void resume(World& world, const Answer& answer) {
    world.request.order_url = fakes::kOrigin + "/order/7";
    world.ca.before = [answer](const std::string& path, int) -> std::optional<Answer> {
        if (path == "/order/7") return answer;
        return std::nullopt;
    };
}

/// Places an order as an earlier run did, and forgets how.
void place_before(World& world) {
    REQUIRE(world.session.post(world.account, fakes::kOrigin + "/order",
                               R"({"identifiers":[{"type":"dns","value":"a.example"}]})"));
    world.request.order_url = fakes::kOrigin + "/order/1";
    world.ca.clear_log();
}

}  // namespace

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
        resume(world, c.answer);
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
        resume(world, c.answer);
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
