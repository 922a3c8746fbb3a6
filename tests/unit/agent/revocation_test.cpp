// SPDX-License-Identifier: Apache-2.0
// When what is to be revoked may be: tables over records.
#include "agent/plan/revocation.hpp"

#include <functional>
#include <ostream>

#include <doctest/doctest.h>

#include "tests/unit/agent/fixtures.hpp"

using namespace std::chrono_literals;
using deployers::Verdict;
using fixtures::certificate;
using fixtures::generation;
using fixtures::kNow;
using fixtures::seen;
using fixtures::well;

namespace {

/// Generation 3, served everywhere; generation 2 is to be revoked.
agent::Record to_revoke(std::optional<base::Instant> not_later_than = {}) {
    agent::Record record = well();
    record.revocations = {{.generation = 2, .reason = "superseded", .not_later_than = not_later_than}};
    return record;
}

agent::CertificateConfig with_public_name() {
    agent::CertificateConfig config = certificate();
    config.endpoints = config.targets.front().endpoints;
    return config;
}

}  // namespace

TEST_CASE("revocation: due once nobody is seen serving it, or when it has to be") {
    struct Case {
        std::string_view name;
        std::function<void(agent::Record&)> bend;
        bool is_due;
    };

    for (const Case& c : {
             Case{"served everywhere", [](auto&) {}, true},
             Case{"its files are still there", [](auto& r) { r.targets[0].installed = 2; }, false},
             Case{"its files may be there", [](auto& r) { r.targets[0].attempting = 2; }, false},
             Case{"still shown", [](auto& r) { r.targets[0].endpoints = seen(Verdict::Stale, "leaf2"); },
                  false},
             Case{"somebody else's is shown",
                  [](auto& r) { r.targets[0].endpoints = seen(Verdict::Foreign, "other"); }, true},
             Case{"does not answer", [](auto& r) { r.targets[0].endpoints = seen(Verdict::Unreachable, ""); },
                  false},
             Case{"cannot be reached from here",
                  [](auto& r) { r.targets[0].endpoints = seen(Verdict::NotReachableFromHere, ""); }, true},
             Case{"not looked at since", [](auto& r) { r.targets[0].verified_at = kNow - 48h; }, false},
             Case{"never looked at", [](auto& r) { r.targets[0].verified_at.reset(); }, false},
             Case{"nothing newer is there", [](auto& r) { r.generations.pop_back(); }, false},
             Case{"what is newer is revoked", [](auto& r) { r.generations.back().revoked_at = kNow; }, false},
         }) {
        CAPTURE(c.name);
        agent::Record record = to_revoke();
        c.bend(record);
        const auto at = agent::next_revocation(certificate(), record, kNow, /*eager=*/false);
        CHECK((at && *at <= kNow) == c.is_due);
        // The deadline counts whatever is seen.
        record.revocations[0].not_later_than = kNow - 1s;
        CHECK(agent::next_revocation(certificate(), record, kNow, false).value() <= kNow);
        record.revocations[0].not_later_than = kNow + 30min;
        CHECK(agent::next_revocation(certificate(), record, kNow, false).value() ==
              (c.is_due ? kNow : kNow + 30min));
    }
}

TEST_CASE("revocation: the public names are looked at first") {
    agent::Record record = to_revoke();
    CHECK_FALSE(agent::next_revocation(with_public_name(), record, kNow, false));
    record.endpoints = seen(Verdict::Serving, "leaf2");
    record.endpoints_verified_at = kNow - 48h;
    CHECK_FALSE(agent::next_revocation(with_public_name(), record, kNow, false));
    CHECK(agent::waits_for_a_look(record, kNow));
    record.endpoints = seen(Verdict::Serving, "leaf3");
    record.endpoints_verified_at = kNow;
    CHECK_FALSE(agent::waits_for_a_look(record, kNow));
    CHECK(agent::next_revocation(with_public_name(), record, kNow, false) == kNow);
}

TEST_CASE("revocation: after a failure later, but at once for whoever waits") {
    agent::Record record = to_revoke();
    record.revocations[0].failure = fixtures::failure(base::Code::CaRevocationRefused);
    CHECK(agent::next_revocation(certificate(), record, kNow, /*eager=*/false) == kNow + 300s);
    CHECK(agent::next_revocation(certificate(), record, kNow, /*eager=*/true) == kNow);
}

TEST_CASE("revocation: where it still is, for people") {
    agent::Record record = to_revoke();
    record.targets[0].endpoints = seen(Verdict::Stale, "leaf2");
    CHECK(agent::places_of(certificate(), record, 2) == std::vector<std::string>{"web, 192.0.2.7:443"});
    record.targets[0].installed = 2;
    CHECK(agent::places_of(certificate(), record, 2) == std::vector<std::string>{"web, its files"});
    CHECK(agent::places_of(certificate({"web", "other"}), record, 3).size() <= 1);
}

TEST_CASE("revocation: of a certificate that is gone, the places that its record knows count") {
    struct Case {
        std::string_view name;
        std::function<void(agent::Record&)> bend;
        base::Instant at;
    };

    const base::Instant deadline = kNow + 24h;
    for (const Case& c : {
             Case{"out of sight", [](auto&) {}, kNow},
             Case{"its files are still there", [](auto& r) { r.targets[0].installed = 2; }, deadline},
             Case{"was shown last", [](auto& r) { r.targets[0].endpoints = seen(Verdict::Stale, "leaf2"); },
                  deadline},
             Case{"not looked at since", [](auto& r) { r.targets[0].verified_at = kNow - 48h; }, deadline},
             Case{"shown by a public name",
                  [](auto& r) {
                      r.endpoints = seen(Verdict::Stale, "leaf2");
                      r.endpoints_verified_at = kNow;
                  },
                  deadline},
             Case{"was never put anywhere", [](auto& r) { r.targets.clear(); }, kNow},
         }) {
        CAPTURE(c.name);
        agent::Record record = to_revoke(deadline);
        c.bend(record);
        CHECK(agent::next_revocation(agent::as_remembered(record), record, kNow, /*eager=*/true) == c.at);
    }
}

TEST_CASE("revocation: what is wanted and revoked, or to be, is renewed now and not deployed") {
    const auto plan = [](const agent::Record& record) {
        return agent::plan(certificate(), record, {.now = kNow, .verify_every = 1h});
    };
    agent::Record record = well();
    record.revocations = {{.generation = 3, .reason = "keyCompromise"}};
    CHECK(agent::to_string(plan(record).renewal.reason) == "revoked");
    CHECK(plan(record).renewal_due(kNow));

    record = well();
    record.generations.back().revoked_at = kNow - 1h;
    record.targets[0].installed = 2;
    CHECK(agent::to_string(plan(record).renewal.reason) == "revoked");
    CHECK(plan(record).due(agent::TargetAction::Deploy, kNow).empty());
    agent::Wishes again{.deploy_again = true};
    CHECK(agent::plan(certificate(), record, {.now = kNow, .verify_every = 1h, .wishes = again})
              .due(agent::TargetAction::Deploy, kNow)
              .empty());
}

TEST_CASE("revocation: remembered, and read from records that know nothing of it") {
    agent::Record record = to_revoke(kNow + 30min);
    record.revocations[0].failure = fixtures::failure(base::Code::CaRevocationRefused);
    record.generations[0].revoked_at = kNow;
    record.generations[0].revocation_reason = "superseded";
    CHECK(agent::parse_record(agent::to_text(record)).value() == record);
    CHECK(agent::parse_generation(agent::to_text(record.generations[0])).value() == record.generations[0]);
}
