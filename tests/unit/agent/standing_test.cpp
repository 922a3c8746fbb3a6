// SPDX-License-Identifier: Apache-2.0
// Records that the user keeps in DNS: when they are looked at, and what is said of those that will not do.
#include "agent/plan/standing.hpp"

#include <ostream>

#include <doctest/doctest.h>

#include "agent/tell/status.hpp"
#include "agent/tell/why.hpp"
#include "tests/unit/agent/fixtures.hpp"

using namespace std::chrono_literals;
using base::Code;

using fixtures::failure;
using fixtures::kNow;
using fixtures::well;

namespace {

agent::CertificateConfig certificate() {
    agent::CertificateConfig config = fixtures::certificate();
    config.has_standing_records = true;
    return config;
}

agent::StandingRecords ending(base::Instant at) {
    return {.looked_at = kNow - 20h,
            .end = acme::RecordEnd{.name = "_validation-persist.example.com.", .at = at}};
}

using Seen = base::Result<std::optional<acme::RecordEnd>>;

Seen missing() {
    return base::fail(Code::SolverRecordMissing, "it is gone", "add it");
}

Seen unasked() {
    return base::fail(Code::CaUnreachable, "it does not answer");
}

agent::CertificateStatus status_with(const agent::Record& record) {
    static const agent::CertificateConfig config = certificate();
    return agent::status_of(config, record, /*has_open_order=*/false, 1h, kNow);
}

}  // namespace

TEST_CASE("standing records: looked at daily, and sooner while something is wrong") {
    agent::Record record = well();
    const auto next = [&](bool is_eager = false) {
        return agent::next_look_at_records(certificate(), record, kNow, is_eager);
    };
    CHECK_FALSE(agent::next_look_at_records(fixtures::certificate(), record, kNow, /*is_eager=*/true));
    CHECK(next() == kNow);  // never yet
    record.standing = agent::StandingRecords{.looked_at = kNow - 1s};
    REQUIRE(next());
    CHECK(*next() > kNow);
    CHECK(*next() <= kNow + 24h);
    CHECK(next(/*is_eager=*/true) == next());
    record.standing->looked_at = kNow - 24h;
    CHECK(*next() <= kNow);
    record.standing->looked_at = kNow + 90 * 24h;  // written under a wrong clock
    CHECK(next() == kNow);
    record.standing =
        agent::StandingRecords{.looked_at = kNow, .failure = failure(Code::SolverRecordMissing)};
    CHECK(next() == kNow + 300s);
    CHECK(next(/*is_eager=*/true) == kNow);

    agent::Record fresh{.name = "example.com", .first_seen = kNow};
    CHECK_FALSE(agent::next_look_at_records(certificate(), fresh, kNow, false));
    fresh.issuance = failure(Code::SolverRecordMissing);
    CHECK(agent::next_look_at_records(certificate(), fresh, kNow, false) == kNow);
}

TEST_CASE(
    "standing records: one that ends too early is solver/record-ends, and attention when it is too late") {
    struct Case {
        std::string_view name;
        base::Seconds left;
        bool is_told;
        bool needs_attention;
    };

    // The certificate is renewed in 59 days and expires in 89.
    for (const Case& c : {
             Case{"after the certificate", 90 * 24h, false, false},
             Case{"after the renewal, before the certificate ends", 88 * 24h, true, false},
             Case{"before the renewal", 58 * 24h, true, true},
             Case{"over", -1h, true, true},
         }) {
        CAPTURE(c.name);
        agent::Record record = well();
        record.standing = ending(kNow + c.left);
        const auto error = agent::ending_record(certificate(), record, kNow);
        REQUIRE(error.has_value() == c.is_told);
        if (error) {
            CHECK(base::to_string(error->error.code) == "solver/record-ends");
            CHECK(error->since == record.wanted()->issued_at);
        }
        const auto status = status_with(record);
        CHECK(status.conditions.size() == (c.is_told ? 1U : 0U));
        CHECK(status.attention.has_value() == c.needs_attention);
        const std::string why = agent::to_text(agent::explain(status, kNow), kNow, 1000);
        CHECK((why.find("give it a later persistUntil, or none") != std::string::npos) == c.is_told);
    }
    agent::Record record = well();
    record.generations = {fixtures::generation(1, 24h, 6 * 24h)};
    record.standing = ending(kNow + 29 * 24h);
    CHECK(agent::ending_record(certificate(), record, kNow));
    record.standing = ending(kNow + 31 * 24h);
    CHECK_FALSE(agent::ending_record(certificate(), record, kNow));
    CHECK_FALSE(agent::ending_record(fixtures::certificate(), record, kNow));
}

TEST_CASE("standing records: one that is missing is a condition, once, and attention when it stays so") {
    agent::Record record = well();
    record.standing =
        agent::StandingRecords{.looked_at = kNow, .failure = failure(Code::SolverRecordMissing)};
    CHECK(status_with(record).conditions.size() == 1);
    CHECK_FALSE(status_with(record).attention);
    record.standing->failure->since = kNow - 7h;
    REQUIRE(status_with(record).attention);
    CHECK(status_with(record).attention->cause == "solver/record-missing/records");
    const std::string why = agent::to_text(agent::explain(status_with(record), kNow), kNow, 1000);
    CHECK(why.find("at         record") != std::string::npos);
    record.issuance = failure(Code::SolverRecordMissing);
    CHECK(status_with(record).conditions.size() == 1);
}

TEST_CASE("standing records: a look that shows them well ends what was wrong") {
    const auto first = agent::next_standing(std::nullopt, {{"ca", missing()}}, kNow, 0.5);
    REQUIRE(first.failure);
    CHECK(first.failure->count == 1);
    CHECK(first.failure->next_attempt == kNow + 30s);
    const auto second = agent::next_standing(first, {{"ca", missing()}}, kNow + 30s, 0.5);
    CHECK(second.failure->count == 2);
    CHECK(second.failure->since == kNow);
    const auto end = acme::RecordEnd{.name = "x.", .at = kNow + 24h};
    const auto well_again = agent::next_standing(second, {{"ca", std::optional(end)}}, kNow + 1h, 0.5);
    CHECK_FALSE(well_again.failure);
    CHECK(well_again.end == end);
    CHECK(well_again.looked_at == kNow + 1h);
}

TEST_CASE("standing records: of several CAs the first that is not well is told, else the earliest end") {
    const auto ends = [](base::Seconds in) { return Seen(acme::RecordEnd{.name = "x.", .at = kNow + in}); };
    const Seen for_ever{std::optional<acme::RecordEnd>{}};
    const auto next = [](Seen one, Seen two, const std::optional<agent::StandingRecords>& before = {}) {
        return agent::next_standing(before, {{"one", std::move(one)}, {"two", std::move(two)}}, kNow, 0.5);
    };
    CHECK(next(for_ever, for_ever) == agent::StandingRecords{.looked_at = kNow});
    CHECK(next(ends(3h), ends(2h)).ca == "two");
    CHECK(next(ends(2h), ends(3h)).ca == "one");
    CHECK(next(for_ever, ends(3h)).end->at == kNow + 3h);
    const auto lacks_second = next(ends(3h), missing());
    REQUIRE(lacks_second.failure);
    CHECK(lacks_second.ca == "two");
    CHECK_FALSE(lacks_second.end);
    CHECK(next(missing(), missing()).ca == "one");
    CHECK(next(missing(), missing(), lacks_second).failure->count == 1);
    CHECK(next(for_ever, missing(), lacks_second).failure->count == 2);

    // What is known of a CA's stays while it cannot be asked, and hides nothing of another's.
    const auto waits = next(for_ever, unasked(), lacks_second);
    CHECK(waits.failure->count == 1);
    CHECK(waits.failure->next_attempt == kNow + 15min);
    CHECK(next(missing(), unasked(), lacks_second).ca == "one");
    CHECK_FALSE(next(unasked(), for_ever, lacks_second).failure);
    CHECK(next(unasked(), ends(3h), next(ends(2h), ends(3h))).ca == "one");
    CHECK(next(unasked(), ends(1h), next(ends(2h), ends(3h))).ca == "two");
    CHECK(next(unasked(), unasked()) == agent::StandingRecords{.looked_at = kNow});
}
