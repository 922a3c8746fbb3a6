// SPDX-License-Identifier: Apache-2.0
#include "agent/work/turns.hpp"

#include <algorithm>
#include <atomic>
#include <latch>
#include <ostream>
#include <thread>

#include <doctest/doctest.h>

#include "tests/unit/agent/fixtures.hpp"

using agent::Errand;
using agent::Place;
using agent::Places;
using agent::Turns;
using base::Instant;
using base::Seconds;

namespace {

const Place kHost{.name = "host web1", .most = 2};
const Place kService{.name = "reload nginx", .most = 1};

}  // namespace

TEST_CASE("turns: so many at one place, all of the places or none, until they are given back") {
    Turns turns;
    int returned = 0;
    turns.on_return([&] { ++returned; });
    Turns::Turn first = turns.take({kHost, kService});
    REQUIRE(first);
    CHECK_FALSE(turns.take({kHost, kService}));
    CHECK_FALSE(turns.is_free({kService}));
    const Turns::Turn second = turns.take({kHost});
    REQUIRE(second);
    CHECK_FALSE(turns.take({kHost}));
    CHECK(returned == 0);
    Turns::Turn copy = first;
    first.reset();
    CHECK_FALSE(turns.is_free({kService}));
    copy.reset();
    CHECK(returned == 1);
    CHECK(turns.is_free({kHost, kService}));
}

TEST_CASE("turns: an errand uses the turn it brings once, and remembers what it did not get") {
    Turns turns;
    Errand errand(turns, turns.take({kService}));
    CHECK_FALSE(turns.is_free({kService}));
    Turns::Turn own = errand.take({kService});
    REQUIRE(own);
    CHECK_FALSE(errand.take({kService}));
    CHECK_FALSE(errand.take({kHost, kService}));
    CHECK_FALSE(errand.take({kService}));
    CHECK(errand.take({kHost}));
    CHECK(errand.missed() == std::vector<Places>{{kService}, {kHost, kService}});
}

TEST_CASE("turns: one at a time for a service, a share of the hands for whatever else may hang") {
    agent::AgentConfig config;
    agent::TargetConfig here = fixtures::target("web");
    agent::TargetConfig there = here;
    there.host = "web1";
    for (const auto& [jobs, share] : {std::pair(1, 1), {2, 1}, {3, 2}, {16, 12}}) {
        config.jobs = static_cast<std::size_t>(jobs);
        const auto most = static_cast<std::size_t>(share);
        CHECK(agent::places_at_ca(config, "le") == Places{{"CA le", most}});
        CHECK(agent::places_to_look(config, there) == Places{{"host web1", most}});
        CHECK(agent::places_to_look(config, here) == Places{{"this machine", most}});
    }
    here.parameters.reload = there.parameters.reload = {"systemctl", "reload", "nginx"};
    CHECK(agent::places_to_deploy(config, there) ==
          Places{{"host web1", 12}, {"reload web1\nsystemctl\nreload\nnginx", 1}});
    CHECK(agent::places_to_deploy(config, here).front() == agent::places_to_look(config, here).front());
    CHECK(agent::places_to_deploy(config, here).back() != agent::places_to_deploy(config, there).back());
}

TEST_CASE("turns: what waits within a share has a share of it, each place once") {
    agent::Config config;
    for (const auto& [jobs, share] : {std::pair(1, 1), {2, 1}, {3, 1}, {4, 2}, {16, 9}}) {
        config.agent.jobs = static_cast<std::size_t>(jobs);
        const auto most = static_cast<std::size_t>(share);
        CHECK(agent::places_to_run(config.agent, {{"/b", "x"}, {"/a"}, {"/b", "x"}}) ==
              Places{{"program\n/a", most}, {"program\n/b\nx", most}});
        config.solvers = {{"web", {.name = "web", .type = "http-01"}},
                          {"zone", {.name = "zone", .type = "dns-01", .takes = {"*.example.test"}}},
                          {"mine", {.name = "mine", .type = "dns-account-01", .takes = {"shop.test"}}}};
        agent::CertificateConfig certificate = fixtures::certificate();
        certificate.solver = "web";
        certificate.names = {{.value = "example.test"}};
        CHECK(agent::places_to_prove(config, certificate).empty());
        certificate.names = {
            {.value = "a.example.test"}, {.value = "b.example.test"}, {.value = "shop.test"}};
        CHECK(agent::places_to_prove(config, certificate) ==
              Places{{"solver mine", most}, {"solver zone", most}});
    }
    CHECK(agent::places_to_run(config.agent, {}).empty());
}

TEST_CASE("turns: whoever waits for a place holds up nobody, and comes to its turn") {
    Turns turns;
    std::latch gate(1);
    std::mutex mutex;
    std::vector<std::size_t> done;
    std::atomic<int> at_once{0};
    std::atomic<bool> has_one_waited{false};
    // 0 to 2 work at the service, the first of them until all others are done; 3 to 9 elsewhere.
    const std::vector<Instant> pressing(10, Instant(Seconds(7)));
    agent::in_turns(turns, 2, pressing, [&](std::size_t i, Turns::Turn turn) -> std::vector<Places> {
        if (i < 3) {
            Errand errand(turns, std::move(turn));
            const Turns::Turn own = errand.take({kService});
            if (!own) return errand.missed();
            CHECK(++at_once == 1);
            if (!has_one_waited.exchange(true)) gate.wait();
            --at_once;
        }
        const std::scoped_lock guard(mutex);
        done.push_back(i);
        if (done.size() == 7) gate.count_down();
        return {};
    });
    REQUIRE(done.size() == 10);
    CHECK(std::vector(done.begin(), done.begin() + 7) == std::vector<std::size_t>{3, 4, 5, 6, 7, 8, 9});
    std::sort(done.begin() + 7, done.end());
    CHECK(std::vector(done.begin() + 7, done.end()) == std::vector<std::size_t>{0, 1, 2});
}

TEST_CASE("turns: the most pressing go first") {
    Turns turns;
    const std::vector<Instant> pressing{Instant(Seconds(3)), Instant(Seconds(1)), Instant(Seconds(2)),
                                        Instant(Seconds(1))};
    std::vector<std::size_t> done;
    agent::in_turns(turns, 1, pressing, [&](std::size_t i, const Turns::Turn&) -> std::vector<Places> {
        done.push_back(i);
        return {};
    });
    CHECK(done == std::vector<std::size_t>{1, 3, 2, 0});
}
