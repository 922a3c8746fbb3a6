// SPDX-License-Identifier: Apache-2.0
// When it is told that what is served runs out: once for each generation and threshold.
#include "agent/plan/expiry.hpp"

#include <functional>
#include <ostream>

#include <doctest/doctest.h>

#include "agent/plan/plan.hpp"
#include "tests/unit/agent/fixtures.hpp"

using namespace std::chrono_literals;
using deployers::Verdict;
using fixtures::kNow;

namespace {

/// Generation 3 alone, of this lifetime, with so much of it left.
agent::Record with_left(base::Seconds lifetime, base::Seconds left) {
    agent::Record record = fixtures::well();
    record.generations = {fixtures::generation(3, lifetime - left, lifetime)};
    return record;
}

}  // namespace

TEST_CASE("expiry: the thresholds of long and short lives") {
    struct Case {
        std::string_view name;
        base::Seconds lifetime, left;
        int stage;  // 0: none is due
    };

    for (const Case& c : {
             Case{"90 days, ten left", 90 * 24h, 240h, 0},
             Case{"90 days, nine left", 90 * 24h, 216h, 1},
             Case{"90 days, three left", 90 * 24h, 72h, 2},
             Case{"20 days: the last three days come first", 480h, 72h, 1},
             Case{"20 days, two left", 480h, 48h, 2},
             Case{"160 hours, 17 left", 160h, 17h, 0},
             Case{"160 hours, 16 left", 160h, 16h, 1},
             Case{"expired", 160h, -1h, 1},
         }) {
        CAPTURE(c.name);
        const agent::Record record = with_left(c.lifetime, c.left);
        const auto warning = agent::due_warning(fixtures::certificate(), record, kNow);
        CHECK((warning ? warning->stage : 0) == c.stage);
        const auto plan = agent::plan(fixtures::certificate(), record, {.now = kNow});
        REQUIRE(plan.warn_at);
        CHECK((*plan.warn_at <= kNow) == (c.stage > 0));
    }
}

TEST_CASE("expiry: each is told once, and another generation begins anew") {
    agent::Record record = with_left(90 * 24h, 200h);
    record.warned = agent::due_warning(fixtures::certificate(), record, kNow).value();
    CHECK_FALSE(agent::due_warning(fixtures::certificate(), record, kNow));
    CHECK(agent::next_warning(fixtures::certificate(), record) == record.generations[0].not_after - 72h);
    record.warned = agent::due_warning(fixtures::certificate(), record, kNow + 150h).value();
    CHECK(record.warned.stage == 2);
    CHECK_FALSE(agent::next_warning(fixtures::certificate(), record));
    record.generations.push_back(fixtures::generation(4));
    record.targets[0].endpoints = fixtures::seen(Verdict::Serving, "leaf4");
    CHECK(agent::next_warning(fixtures::certificate(), record) == record.generations[1].not_after - 216h);
}

TEST_CASE("expiry: the oldest that is served counts, not the newest that is held") {
    agent::Record record = with_left(90 * 24h, 200h);
    record.generations.push_back(fixtures::generation(4));
    CHECK(agent::due_warning(fixtures::certificate(), record, kNow)->generation ==
          3);  // "web" was last seen with it
    record.targets[0].endpoints = fixtures::seen(Verdict::Serving, "leaf4");
    CHECK_FALSE(agent::due_warning(fixtures::certificate(), record, kNow));
    CHECK_FALSE(agent::due_warning(fixtures::certificate(), agent::Record{.name = "example.com"}, kNow));
}

TEST_CASE("expiry: where nobody looks any more, what was seen there last does not count") {
    struct Case {
        std::string_view name;
        std::function<void(agent::CertificateConfig&)> bend;
        int generation;  // 0: no warning
    };

    agent::Record record = with_left(90 * 24h, 200h);
    record.generations.push_back(fixtures::generation(4));
    record.endpoints = fixtures::seen(Verdict::Stale, "leaf3");
    // "web" was last seen with generation 3, and so were the public names.
    for (const Case& c : {
             Case{"both are configured", [](auto&) {}, 3},
             Case{"the target was renamed", [](auto& config) { config.targets[0].name = "front"; }, 3},
             Case{"nobody looks at the target", [](auto& config) { config.targets[0].endpoints.clear(); }, 3},
             Case{"nobody looks at the public names", [](auto& config) { config.endpoints.clear(); }, 3},
             Case{"the target is gone, and so are the public names",
                  [](auto& config) {
                      config.targets.clear();
                      config.endpoints.clear();
                  },
                  0},
         }) {
        CAPTURE(c.name);
        agent::CertificateConfig config = fixtures::certificate();
        config.endpoints = config.targets[0].endpoints;
        c.bend(config);
        const auto warning = agent::due_warning(config, record, kNow);
        CHECK((warning ? warning->generation : 0) == c.generation);
    }
}

TEST_CASE("expiry: a target that was renamed silences no later warning") {
    agent::Record record = with_left(90 * 24h, 200h);
    record.warned = {.generation = 3, .stage = 2};
    record.generations.push_back(fixtures::generation(4));
    record.targets.push_back({.name = "front", .installed = 4, .serving = 4});
    record.targets.back().endpoints = fixtures::seen(Verdict::Serving, "leaf4");
    CHECK(agent::next_warning(fixtures::certificate({"front"}), record) ==
          record.generations[1].not_after - 216h);
}
