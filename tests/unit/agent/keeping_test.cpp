// SPDX-License-Identifier: Apache-2.0
// What of a certificate's past is kept: tables over records.
#include "agent/plan/keeping.hpp"

#include <functional>
#include <ostream>

#include <doctest/doctest.h>

#include "tests/unit/agent/fixtures.hpp"

using namespace std::chrono_literals;
using deployers::Verdict;
using fixtures::certificate;
using fixtures::kNow;
using fixtures::seen;

namespace {

/// Generations 1 to 5; 5 is on "web", 2 on "old", which is not configured.
agent::Record with_a_past() {
    agent::Record record = fixtures::well();
    record.generations.clear();
    for (int number = 1; number <= 5; ++number) record.generations.push_back(fixtures::generation(number));
    record.targets[0].installed = record.targets[0].serving = 5;
    record.targets.push_back(
        {.name = "old", .installed = 2, .serving = 2, .endpoints = seen(Verdict::Serving, "leaf2")});
    return record;
}

}  // namespace

TEST_CASE("keeping: the newest, and what targets of the configuration or a revocation need") {
    struct Case {
        std::string_view name;
        std::function<void(agent::Record&)> bend;
        std::vector<int> kept;
    };

    for (const Case& c : {
             Case{"a target that is gone needs none", [](auto&) {}, {3, 4, 5}},
             Case{"installed", [](auto& r) { r.targets[0].installed = 1; }, {1, 3, 4, 5}},
             Case{"still served", [](auto& r) { r.targets[0].serving = 2; }, {2, 3, 4, 5}},
             Case{"perhaps installed", [](auto& r) { r.targets[0].attempting = 2; }, {2, 3, 4, 5}},
             Case{"to be revoked",
                  [](auto& r) { r.revocations = {{.generation = 1, .reason = "superseded"}}; },
                  {1, 3, 4, 5}},
         }) {
        CAPTURE(c.name);
        agent::Record record = with_a_past();
        c.bend(record);
        CHECK(agent::generations_to_keep(certificate(), record, 3) == c.kept);
    }
    CHECK(agent::generations_to_keep(certificate({"web", "old"}), with_a_past(), 3) ==
          std::vector<int>{2, 3, 4, 5});
    CHECK(agent::generations_to_keep(certificate(), agent::Record{}, 3).empty());
}

TEST_CASE("keeping: a target that is gone is remembered for as long as what it had is kept") {
    agent::Record record = with_a_past();
    agent::let_go(certificate(), record, {2, 4, 5});
    CHECK(record.target("old") != nullptr);
    CHECK(record.generations.size() == 3);
    agent::let_go(certificate(), record, {4, 5});
    CHECK(record.target("old") == nullptr);
    CHECK(record.target("web") != nullptr);
    // One of the configuration stays, whatever is known of it.
    record.targets[0] = {.name = "web"};
    agent::let_go(certificate(), record, {4, 5});
    CHECK(record.target("web") != nullptr);
}

TEST_CASE("keeping: what public names showed goes with the last of them") {
    agent::CertificateConfig config = certificate();
    agent::Record record = with_a_past();
    record.endpoints = seen(Verdict::Stale, "leaf2");
    record.endpoints_verified_at = kNow;
    config.endpoints = config.targets[0].endpoints;
    agent::let_go(config, record, {3, 4, 5});
    CHECK(record.endpoints_verified_at == kNow);
    config.endpoints.clear();
    agent::let_go(config, record, {3, 4, 5});
    CHECK(record.endpoints.empty());
    CHECK_FALSE(record.endpoints_verified_at);
}
