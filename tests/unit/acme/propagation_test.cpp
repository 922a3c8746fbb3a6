// SPDX-License-Identifier: Apache-2.0
#include "acme/solvers/dns/propagation.hpp"

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/unit/acme/fakes.hpp"
#include "tests/unit/base/dns_messages.hpp"
#include "tests/unit/base/hostile_name_server.hpp"
#include "tests/unit/base/name_servers.hpp"

using base::DnsType;
using base::Milliseconds;

namespace {

/// Time that only sleeping moves; each sleep gives the world a chance to change.
class WorldClock final : public base::Clock {
  public:
    [[nodiscard]] base::Instant now() const override { return fakes::kNow; }

    [[nodiscard]] base::Steady steady() const override { return base::Steady{} + passed; }

    void sleep(Milliseconds duration) override {
        passed += duration;
        ++sleeps;
        if (meanwhile) meanwhile(sleeps);
    }

    Milliseconds passed{0};
    int sleeps = 0;
    std::function<void(int)> meanwhile{};
};

/// A zone with two name servers that can be told different things, and one that has no address.
struct TwoServers {
    std::string first_address = tests::free_loopback();
    std::string second_address = tests::free_loopback();
    std::string records = "@ NS ns1\n@ NS ns2\nns1 A " + first_address + "\nns2 A " + second_address +
                          "\nalias CNAME real\ncircle CNAME circle\n@ TXT apex\n";
    tests::Knot first{{{.name = "example.test", .records = records}}, first_address};
    tests::Knot second{{{.name = "example.test", .records = records}}, second_address};

    void add(const tests::Knot& where, const std::string& name, const std::string& value) const {
        where.change("example.test", "add " + name + ".example.test. 60 TXT " + value);
    }

    void add_to_both(const std::string& name, const std::string& value) const {
        add(first, name, value);
        add(second, name, value);
    }
};

const TwoServers& servers() {
    static const TwoServers two;
    return two;
}

base::Dns dns() {
    return base::Dns({servers().first.server()}, Milliseconds(600));
}

std::string code_of(const auto& result) {
    return result ? "none" : std::string(base::to_string(result.error().code));
}

bool says(const auto& result, const std::string& text) {
    INFO(result.error().message << " / " << result.error().hint);
    const bool found = (result.error().message + result.error().hint).find(text) != std::string::npos;
    CHECK(found);
    return found;
}

using acme::ExpectedTxt;
using acme::Propagation;
using acme::PropagationPolicy;
using Expected = std::vector<ExpectedTxt>;
using tests::HostileNameServer;

/// What is shown over one protocol: nothing where it is empty.
HostileNameServer::Answers shows(const std::string& over_udp, const std::string& over_tcp) {
    return [=](const std::string& question, bool is_tcp) {
        const std::string& value = is_tcp ? over_tcp : over_udp;
        const std::string answer = tests::answer_to(question, value.empty() ? "" : tests::txt_record(value));
        return std::vector{is_tcp ? HostileNameServer::framed(answer) + answer : answer};
    };
}

/// Only this server is asked, for two seconds.
PropagationPolicy ask_only(const HostileNameServer& server) {
    return {.mode = Propagation::Server, .server = base::to_string(server.server()), .patience = 2s};
}

}  // namespace

TEST_CASE("what every authoritative server shows is seen at once") {
    servers().add_to_both("here", "one");
    servers().add_to_both("here", "two");
    servers().add_to_both("real", "three");
    WorldClock clock;
    const Expected all{{"here.example.test.", "one"},
                       {"here.example.test.", "two"},
                       {"alias.example.test", "three"},
                       {"example.test", "apex"}};
    const auto seen = wait_until_propagated(all, {}, dns(), clock);
    CHECK(code_of(seen) == "none");
    CHECK(seen->empty());
    CHECK(clock.sleeps == 0);
}

TEST_CASE("a server that lags behind is waited for, 2 s from look to look") {
    servers().add(servers().first, "lagging", "x");
    WorldClock clock;
    clock.meanwhile = [](int sleeps) {
        if (sleeps == 3) servers().add(servers().second, "lagging", "x");
    };
    CHECK(wait_until_propagated(Expected{{"lagging.example.test.", "x"}}, {}, dns(), clock));
    CHECK(clock.passed == 6s);
}

TEST_CASE("after 120 s it is said which server at which address shows what") {
    servers().add(servers().first, "late", "x");
    servers().add(servers().first, "other", "x");
    servers().add(servers().second, "other", "foreign");
    WorldClock clock;
    const Expected all{{"late.example.test.", "x"}, {"other.example.test.", "x"}};
    const auto late = wait_until_propagated(all, {}, dns(), clock);
    CHECK(code_of(late) == "dns/not-propagated");
    const std::string second = "ns2.example.test (" + servers().second_address + ")";
    CHECK(says(late, "not seen after 120 s"));
    CHECK(says(late, "late.example.test: " + second + " does not show it yet; 1 of 2 servers behind"));
    CHECK(says(late, "other.example.test: " + second + " shows another value; 1 of 2 servers behind"));
    CHECK(clock.passed == 120s);

    const Expected both{{"other.example.test.", "x"}, {"other.example.test.", "foreign"}};
    const auto half = wait_until_propagated(both, {.patience = 2s}, dns(), clock);
    CHECK(says(half, "shows 1 of 2 values"));
    CHECK(says(half, "2 of 2 servers behind"));
}

TEST_CASE("policies ask whom they name, and nobody else") {
    servers().add(servers().first, "first-only", "x");
    const Expected wanted{{"first-only.example.test.", "x"}};
    WorldClock clock;
    CHECK(wait_until_propagated(wanted, {.mode = Propagation::None}, dns(), clock));
    CHECK(wait_until_propagated(wanted, {.mode = Propagation::Resolvers}, dns(), clock));
    CHECK(wait_until_propagated(wanted, {.mode = Propagation::Server, .server = "ns1.example.test"}, dns(),
                                clock));
    const PropagationPolicy second{.mode = Propagation::Server, .server = servers().second_address};
    const auto behind = wait_until_propagated(wanted, second, dns(), clock);
    CHECK(code_of(behind) == "dns/not-propagated");
    CHECK(says(behind, ": " + servers().second_address + " does not show it yet"));
    CHECK(acme::parse_propagation("server") == Propagation::Server);
    CHECK_FALSE(acme::parse_propagation("Server"));
}

TEST_CASE("a resolver that is silent is left out and said, one that answers has to show it") {
    servers().add(servers().first, "resolved", "x");
    const base::DnsServer dead{"127.0.0.1", 1};
    const Expected wanted{{"resolved.example.test.", "x"}};
    WorldClock clock;
    const PropagationPolicy resolvers{.mode = Propagation::Resolvers, .patience = 4s};
    const base::Dns half({dead, servers().first.server()}, Milliseconds(600));
    const auto seen = wait_until_propagated(wanted, resolvers, half, clock);
    CHECK(code_of(seen) == "none");
    CHECK(seen.value() == std::vector<std::string>{"127.0.0.1:1 was left out: it does not answer"});
    const base::Dns both({servers().second.server(), servers().first.server()}, Milliseconds(600));
    CHECK(code_of(wait_until_propagated(wanted, resolvers, both, clock)) == "dns/not-propagated");
    const base::Dns none({dead}, Milliseconds(600));
    CHECK(code_of(wait_until_propagated(wanted, resolvers, none, clock)) == "dns/not-propagated");
}

TEST_CASE("servers that are dead, lame, or out of reach are told apart") {
    const std::string good = tests::free_loopback();
    const std::string dead = tests::free_loopback();
    const std::string records = "@ NS ns1\n@ NS dead\n@ NS lame\n@ NS far\n@ NS lost\nns1 A " + good +
                                "\ndead A " + dead + "\nlame A " + servers().first_address +
                                "\nfar AAAA fe80::1\nlost TXT x\nhere TXT x\n";
    const tests::Knot knot({{.name = "mixed.test", .records = records}}, good);
    const base::Dns asked({knot.server()}, Milliseconds(600));
    WorldClock clock;
    const auto mixed =
        wait_until_propagated(Expected{{"here.mixed.test.", "x"}}, {.patience = 2s}, asked, clock);
    CHECK(code_of(mixed) == "dns/not-propagated");
    CHECK(says(mixed, "dead.mixed.test (" + dead + ") does not answer"));
    CHECK(
        says(mixed, "lame.mixed.test (" + servers().first_address + ") refuses to answer for it (REFUSED)"));
    CHECK(says(mixed, "2 of 3 servers behind"));
    CHECK(says(mixed, R"(propagation = "resolvers")"));

    knot.change("mixed.test", "del mixed.test. NS dead.mixed.test.\ndel mixed.test. NS lame.mixed.test.");
    const auto seen = wait_until_propagated(Expected{{"here.mixed.test.", "x"}}, {}, asked, clock);
    CHECK(code_of(seen) == "none");
    CHECK(seen.value() ==
          std::vector<std::string>{"far.mixed.test (fe80::1) was left out: there is no route to it from here",
                                   "lost.mixed.test was left out: its name has no address in DNS"});
}

TEST_CASE("a server has to show the value over UDP and over TCP, at an IPv4 and at an IPv6 address") {
    struct Case {
        std::string over_udp;
        std::string over_tcp;
        std::string told;  // empty: it is seen
    };

    const Expected wanted{{"both.example.test.", "x"}};
    for (const std::string address : {"127.0.0.1", "::1"}) {
        CAPTURE(address);
        WorldClock clock;
        for (const Case& c : {Case{"x", "x", ""}, Case{"x", "", "does not show it yet over TCP"},
                              Case{"x", "y", "shows another value over TCP"},
                              Case{"", "x", "does not show it yet; 1 of 1 servers behind"}}) {
            CAPTURE(c.told);
            const HostileNameServer server(shows(c.over_udp, c.over_tcp), {.address = address});
            const auto seen = wait_until_propagated(wanted, ask_only(server), dns(), clock);
            CHECK(code_of(seen) == (c.told.empty() ? "none" : "dns/not-propagated"));
            if (!seen) CHECK(says(seen, base::to_string(server.server()) + " " + c.told));
        }
        const HostileNameServer refuses(shows("x", "x"), {.address = address, .is_open_over_tcp = false});
        const auto refused = wait_until_propagated(wanted, ask_only(refuses), dns(), clock);
        REQUIRE(code_of(refused) == "dns/not-propagated");
        CHECK(says(refused, base::to_string(refuses.server()) + " does not answer over TCP"));
        CHECK(says(refused, "is port 53 open from here over UDP and TCP?"));
    }
    const HostileNameServer hangs_up([answers = shows("x", "x")](const std::string& question, bool is_tcp) {
        return is_tcp ? std::vector<std::string>{} : answers(question, is_tcp);
    });
    WorldClock clock;
    const auto closed = wait_until_propagated(wanted, ask_only(hangs_up), dns(), clock);
    REQUIRE(code_of(closed) == "dns/not-propagated");
    CHECK(says(closed, "does not give a proper answer over TCP"));
}

TEST_CASE("a server that lags behind over TCP alone is waited for") {
    std::atomic<bool> is_there = false;
    const HostileNameServer server([&](const std::string& question, bool is_tcp) {
        return shows("x", is_there ? "x" : "")(question, is_tcp);
    });
    WorldClock clock;
    clock.meanwhile = [&](int sleeps) { is_there = sleeps == 3; };
    const PropagationPolicy policy{.mode = Propagation::Server, .server = base::to_string(server.server())};
    CHECK(wait_until_propagated(Expected{{"both.example.test.", "x"}}, policy, dns(), clock));
    CHECK(clock.passed == 6s);
}

TEST_CASE("names that lead in a circle are not waited for; resolvers that are away are") {
    WorldClock clock;
    CHECK(code_of(wait_until_propagated(Expected{{"circle.example.test.", "x"}}, {}, dns(), clock)) ==
          "dns/loop");
    CHECK(clock.sleeps == 0);
    const base::Dns away({{"127.0.0.1", 1}}, Milliseconds(200));
    const auto unknown =
        wait_until_propagated(Expected{{"here.example.test.", "x"}}, {.patience = 10s}, away, clock);
    CHECK(code_of(unknown) == "dns/unreachable");
    CHECK(clock.sleeps == 5);
}
