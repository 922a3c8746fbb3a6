// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/overdue.hpp"

#include <functional>
#include <ostream>

#include <doctest/doctest.h>

#include "agent/tell/exit_code.hpp"
#include "agent/tell/status.hpp"
#include "tests/unit/agent/fixtures.hpp"

using namespace std::chrono_literals;
using agent::Overdue;
using agent::OverdueWork;
using agent::Record;
using base::Seconds;
using fixtures::generation;
using fixtures::kNow;
using fixtures::well;

namespace {

constexpr Seconds kDay = 24h;

/// Generation 3 was issued so long ago, is served, and was looked at just now.
Record aged(Seconds age, Seconds lifetime = 90 * kDay) {
    Record record = well();
    record.generations = {generation(3, age, lifetime)};
    return record;
}

/// Generation 4 was issued so long ago, and 3 is what is installed.
Record undeployed(Seconds age, Seconds lifetime = 90 * kDay) {
    Record record = well();
    record.generations.push_back(generation(4, age, lifetime));
    return record;
}

Record looked_at(Seconds ago, Seconds lifetime = 90 * kDay) {
    Record record = well();
    record.generations = {generation(3, lifetime / 4, lifetime)};
    record.targets.front().verified_at = kNow - ago;
    return record;
}

std::optional<OverdueWork> overdue_work(const Record& record, Seconds verify_every, bool has_open_order) {
    const agent::CertificateConfig certificate = fixtures::certificate();
    const agent::Plan planned = agent::plan(
        certificate, record, {.now = kNow, .verify_every = verify_every, .has_open_order = has_open_order});
    const auto found = agent::find_overdue(certificate, record, planned, verify_every, kNow);
    return found ? std::optional(found->work) : std::nullopt;
}

}  // namespace

TEST_CASE("overdue: what nobody has tried for far longer than a run a day needs") {
    struct Case {
        std::string_view name;
        Record record;
        std::optional<OverdueWork> want{};
        Seconds verify_every = 1h;
        bool has_open_order = false;
    };

    const auto failing = [](Record record) {
        record.issuance = fixtures::failure(base::Code::CaUnreachable, 1, 40 * kDay, -39 * kDay);
        return record;
    };
    const auto failing_target = [](Record record) {
        record.targets.front().failure = fixtures::failure(base::Code::HostUnreachable);
        return record;
    };
    const auto paused = [](Record record) {
        record.pause = agent::Pause{.since = kNow - kDay, .by = "ada"};
        return record;
    };
    const auto new_target = [](Record record) {
        record.targets.clear();
        return record;
    };
    for (const Case& c : {
             Case{"well", well()},
             Case{"never issued", Record{.name = "example.com", .first_seen = kNow - 90 * kDay}},
             Case{"due for a day", aged(61 * kDay)},
             Case{"due for two days", aged(62 * kDay), OverdueWork::Renewal},
             Case{"the same, with an order open", aged(62 * kDay), OverdueWork::Renewal, 1h, true},
             Case{"the same, and told as a failure", failing(aged(62 * kDay))},
             Case{"six days, due for half of one", aged(84h, 6 * kDay)},
             Case{"six days, due for a whole one", aged(96h, 6 * kDay), OverdueWork::Renewal},
             Case{"an hour, due for five minutes", aged(35min, 1h)},
             Case{"issued five hours ago", undeployed(5h)},
             Case{"issued seven hours ago", undeployed(7h), OverdueWork::Deployment},
             Case{"the same, and the host is down", failing_target(undeployed(7h))},
             Case{"the same, paused", paused(undeployed(7h))},
             Case{"the same, for a target that is new", new_target(undeployed(7h))},
             Case{"looked at yesterday", looked_at(kDay)},
             Case{"looked at three days ago", looked_at(3 * kDay), OverdueWork::Look},
             Case{"the same, as it should be", looked_at(3 * kDay), std::nullopt, 2 * kDay},
             Case{"weeks ago", looked_at(14 * kDay), OverdueWork::Look, 2 * kDay},
             Case{"a life of four days", looked_at(26h, 4 * kDay), OverdueWork::Look},
         }) {
        CAPTURE(c.name);
        const auto found = overdue_work(c.record, c.verify_every, c.has_open_order);
        CHECK(found.has_value() == c.want.has_value());
        CHECK(found == c.want);
    }
}

TEST_CASE("overdue: it needs somebody, as what it is, and is one cause") {
    const agent::CertificateConfig certificate = fixtures::certificate();

    struct Case {
        Record record;
        int exit_code;
        std::string_view says;
    };

    for (const Case& c : {Case{aged(63 * kDay), 3, "should have been renewed 3 days ago"},
                          Case{undeployed(7h), 4, "should have been deployed to web 7 h ago"},
                          Case{looked_at(5 * kDay), 5, "should have been looked at on web 4 days ago"}}) {
        CAPTURE(c.says);
        agent::CertificateStatus status =
            agent::status_of(certificate, c.record, /*has_open_order=*/false, 1h, kNow);
        CHECK_FALSE(status.attention);
        agent::note_overdue(status, 1h, kNow);
        REQUIRE(status.attention);
        CHECK_FALSE(status.attention->is_critical);
        CHECK(status.attention->cause == "agent/overdue");
        CHECK(status.attention->error.message.find(c.says) != std::string::npos);
        CHECK(status.conditions.back().message == status.attention->error.message);
        CHECK(agent::attention_code_of(status) == c.exit_code);
    }
}

TEST_CASE("overdue: what a limit holds is not") {
    agent::CertificateConfig certificate = fixtures::certificate();
    agent::CertificateStatus status =
        agent::status_of(certificate, aged(63 * kDay), /*has_open_order=*/false, 1h, kNow);
    agent::hold_back(status, {.until = kNow + 1h, .reason = "5 a week"});
    agent::note_overdue(status, 1h, kNow);
    CHECK_FALSE(status.attention);
}
