// SPDX-License-Identifier: Apache-2.0
// What windows and pauses hold back, what they never do, and how that is told. 2026-11-21 12:00 UTC is a
// Saturday.
#include "agent/plan/hold.hpp"

#include <ostream>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "agent/tell/exit_code.hpp"
#include "agent/tell/hold_words.hpp"
#include "agent/tell/status.hpp"
#include "agent/tell/why.hpp"
#include "agent/work/renewal_window.hpp"
#include "tests/unit/agent/fixtures.hpp"

using namespace std::chrono_literals;
using agent::CertificateConfig;
using agent::HoldBy;
using agent::Record;
using agent::TargetAction;
using deployers::Verdict;
using fixtures::generation;
using fixtures::kNow;

namespace {

constexpr base::Instant kTuesday = kNow + 80h;  // 20:00

CertificateConfig with_window() {
    CertificateConfig certificate = fixtures::certificate();
    certificate.windows = {agent::parse_window("Tue,Thu 20:00-23:00 UTC").value()};
    return certificate;
}

/// Generation 3 is served; generation 4 has been issued an hour ago.
Record renewed() {
    Record record = fixtures::well();
    record.generations = {generation(3, 61 * 24h), generation(4, 1h)};
    return record;
}

agent::Plan plan(const CertificateConfig& certificate, const Record& record, const agent::Wishes& wishes = {},
                 base::Instant now = kNow) {
    return agent::plan(certificate, record, {.now = now, .verify_every = 1h, .wishes = wishes});
}

agent::CertificateStatus status(const Record& record) {
    static const CertificateConfig certificate = with_window();
    return agent::status_of(certificate, record, /*has_open_order=*/false, 1h, kNow);
}

}  // namespace

TEST_CASE("hold: a closed window holds a deployment until it opens; looks go on") {
    const agent::Plan held = plan(with_window(), renewed());
    REQUIRE(held.held() != nullptr);
    CHECK(held.held()->by == HoldBy::Window);
    CHECK(held.held()->reason == "window Tue,Thu 20:00-23:00 UTC");
    CHECK(held.held()->until == kTuesday);
    CHECK(held.targets[0].action == TargetAction::Look);
    CHECK(held.due(TargetAction::Deploy, kNow + 24h).empty());
    CHECK(held.next() < kNow + 1h);

    const agent::Plan open = plan(with_window(), renewed(), {}, kTuesday);
    CHECK(open.held() == nullptr);
    CHECK(open.due(TargetAction::Deploy, kTuesday).size() == 1);

    CertificateConfig unseen = with_window();
    unseen.targets[0].endpoints.clear();
    const agent::Plan waiting = plan(unseen, renewed());
    CHECK(waiting.targets[0].action == TargetAction::Wait);
    CHECK(waiting.next() <= kTuesday);
}

TEST_CASE("hold: a renewal is never held") {
    Record record = fixtures::well();
    record.generations = {generation(3, 61 * 24h)};
    record.pause = agent::Pause{.since = kNow - 1h, .by = "ada"};
    CHECK(plan(with_window(), record).renewal_due(kNow));
    CHECK(plan(with_window(), record).held() == nullptr);  // nothing is to be deployed yet
}

TEST_CASE("hold: a pause holds until its end, or until somebody resumes") {
    Record record = renewed();
    record.pause = agent::Pause{.since = kNow - 1h, .until = kNow + 2h, .by = "ada", .reason = "CHG-88120"};
    const CertificateConfig certificate = fixtures::certificate();
    const agent::Plan held = plan(certificate, record);
    REQUIRE(held.held() != nullptr);
    CHECK(held.held()->by == HoldBy::Pause);
    CHECK(held.held()->until == kNow + 2h);
    CHECK(held.held()->reason == "paused by ada since 2026-11-21T11:00:00Z: CHG-88120");
    CHECK_FALSE(agent::waits_for_resume(held));
    CHECK(plan(certificate, record, {}, kNow + 2h).held() == nullptr);
    record.pause->until.reset();
    CHECK(agent::waits_for_resume(plan(certificate, record)));
    CHECK(plan(certificate, record, {.past_holds = true}).due(TargetAction::Deploy, kNow).size() == 1);
    CHECK(plan(certificate, record, {.retry_now = true}).due(TargetAction::Deploy, kNow).empty());
    CHECK(plan(certificate, record, {.by_hand = true}).due(TargetAction::Deploy, kNow).empty());
}

TEST_CASE("hold: what is urgent is never held") {
    struct Case {
        std::string_view name;
        std::function<void(CertificateConfig&, Record&)> bend;
        bool is_held;
    };

    const auto shows = [](Verdict verdict) {
        return [=](auto&, Record& r) { r.targets[0].endpoints = fixtures::seen(verdict, "leaf9"); };
    };
    for (const Case& c : {
             Case{"one third of its life left", [](auto&, auto&) {}, true},
             Case{"less than a quarter left",
                  [](auto&, Record& r) { r.generations[0] = generation(3, 68 * 24h); }, false},
             Case{"less than a quarter, and another share is configured",
                  [](auto& config, Record& r) {
                      config.window_ends_at = 0.1;
                      r.generations[0] = generation(3, 68 * 24h);
                  },
                  true},
             Case{"nothing installed yet", [](auto&, Record& r) { r.targets.clear(); }, false},
             Case{"a deployment that was cut off", [](auto&, Record& r) { r.targets[0].attempting = 4; },
                  false},
             Case{"what is installed is to be revoked",
                  [](auto&, Record& r) { r.revocations = {{.generation = 3, .reason = "keyCompromise"}}; },
                  false},
             Case{"what is installed has been revoked",
                  [](auto&, Record& r) { r.generations[0].revoked_at = kNow - 1h; }, false},
             Case{"the CA wants it replaced at once", [](auto&, Record& r) { r.hurried_by_ca = 3; }, false},
             Case{"nothing answers", shows(Verdict::Unreachable), false},
             Case{"a stranger's is served", shows(Verdict::Foreign), false},
             Case{"an expired one is served", shows(Verdict::Expired), false},
             Case{"half a chain is served", shows(Verdict::IncompleteChain), false},
             Case{"its name does not resolve here", shows(Verdict::Unresolved), true},
             Case{"no route to that family of addresses", shows(Verdict::NotReachableFromHere), true},
             Case{"an older one of ours is served, and it runs out",
                  [](auto&, Record& r) {
                      r.generations.insert(r.generations.begin(), generation(2, 80 * 24h));
                      r.targets[0].endpoints = fixtures::seen(Verdict::Stale, "leaf2");
                  },
                  false},
         }) {
        CAPTURE(c.name);
        CertificateConfig certificate = with_window();
        Record record = renewed();
        c.bend(certificate, record);
        CHECK((plan(certificate, record).held() != nullptr) == c.is_held);
        certificate.windows.clear();
        record.pause = agent::Pause{.since = kNow, .by = "ada"};
        CHECK((plan(certificate, record).held() != nullptr) == c.is_held);
    }
}

TEST_CASE("hold: the window is over where waiting for it would be too long") {
    Record record = renewed();
    record.generations[0] = generation(3, 67 * 24h);  // a quarter left in half a day
    const agent::Plan held = plan(with_window(), record);
    REQUIRE(held.held() != nullptr);
    CHECK(held.held()->until == kTuesday);
    CHECK(held.held()->over_at() == kNow + 12h);
    CHECK(plan(with_window(), record, {}, kNow + 12h).due(TargetAction::Deploy, kNow + 12h).size() == 1);
    CHECK(agent::hold_end_words(*held.held(), 0.25) ==
          "nothing holds it back from 22 Nov 2026 00:00 UTC on, when less than 25% of the life of what is "
          "served "
          "is left");
}

TEST_CASE("hold: drift is held as well, and seen all the same") {
    Record record = fixtures::well();
    record.targets[0].endpoints = fixtures::seen(Verdict::Stale, "leaf2");
    record.generations[0] = generation(2, 30 * 24h);
    record.targets[0].serving = 2;
    record.targets[0].drift.seen_at = kNow;
    record.targets[0].failure = fixtures::failure(base::Code::VerifyStale);
    const agent::CertificateStatus shown = status(record);
    CHECK(shown.targets[0].state == agent::TargetState::Held);
    CHECK(shown.state == agent::CertificateState::Held);
    CHECK(shown.attention);
    CHECK(agent::exit_code_of(shown) == 5);
}

TEST_CASE("hold: a window that has gone by is no hurry, one that moved into the past is") {
    const agent::Suggestion before{.generation = 3, .start = kNow - 2h, .end = kNow - 1h};
    CHECK_FALSE(agent::hurries(before, before, kNow));
    const agent::Suggestion later{.generation = 3, .start = kNow + 24h, .end = kNow + 48h};
    CHECK(agent::hurries(later, before, kNow));
    CHECK_FALSE(agent::hurries(before, later, kNow));
    CHECK(agent::hurries(std::nullopt, before, kNow));
    CHECK_FALSE(agent::hurries(std::nullopt, {.generation = 3}, kNow));
}

TEST_CASE("hold: how it is told: no failure, no attention, but for a pause without an end (deploy/held)") {
    Record record = renewed();
    const agent::CertificateStatus windowed = status(record);
    CHECK(windowed.state == agent::CertificateState::Held);
    CHECK(windowed.targets[0].state == agent::TargetState::Held);
    CHECK_FALSE(windowed.attention);
    CHECK(agent::exit_code_of(windowed) == 0);
    const nlohmann::json shown = agent::to_json(windowed);
    CHECK(shown["state"] == "held");
    CHECK(shown["held"]["by"] == "window");
    CHECK(shown["held"]["until"] == "2026-11-24T20:00:00Z");
    CHECK(shown["conditions"][0]["code"] == "deploy/held");
    CHECK(shown["served"]["serving"] == 1);  // what is installed

    const std::string why = agent::to_text(agent::explain(windowed, kNow), kNow, 120);
    CAPTURE(why);
    CHECK(why.find("deployment is held until Tue 20:00 UTC (window)") != std::string::npos);
    CHECK(why.find("web is held until Tue 20:00 UTC (window Tue,Thu 20:00-23:00 UTC)") != std::string::npos);
    CHECK(why.find("renewd deploy example.com --now") != std::string::npos);

    record.pause = agent::Pause{.since = kNow - 1h, .by = "ada"};
    const agent::CertificateStatus paused = status(record);
    REQUIRE(paused.attention);
    CHECK_FALSE(paused.attention->is_critical);
    CHECK(agent::attention_code_of(paused) == 4);
    CHECK(agent::brief_hold(*paused.plan.held(), kNow) == "held until 28 Nov 00:00 UTC (pause)");
    record.pause->until = kNow + 1h;
    CHECK_FALSE(status(record).attention);
}
