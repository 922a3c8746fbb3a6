// SPDX-License-Identifier: Apache-2.0
// When a place is looked at again, what drift leads to, and when it is somebody else's doing.
#include "agent/plan/drift.hpp"

#include <map>
#include <ostream>

#include <doctest/doctest.h>

#include "agent/plan/plan.hpp"
#include "agent/work/deploy.hpp"
#include "agent/work/look.hpp"
#include "deployers/limits.hpp"
#include "tests/unit/agent/fixtures.hpp"

using namespace std::chrono_literals;
using agent::TargetAction;
using base::Instant;
using deployers::Verdict;
using fixtures::kNow;

namespace {

base::Error stale() {
    return {.code = base::Code::VerifyStale, .message = "example.com on web: serves an earlier one"};
}

/// What a look does that sees generation 2 on "web".
void look(agent::Record& record, Instant now) {
    const bool was_serving = record.targets[0].serving == 3;
    agent::note_verdicts(record, "web", fixtures::seen(Verdict::Stale, "leaf2"), now);
    agent::note_look(record, fixtures::certificate(), "web", stale(),
                     {.now = now, .verify_every = 1h, .was_serving = was_serving});
}

/// What a deployment does that succeeds.
void repair(agent::Record& record, Instant now) {
    agent::note_outcome(record, "web", record.targets[0].fingerprint,
                        {.installed = true,
                         .wrote = true,
                         .served = true,
                         .endpoints = fixtures::seen(Verdict::Serving, "leaf3")},
                        3, {.now = now, .chance = 0.5});
}

agent::TargetPlan planned(const agent::Record& record, Instant now, const agent::Wishes& wishes = {}) {
    return agent::plan(fixtures::certificate(), record, {.now = now, .verify_every = 1h, .wishes = wishes})
        .targets.at(0);
}

}  // namespace

TEST_CASE(
    "deploy: what a target has is among its earlier generations, and never more than an installation takes") {
    std::vector<int> many;
    for (int number = 1; number < 200; ++number) many.push_back(number);
    const agent::TargetRecord held{.installed = 7, .serving = 3};
    CHECK(agent::earlier_on_target(many, {}, 200, 3) == std::vector<int>{198, 199});
    CHECK(agent::earlier_on_target(many, held, 200, 3) == std::vector<int>{3, 7, 198, 199});
    const std::vector<int> chosen = agent::earlier_on_target(many, held, 200, 1000);
    CHECK(chosen.size() == deployers::kListMax - 1);
    CHECK(chosen.at(0) == 3);
    CHECK(chosen.at(1) == 7);
    CHECK(chosen.at(2) == 139);
    CHECK(chosen.back() == 199);
}

TEST_CASE("drift: every place is looked at once in each interval, and all of them evenly over it") {
    std::map<std::int64_t, int> by_minute;
    for (int i = 0; i < 60'000; ++i) {
        const std::string place = "shop-" + std::to_string(i) + "/web";
        const Instant first = agent::next_look(kNow, 1h, place);
        REQUIRE(first > kNow);
        REQUIRE(first <= kNow + 1h);
        REQUIRE(agent::next_look(first, 1h, place) == first + 1h);
        REQUIRE(agent::next_look(first + 20s, 1h, place) == first + 1h);  // late: back at its own time
        ++by_minute[(first - kNow).count() / 60];
    }
    for (const auto& [minute, count] : by_minute) {
        CAPTURE(minute);
        CHECK((minute == 60 || count > 850));
        CHECK(count < 1150);
    }
    CHECK(agent::next_look(kNow, 1s, "x") == kNow + 1s);
}

TEST_CASE(
    "drift: an earlier generation comes back: told once, repaired after a backoff, or at once by a run") {
    agent::Record record = fixtures::well();
    record.hooks.clear();
    look(record, kNow);
    const agent::TargetRecord& web = record.targets[0];
    CHECK(web.drift.seen_at == kNow);
    REQUIRE(web.failure);
    REQUIRE(record.hooks.size() == 1);
    CHECK(record.hooks[0].event == "drifted");
    CHECK(record.hooks[0].target == "web");
    CHECK(planned(record, kNow).action == TargetAction::Deploy);
    CHECK(*planned(record, kNow).at > kNow);
    CHECK(*planned(record, kNow).at < kNow + 1min);
    CHECK(planned(record, kNow, {.retry_now = true}).at == kNow);

    look(record, kNow + 1min);
    CHECK(record.hooks.size() == 1);
    CHECK(web.drift.seen_at == kNow);

    repair(record, kNow + 2min);
    CHECK_FALSE(web.drift.seen_at);
    CHECK_FALSE(web.failure);
    CHECK(web.drift.repairs == std::vector{kNow + 2min});
    CHECK(planned(record, kNow + 2min).action == TargetAction::Look);
}

TEST_CASE("drift: somebody else who puts it right makes no repair of ours") {
    agent::Record record = fixtures::well();
    look(record, kNow);
    agent::note_verdicts(record, "web", fixtures::seen(Verdict::Serving, "leaf3"), kNow + 1min);
    CHECK(record.targets[0].drift == agent::Drift{});
    CHECK_FALSE(record.targets[0].failure);
}

TEST_CASE(
    "drift: after three repairs in an hour it is somebody's doing: daily, unless somebody asks "
    "(deploy/contested)") {
    agent::Record record = fixtures::well();
    Instant now = kNow;
    for (int i = 0; i < 3; ++i, now += 10min) {
        look(record, now);
        CHECK_FALSE(record.targets[0].drift.is_contested);
        repair(record, now + 1min);
    }
    const Instant last = now - 9min;
    look(record, now);
    const agent::TargetRecord& web = record.targets[0];
    CHECK(web.drift.is_contested);
    REQUIRE(web.failure);
    CHECK(base::to_string(web.failure->error.code) == "deploy/contested");
    CHECK(web.failure->error.message.find("renewd has put it right 3 times since 2026-11-21T12:01:00Z") !=
          std::string::npos);

    const auto waiting = planned(record, now, {.retry_now = true});
    CHECK(waiting.action == TargetAction::Look);  // goes on
    CHECK(planned(record, last + 24h).action == TargetAction::Deploy);
    CHECK(planned(record, now, {.by_hand = true}).action == TargetAction::Look);
    CHECK(planned(record, now, {.deploy_again = true}).action == TargetAction::Deploy);

    // Something changes: a new generation, another path.
    agent::Record renewed = record;
    renewed.generations.push_back(fixtures::generation(4));
    CHECK(planned(renewed, now, {.retry_now = true}).at == now);
    CHECK(planned(renewed, now, {.retry_now = true}).action == TargetAction::Deploy);

    // The repair of the next day does not make it three more.
    repair(record, last + 24h);
    CHECK(web.drift.is_contested);
    look(record, last + 25h);
    CHECK(planned(record, last + 25h, {.retry_now = true}).action == TargetAction::Look);
    CHECK(planned(record, last + 48h).action == TargetAction::Deploy);

    // Well for a day: let be.
    repair(record, last + 48h);
    agent::note_verdicts(record, "web", fixtures::seen(Verdict::Serving, "leaf3"), last + 71h);
    CHECK(web.drift.is_contested);
    agent::note_verdicts(record, "web", fixtures::seen(Verdict::Serving, "leaf3"), last + 72h);
    CHECK(web.drift == agent::Drift{});
}

TEST_CASE("drift: what is looked at hourly is contested after three repairs in four looks") {
    agent::Record record = fixtures::well();
    Instant now = kNow;
    for (int i = 0; i < 3; ++i, now += 1h) {
        look(record, now);
        repair(record, now + 1min);
    }
    look(record, now);
    CHECK(record.targets[0].drift.is_contested);
}

TEST_CASE("drift: what had not been seen serving has not drifted") {
    agent::Record record = fixtures::well();
    record.targets[0].serving = 2;
    look(record, kNow);
    CHECK_FALSE(record.targets[0].drift.seen_at);
    CHECK(record.targets[0].failure);
    record = fixtures::well();
    record.generations.push_back(fixtures::generation(4));  // not installed yet
    look(record, kNow);
    CHECK_FALSE(record.targets[0].drift.seen_at);
    CHECK_FALSE(record.targets[0].failure);
}

TEST_CASE("drift: that a target has come to serve what is wanted is an event, that it goes on so is none") {
    const auto told = [](const agent::Record& record) {
        std::vector<std::string> events;
        for (const agent::PendingHook& hook : record.hooks) events.push_back(hook.event + " " + hook.target);
        return events;
    };
    using Events = std::vector<std::string>;
    agent::Record record = fixtures::well();
    record.hooks.clear();
    record.targets[0].installed = 2;
    record.targets[0].serving = 2;
    const auto serving = fixtures::seen(Verdict::Serving, "leaf3");
    agent::note_outcome(record, "web", record.targets[0].fingerprint,
                        {.installed = true, .wrote = true, .served = true, .endpoints = serving}, 3,
                        {.now = kNow, .chance = 0.5});
    CHECK(told(record) == Events{"deployed web", "verified web"});
    agent::note_verdicts(record, "web", serving, kNow + 1h);
    CHECK(record.hooks.size() == 2);
    agent::note_verdicts(record, "web", fixtures::seen(Verdict::Stale, "leaf2"), kNow + 2h);
    CHECK(record.hooks.size() == 2);
    agent::note_verdicts(record, "web", serving, kNow + 3h);
    CHECK(told(record) == Events{"deployed web", "verified web", "verified web"});
    // Served, but not by us yet: it is not installed.
    record = fixtures::well();
    record.hooks.clear();
    record.targets[0].installed = 2;
    record.targets[0].serving = 2;
    agent::note_verdicts(record, "web", serving, kNow);
    CHECK(record.hooks.empty());
}
