// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/agenda.hpp"

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

}  // namespace

TEST_CASE("agenda: what has been due for longest comes first, what is not due not at all") {
    Agenda agenda;
    CHECK_FALSE(agenda.next());
    agenda.put("b", at(20));
    agenda.put("a", at(10));
    agenda.put("c", at(30));
    CHECK(agenda.next() == at(10));
    CHECK_FALSE(agenda.take_due(at(9)));
    CHECK(agenda.take_due(at(20)) == "a");
    CHECK(agenda.take_due(at(20)) == "b");
    CHECK_FALSE(agenda.take_due(at(20)));
    CHECK(agenda.next() == at(30));
    CHECK(agenda.at_work() == 2);
}

TEST_CASE("agenda: what is being worked on is not due, whatever is heard of it, until it is put back") {
    Agenda agenda;
    agenda.put("a", at(0));
    REQUIRE(agenda.take_due(at(0)) == "a");
    CHECK_FALSE(agenda.due("a"));
    SUBCASE("nothing has happened meanwhile") {
        agenda.put_back("a", at(100));
        CHECK(agenda.due("a") == at(100));
        CHECK_FALSE(agenda.take_due(at(99)));
    }
    SUBCASE("something has: it is due at once") {
        agenda.put("a", at(50));
        CHECK_FALSE(agenda.take_due(at(60)));
        agenda.put_back("a", at(100));
        CHECK(agenda.take_due(at(1)) == "a");
        agenda.put_back("a", at(100));
        CHECK_FALSE(agenda.take_due(at(99)));
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
    agenda.put("soon", at(60));
    agenda.put("renewal", at(30 * kDay));
    SUBCASE("an hour asleep: what came due is due, once") {
        CHECK(agenda.take_due(at(3600)) == "soon");
        CHECK_FALSE(agenda.take_due(at(3600)));
    }
    SUBCASE("ninety days forwards and back: nothing is lost, nothing comes earlier than it was put") {
        REQUIRE(agenda.take_due(at(90 * kDay)) == "soon");
        REQUIRE(agenda.take_due(at(90 * kDay)) == "renewal");
        agenda.put_back("soon", at(120));
        agenda.put_back("renewal", at(30 * kDay));
        CHECK_FALSE(agenda.take_due(at(0)));
        CHECK(agenda.next() == at(120));
    }
}
