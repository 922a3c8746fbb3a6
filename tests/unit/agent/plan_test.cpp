// SPDX-License-Identifier: Apache-2.0
// The planner, as tables: no clock, no disk, no network.
#include "agent/plan/plan.hpp"

#include <ostream>

#include <doctest/doctest.h>

#include "tests/unit/agent/fixtures.hpp"

using namespace std::chrono_literals;
using agent::RenewalReason;
using agent::TargetAction;

using fixtures::certificate;
using fixtures::failure;
using fixtures::generation;
using fixtures::kNow;
using fixtures::well;

namespace agent {
// doctest finds these beside the enums.
static doctest::String toString(RenewalReason reason) {
    return std::string(to_string(reason)).c_str();
}

static doctest::String toString(TargetAction action) {
    return action == TargetAction::Wait ? "wait" : action == TargetAction::Deploy ? "deploy" : "look";
}
}  // namespace agent

namespace {

agent::Plan plan(const agent::CertificateConfig& certificate, const agent::Record& record,
                 const agent::Wishes& wishes = {}, bool has_open_order = false) {
    return agent::plan(certificate, record,
                       {.now = kNow, .verify_every = 1h, .has_open_order = has_open_order, .wishes = wishes});
}

}  // namespace

TEST_CASE("plan: when a certificate is renewed, and why") {
    struct Case {
        std::string_view name;
        std::function<void(agent::CertificateConfig&, agent::Record&)> bend;
        agent::Wishes wishes;
        bool has_open_order;
        RenewalReason reason;
        base::Seconds in;  // from now; 0: due
    };

    const auto as_is = [](auto&, auto&) {};
    const auto aged = [](base::Seconds age, base::Seconds lifetime) {
        return [=](auto&, agent::Record& r) { r.generations = {generation(3, age, lifetime)}; };
    };
    for (const Case& c : {
             Case{"never issued",
                  [](auto&, agent::Record& r) { r = {.name = "example.com"}; },
                  {},
                  false,
                  RenewalReason::NeverIssued,
                  0s},
             Case{"90 days: at 60", as_is, {}, false, RenewalReason::Lifetime, 59 * 24h},
             Case{"47 days: at two thirds",
                  aged(0s, 47 * 24h),
                  {},
                  false,
                  RenewalReason::Lifetime,
                  47 * 24h - 47 * 8h},
             Case{"160 hours: at one half", aged(0s, 160h), {}, false, RenewalReason::Lifetime, 80h},
             Case{
                 "due in its last third", aged(61 * 24h, 90 * 24h), {}, false, RenewalReason::Lifetime, -24h},
             Case{"as configured",
                  [](auto& c, auto&) { c.renew_before = 80 * 24h; },
                  {},
                  false,
                  RenewalReason::Configured,
                  9 * 24h},
             Case{"configured longer than the lifetime",
                  [](auto& c, auto&) { c.renew_before = 400 * 24h; },
                  {},
                  false,
                  RenewalReason::Configured,
                  8 * 24h},
             Case{"forced", as_is, {.renew_now = true}, false, RenewalReason::Forced, 0s},
             Case{"an order of a killed run", as_is, {}, true, RenewalReason::Forced, 0s},
             Case{"another name",
                  [](auto& c, auto&) { c.names.push_back({.value = "www.example.com"}); },
                  {},
                  false,
                  RenewalReason::ConfigChanged,
                  0s},
             Case{"another key type",
                  [](auto& c, auto&) { c.key_type = base::KeyType::Rsa2048; },
                  {},
                  false,
                  RenewalReason::ConfigChanged,
                  0s},
             Case{"another profile",
                  [](auto& c, auto&) { c.profiles["letsencrypt"] = "shortlived"; },
                  {},
                  false,
                  RenewalReason::ConfigChanged,
                  0s},
             Case{"our own backoff holds",
                  [](auto&, agent::Record& r) {
                      r = {.name = "example.com"};
                      r.issuance = failure(base::Code::CaUnreachable);
                  },
                  {},
                  false,
                  RenewalReason::NeverIssued,
                  300s},
             Case{"but not somebody who waits",
                  [](auto&, agent::Record& r) {
                      r = {.name = "example.com"};
                      r.issuance = failure(base::Code::CaUnreachable);
                  },
                  {.by_hand = true},
                  false,
                  RenewalReason::NeverIssued,
                  0s},
         }) {
        CAPTURE(c.name);
        agent::CertificateConfig certificate = fixtures::certificate();
        agent::Record record = well();
        c.bend(certificate, record);
        const agent::Plan p = plan(certificate, record, c.wishes, c.has_open_order);
        CHECK(p.renewal.reason == c.reason);
        CHECK(p.renewal.at - kNow == c.in);
        CHECK(p.renewal_due(kNow) == (c.in <= 0s));
    }
}

TEST_CASE(
    "plan: a challenge that was left behind is taken away on its own schedule, and at once by a run of its "
    "own") {
    agent::Record record = well();
    CHECK_FALSE(plan(certificate(), record).clean_up_at);
    record.residue = {{.solver = "dns", .failure = failure(base::Code::ProviderFailed)}};
    CHECK(plan(certificate(), record).clean_up_at == kNow + 300s);
    CHECK(plan(certificate(), record, {.retry_now = true}).clean_up_at == kNow);
    record.residue.push_back({.solver = "dns"});  // that run was killed
    CHECK(plan(certificate(), record).clean_up_at == kNow);
}

TEST_CASE("plan: a limit that the CA has named holds even somebody who waits, and says until when") {
    agent::Record record{.name = "example.com"};
    record.issuance = failure(base::Code::CaRateLimited);
    record.issuance->error.retry_at = kNow + 300s;
    const agent::Plan p = plan(certificate(), record, {.by_hand = true});
    REQUIRE(p.renewal.held_until);
    CHECK(*p.renewal.held_until == kNow + 300s);
    CHECK_FALSE(p.renewal_due(kNow));
    // At a CA that somebody has named it is another's wish.
    CHECK(plan(certificate(), record, {.by_hand = true, .elsewhere = true}).renewal_due(kNow));
}

TEST_CASE(
    "plan: an order that the CA is at work on is looked at for somebody who waits, whatever it has said") {
    agent::Record record{.name = "example.com"};
    record.issuance = failure(base::Code::CaOrderPending);
    record.issuance->error.retry_at = kNow + 24h;
    CHECK(plan(certificate(), record, {.by_hand = true}, /*has_open_order=*/true).renewal_due(kNow));
    CHECK(plan(certificate(), record, {}, /*has_open_order=*/true).renewal.at == kNow + 300s);
}

TEST_CASE("plan: what a target needs; wanted, installed and serving are separate facts") {
    struct Case {
        std::string_view name;
        std::function<void(agent::CertificateConfig&, agent::Record&)> bend;
        agent::Wishes wishes;
        TargetAction action;
        std::optional<base::Seconds> in;
    };

    for (const Case& c : {
             Case{"well: looked at again within the hour", [](auto&, auto&) {}, {}, TargetAction::Look, 499s},
             Case{"nothing to deploy yet",
                  [](auto&, agent::Record& r) { r.generations.clear(); },
                  {},
                  TargetAction::Wait,
                  {}},
             Case{"issued, not deployed",
                  [](auto&, agent::Record& r) { r.generations.push_back(generation(4)); },
                  {},
                  TargetAction::Deploy,
                  0s},
             Case{"a target added later",
                  [](auto&, agent::Record& r) { r.targets.clear(); },
                  {},
                  TargetAction::Deploy,
                  0s},
             Case{"a deployment that was cut off",
                  [](auto&, agent::Record& r) { r.targets[0].attempting = 3; },
                  {},
                  TargetAction::Deploy,
                  0s},
             Case{"installed elsewhere now",
                  [](auto& config, auto&) { config.targets[0].parameters.include = "/etc/nginx/other.conf"; },
                  {},
                  TargetAction::Deploy,
                  0s},
             Case{"installed, but an earlier one is served",
                  [](auto&, agent::Record& r) { r.targets[0].serving = 2; },
                  {},
                  TargetAction::Deploy,
                  0s},
             Case{
                 "failed: waits for its own backoff",
                 [](auto&, agent::Record& r) { r.targets[0].failure = failure(base::Code::HostUnreachable); },
                 {},
                 TargetAction::Deploy,
                 300s},
             Case{
                 "failed: a pass of its own does not wait",
                 [](auto&, agent::Record& r) { r.targets[0].failure = failure(base::Code::HostUnreachable); },
                 {.retry_now = true},
                 TargetAction::Deploy,
                 0s},
             Case{"nobody looks, and it is installed",
                  [](auto& config, auto&) { config.targets[0].endpoints.clear(); },
                  {},
                  TargetAction::Wait,
                  {}},
             Case{"deploy by hand: also what is well",
                  [](auto&, auto&) {},
                  {.deploy_again = true},
                  TargetAction::Deploy,
                  0s},
             Case{"verify by hand: now", [](auto&, auto&) {}, {.look_again = true}, TargetAction::Look, 0s},
         }) {
        CAPTURE(c.name);
        agent::CertificateConfig certificate = fixtures::certificate();
        agent::Record record = well();
        c.bend(certificate, record);
        const agent::Plan p = plan(certificate, record, c.wishes);
        REQUIRE(p.targets.size() == 1);
        CHECK(p.targets[0].action == c.action);
        CHECK(p.targets[0].at.has_value() == c.in.has_value());
        if (c.in && p.targets[0].at) CHECK(*p.targets[0].at - kNow == *c.in);
    }
}

TEST_CASE("plan: a failed target holds up neither the others nor a renewal") {
    agent::Record record = well();
    record.targets.push_back({.name = "other", .failure = failure(base::Code::HostUnreachable)});
    const agent::Plan p = plan(certificate({"web", "other"}), record);
    CHECK(p.targets[0].action == TargetAction::Look);
    CHECK(p.targets[1].action == TargetAction::Deploy);
    CHECK(p.due(TargetAction::Deploy, kNow).empty());
    CHECK(p.due(TargetAction::Deploy, kNow + 300s).size() == 1);
    CHECK(p.next() == kNow + 300s);
}

TEST_CASE("plan: nothing is due for what is well") {
    CHECK(plan(certificate(), well()).next() > kNow);
}

TEST_CASE("plan: a hook that failed is due at its next attempt") {
    agent::Record record = well();
    record.hooks = {
        {.event = "deployed", .target = "web", .generation = 3, .failure = failure(base::Code::HookFailed)}};
    CHECK(plan(certificate(), record).hooks_at == kNow + 300s);
    CHECK(plan(certificate(), record, {.retry_now = true}).hooks_at == kNow);
}

TEST_CASE("plan: the right time decides what is due, and the clock shows when") {
    constexpr base::Seconds kDay = 24h;

    struct Case {
        std::string_view name;
        base::Seconds clock;  // how far it is ahead
        base::Seconds age;    // of generation 3, by the right time
        base::Seconds in;     // renewal, from now
    };

    for (const Case& c : {
             Case{"right", 0s, kDay, 59 * kDay},
             Case{"90 days ahead", 90 * kDay, kDay, 59 * kDay},
             Case{"90 days ahead, and due", 90 * kDay, 61 * kDay, -kDay},
             Case{"90 days behind", -90 * kDay, kDay, 59 * kDay},
             Case{"90 days behind, and due", -90 * kDay, 61 * kDay, -kDay},
             Case{"behind, as far as the CA says, just after it has issued", -30 * kDay, 1h, 60 * kDay - 1h},
         }) {
        CAPTURE(c.name);
        agent::Record record = well();
        record.generations = {generation(3, c.age)};  // kNow is the right time
        const base::Instant shown = kNow + c.clock;
        const auto made =
            agent::plan(certificate(), record, {.now = shown, .verify_every = 1h, .plan_by = kNow});
        CHECK(made.renewal.at - shown == c.in);
        CHECK(made.renewal_due(shown) == (c.in <= 0s));
        REQUIRE(made.warn_at);
        CHECK(*made.warn_at - shown == 90 * kDay - c.age - 9 * kDay);
    }
}

TEST_CASE("plan: a date in 2056 does not renew again what has just been issued") {
    agent::Record record = well();
    const base::Instant said = kNow + 30 * 365 * 24h;
    record.generations = {generation(3)};
    CHECK(agent::plan(certificate(), record, {.now = kNow, .verify_every = 1h, .plan_by = said})
              .renewal_due(kNow));
    record.generations.back().issued_at = said;
    const auto after = agent::plan(certificate(), record, {.now = kNow, .verify_every = 1h, .plan_by = said});
    CHECK(after.renewal.at - kNow == 9 * 24h);
}

TEST_CASE("plan: what was written under a clock 90 days ahead silences nothing once it is right") {
    constexpr base::Seconds kAhead = 90 * 24h;
    const auto due_now = [](const std::function<void(agent::Record&)>& bend) {
        agent::Record record = well();
        bend(record);
        return plan(certificate(), record).next() <= kNow;
    };
    REQUIRE_FALSE(due_now([](auto&) {}));
    CHECK(due_now([&](auto& r) { r.targets[0].verified_at = kNow + kAhead; }));
    CHECK(due_now([&](auto& r) {
        r.targets[0].installed = 2;
        r.targets[0].failure = failure(base::Code::DeployReloadFailed, 3, 60s, kAhead);
    }));
    CHECK(due_now([&](auto& r) {
        r.hooks.push_back({.event = "renewed",
                           .generation = 3,
                           .failure = failure(base::Code::HookFailed, 2, 60s, kAhead)});
    }));
    CHECK(due_now(
        [&](auto& r) { r.residue.push_back({.failure = failure(base::Code::DnsFailed, 2, 60s, kAhead)}); }));
    CHECK(due_now([&](auto& r) {
        r.generations.back().renewal_id = "id";
        r.suggestion = agent::Suggestion{.generation = 3, .ask_again = kNow + kAhead};
    }));
    CHECK(due_now([&](auto& r) {
        r.generations.back().renewal_id = "id";
        r.generations.back().issued_at = kNow + kAhead;
    }));
    CHECK(due_now([&](auto& r) {
        r.generations = {generation(3, 61 * 24h)};
        r.issuance = failure(base::Code::CaUnreachable, 2, 60s, kAhead);
    }));

    agent::Record public_names = well();
    public_names.endpoints_verified_at = kNow + kAhead;
    auto with_endpoints = certificate();
    with_endpoints.endpoints = fixtures::target("web").endpoints;
    CHECK(plan(with_endpoints, public_names).look_at == kNow);
}

TEST_CASE(
    "plan: what looks expired to a clock that is ahead is not deployed again, and looked at when it is "
    "back") {
    agent::Record record = well();
    const base::Instant shown = kNow + 90 * 24h;
    record.targets[0].serving = 0;
    record.targets[0].verified_at = shown - 5min;
    record.targets[0].failure = failure(base::Code::VerifyExpired, 1, 0s, 90 * 24h + 30s);
    const auto ahead =
        agent::plan(certificate(), record, {.now = shown, .verify_every = 1h, .plan_by = kNow});
    CHECK(ahead.targets[0].action == TargetAction::Look);
    CHECK(ahead.due(TargetAction::Look, shown).empty());
    const auto back = plan(certificate(), record, {.retry_now = true});
    CHECK(back.due(TargetAction::Deploy, kNow).empty());
    CHECK(back.due(TargetAction::Look, kNow).size() == 1);
}

TEST_CASE("plan: an hour asleep makes due what came due meanwhile, and nothing else") {
    agent::Record record = well();
    const auto before = plan(certificate(), record);
    const auto after = agent::plan(certificate(), record, {.now = kNow + 1h, .verify_every = 1h});
    CHECK(after.renewal.at == before.renewal.at);
    CHECK(after.due(TargetAction::Look, kNow + 1h).size() == 1);
    CHECK_FALSE(after.renewal_due(kNow + 1h));
}
