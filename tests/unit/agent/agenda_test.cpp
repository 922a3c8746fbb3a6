// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/agenda.hpp"

#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using agent::Agenda;
using base::Instant;
using base::Seconds;
using namespace std::chrono_literals;

namespace {

constexpr std::int64_t kDay = 86'400;  // seconds

constexpr Instant at(std::int64_t seconds) {
    return Instant(Seconds(1'800'000'000 + seconds));
}

/// The name of the one that is taken; "" for none.
std::string take(Agenda& agenda, Instant now) {
    const auto due = agenda.take_due(now);
    return due ? due->certificate : "";
}

}  // namespace

TEST_CASE("agenda: of what is due the most pressing comes first, what is not due not at all") {
    Agenda agenda;
    CHECK_FALSE(agenda.next());
    agenda.put("b", at(20), at(500));
    agenda.put("a", at(10), at(600));
    agenda.put("c", at(30), at(0));
    CHECK(agenda.next() == at(10));
    CHECK(take(agenda, at(9)).empty());
    CHECK(take(agenda, at(20)) == "b");
    CHECK(take(agenda, at(20)) == "a");
    CHECK(take(agenda, at(20)).empty());
    CHECK(agenda.next() == at(30));
    CHECK(agenda.at_work() == 2);
}

TEST_CASE("agenda: what is being worked on is not due, whatever is heard of it, until it is put back") {
    Agenda agenda;
    agenda.put("a", at(0));
    REQUIRE(take(agenda, at(0)) == "a");
    CHECK_FALSE(agenda.due("a"));
    SUBCASE("nothing has happened meanwhile") {
        agenda.put_back("a", at(100));
        CHECK(agenda.due("a") == at(100));
        CHECK(take(agenda, at(99)).empty());
    }
    SUBCASE("something has: it is due at once") {
        agenda.put("a", at(50));
        CHECK(take(agenda, at(60)).empty());
        agenda.put_back("a", at(100));
        CHECK(take(agenda, at(1)) == "a");
        agenda.put_back("a", at(100));
        CHECK(take(agenda, at(99)).empty());
    }
    SUBCASE("it is gone") {
        agenda.drop("a");
        agenda.put_back("a", at(100));
        CHECK_FALSE(agenda.next());
        CHECK(agenda.size() == 0);
    }
}

TEST_CASE("agenda: another instant takes the place of the one before") {
    Agenda agenda;
    agenda.put("a", at(100));
    agenda.put("a", at(10));
    CHECK(agenda.next() == at(10));
    agenda.put("a", at(200));
    CHECK(agenda.next() == at(200));
    CHECK(agenda.size() == 1);
    agenda.drop("a");
    agenda.drop("a");
    CHECK_FALSE(agenda.next());
}

TEST_CASE("agenda: the wall clock may be anything: asleep for an hour, ninety days forwards, and back") {
    Agenda agenda;
    agenda.put("soon", at(60), at(0));
    agenda.put("renewal", at(30 * kDay), at(1));
    SUBCASE("an hour asleep: what came due is due, once") {
        CHECK(take(agenda, at(3600)) == "soon");
        CHECK(take(agenda, at(3600)).empty());
    }
    SUBCASE("ninety days forwards and back: nothing is lost, nothing comes earlier than it was put") {
        REQUIRE(take(agenda, at(90 * kDay)) == "soon");
        REQUIRE(take(agenda, at(90 * kDay)) == "renewal");
        agenda.put_back("soon", at(120));
        agenda.put_back("renewal", at(30 * kDay));
        CHECK(take(agenda, at(0)).empty());
        CHECK(agenda.next() == at(120));
    }
}

TEST_CASE("agenda: among thousands that are due at once the one that is about to expire is the first") {
    struct Case {
        std::string_view name;
        std::function<void(Agenda&, const std::string&, std::int64_t)> make_due;
    };

    const std::vector<Case> cases{
        {.name = "as at a start, all of them known",
         .make_due = [](Agenda& agenda, const std::string& one,
                        std::int64_t pressing) { agenda.put(one, Instant{}, at(pressing)); }},
        {.name = "after a reload: what was known of them still holds",
         .make_due =
             [](Agenda& agenda, const std::string& one, std::int64_t pressing) {
                 agenda.put(one, at(-100), at(pressing));
                 agenda.put(one, Instant{});
             }},
        {.name = "it has come due last",
         .make_due =
             [](Agenda& agenda, const std::string& one, std::int64_t pressing) {
                 agenda.put(one, at(pressing < 0 ? 0 : -1000), at(pressing));
             }},
    };
    for (const Case& c : cases) {
        CAPTURE(c.name);
        Agenda agenda;
        for (int i = 0; i < 5000; ++i) c.make_due(agenda, "a" + std::to_string(i), 30 * kDay - i);
        c.make_due(agenda, "z", -60);
        CHECK(take(agenda, at(0)) == "z");
        CHECK(take(agenda, at(0)) == "a4999");
    }
}

TEST_CASE("agenda: one that nobody has looked into comes before all, and stays as pressing as it was found") {
    Agenda agenda;
    agenda.put("expired", at(0), Instant{});
    agenda.put("new", at(0));
    CHECK(agenda.take_due(at(0)) == agent::Due{.certificate = "new", .pressing_at = agent::kNotKnown});
    agenda.put_back("new", at(0), at(7));
    CHECK(take(agenda, at(0)) == "expired");
    CHECK(agenda.take_due(at(0)) == agent::Due{.certificate = "new", .pressing_at = at(7)});
    agenda.put_back("new", at(0));  // nobody could look
    CHECK(agenda.pressing_at("new") == at(7));
}

TEST_CASE(
    "agenda: at a gate that opens the most pressing is due, then the next, until it is heard to be shut") {
    const auto gate = [](std::int64_t opens_at) {
        return agent::Gate{.name = "limit", .opens_at = at(opens_at)};
    };
    Agenda agenda;
    for (const char* name : {"a", "b", "c", "d"}) agenda.put(name, at(0));
    for (int i = 0; i < 4; ++i) REQUIRE(agenda.take_due(at(0)));
    agenda.put_back("a", at(1000), at(30), {}, gate(100));
    agenda.put_back("b", at(1000), at(10), {}, gate(100));
    agenda.put_back("c", at(1000), at(20), {}, gate(100));
    agenda.put_back("d", at(500), at(0));
    CHECK(agenda.next() == at(100));
    CHECK(agenda.due("a") == at(100));  // for a start that knows nothing of gates
    CHECK(take(agenda, at(99)).empty());
    CHECK(take(agenda, at(100)) == "b");
    SUBCASE("one came through: the next is due at once") {
        agenda.put_back("b", at(2000), at(3000));
        CHECK(take(agenda, at(101)) == "c");
        CHECK(take(agenda, at(101)) == "a");
        CHECK(agenda.next() == at(500));
    }
    SUBCASE("it was shut: all wait again, the most pressing before the others") {
        agenda.put_back("b", at(1000), at(10), {}, gate(150));
        CHECK(take(agenda, at(149)).empty());
        CHECK(agenda.next() == at(150));
        CHECK(agenda.due("a") == at(150));
        CHECK(take(agenda, at(150)) == "b");
    }
    SUBCASE("what comes due by itself does not stand there any more") {
        agenda.put_back("b", at(1000), at(10), {}, gate(2000));
        CHECK(take(agenda, at(600)) == "d");
        CHECK(take(agenda, at(1000)) == "b");
        CHECK(take(agenda, at(1000)) == "c");
        agenda.put_back("c", at(1100), at(20));
        CHECK(take(agenda, at(1000)) == "a");
        CHECK(agenda.next() == at(1100));
        CHECK(take(agenda, at(3000)) == "c");
        CHECK(take(agenda, at(3000)).empty());
    }
    SUBCASE("what is heard of a certificate, or dropped, leaves it") {
        agenda.put("c", at(0));
        CHECK(take(agenda, at(50)) == "c");
        agenda.drop("a");
        CHECK(agenda.next() == at(500));
    }
}

TEST_CASE("agenda: nobody goes through an open gate while there is no place behind it") {
    const agent::Places ca{{.name = "ca", .most = 1}};
    bool is_ca_free = false;
    const auto is_free = [&](const agent::Places&) { return is_ca_free; };
    Agenda agenda;
    for (const char* name : {"a", "b"}) agenda.put(name, at(0));
    for (int i = 0; i < 2; ++i) REQUIRE(agenda.take_due(at(0)));
    const agent::Gate gate{.name = "limit", .opens_at = at(100), .behind = ca};
    agenda.put_back("a", at(1000), at(30), {}, gate);
    agenda.put_back("b", at(2000), at(10), {}, gate);
    CHECK(agenda.next() == at(100));
    CHECK_FALSE(agenda.take_due(at(100), is_free));
    CHECK(agenda.next() == at(1000));  // no instant is waited for at the gate, but a place
    is_ca_free = true;
    CHECK(agenda.take_due(at(150), is_free)->certificate == "b");
    SUBCASE("it is heard to be shut") {
        agenda.put_back("b", at(2000), at(10), {},
                        agent::Gate{.name = "limit", .opens_at = at(200), .behind = ca});
        CHECK_FALSE(agenda.take_due(at(199), is_free));
        CHECK(agenda.next() == at(200));
        CHECK(agenda.take_due(at(200), is_free)->certificate == "b");
    }
    SUBCASE("it stays open") {
        CHECK(agenda.take_due(at(150), is_free)->certificate == "a");
        CHECK_FALSE(agenda.next());
    }
}

TEST_CASE("agenda: what stands at a gate and waits for a place is due when either is free") {
    const agent::Places service{{.name = "service"}};
    Agenda agenda;
    agenda.put("a", at(0));
    REQUIRE(agenda.take_due(at(0)));
    agenda.put_back("a", at(1000), at(30), {service}, agent::Gate{.name = "limit", .opens_at = at(100)});
    CHECK(agenda.due("a") == Instant{});
    bool is_service_free = false;
    SUBCASE("the place") {
        is_service_free = true;
    }
    SUBCASE("the gate") {}
    const auto is_free = [&](const agent::Places& places) { return places.empty() || is_service_free; };
    const auto due = agenda.take_due(at(is_service_free ? 50 : 100), is_free);
    REQUIRE(due);
    CHECK(due->called_up_for == (is_service_free ? service : agent::Places{}));
    CHECK_FALSE(agenda.next());
}

TEST_CASE(
    "agenda: what waits for a place is due when that is free, the most pressing first, and by its instant") {
    const agent::Places service{{.name = "service", .most = 1}};
    const agent::Places ca{{.name = "ca", .most = 8}};
    bool is_service_free = false;
    const auto is_free = [&](const agent::Places& places) { return places == service && is_service_free; };
    Agenda agenda;
    for (const char* name : {"a", "b", "c"}) agenda.put(name, at(0));
    for (int i = 0; i < 3; ++i) REQUIRE(agenda.take_due(at(0)));
    agenda.put_back("a", at(100), at(20), {service});
    agenda.put_back("b", at(300), at(10), {ca, service});
    agenda.put_back("c", at(200), at(30));
    CHECK(agenda.due("a") == Instant{});  // a start that knows nothing of places looks into it at once
    CHECK(agenda.next() == at(100));
    CHECK_FALSE(agenda.take_due(at(50), is_free));
    is_service_free = true;
    CHECK(agenda.take_due(at(50), is_free) ==
          agent::Due{.certificate = "b", .pressing_at = at(10), .called_up_for = service});
    CHECK(agenda.take_due(at(50), is_free)->certificate == "a");
    CHECK_FALSE(agenda.take_due(at(50), is_free));
    agenda.put_back("a", at(100), at(20), {service});
    is_service_free = false;
    CHECK(agenda.take_due(at(100), is_free) == agent::Due{.certificate = "a", .pressing_at = at(20)});
    agenda.put_back("a", at(150), at(20), {service});
    agenda.drop("a");
    is_service_free = true;
    CHECK_FALSE(agenda.take_due(at(150), is_free));
}
