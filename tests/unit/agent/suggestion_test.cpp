// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/suggestion.hpp"

#include <optional>
#include <ostream>
#include <string_view>

#include <doctest/doctest.h>

#include "agent/plan/plan.hpp"
#include "tests/unit/agent/fixtures.hpp"

using agent::Record;
using agent::RenewalReason;
using fixtures::certificate;
using fixtures::failure;
using fixtures::generation;
using fixtures::kNow;
using fixtures::well;
using namespace std::chrono_literals;

namespace {

/// The CA wanted it replaced a day ago.
agent::Suggestion past(int number) {
    return {.generation = number, .start = kNow - 48h, .end = kNow - 24h, .at = kNow - 30h};
}

}  // namespace

TEST_CASE("suggestion: a CA that wants one generation after another replaced at once is believed twice") {
    struct Case {
        std::string_view name;
        int in_a_row;
        base::Seconds age, life;
        base::Seconds in;  // from now
    };

    for (const Case& c : {
             Case{"the first time", 0, 6h, 90 * 24h, -30h},
             Case{"once more, soon after", 1, 6h, 90 * 24h, -30h},
             Case{"and again", 2, 6h, 90 * 24h, 18h},
             Case{"for ever", 7, 6h, 90 * 24h, 18h},
             Case{"a day is over", 2, 25h, 90 * 24h, -1h},
             Case{"a short life", 2, 4h, 6 * 24h, 37'440s},
             Case{"issued under a clock ahead of ours", 2, -1h, 90 * 24h, -30h},
         }) {
        CAPTURE(c.name);
        agent::GenerationRecord current = generation(3, c.age, c.life);
        current.early_in_a_row = c.in_a_row;
        CHECK(agent::renewal_suggested(past(3), current, kNow, 0s) == kNow + c.in);
    }
}

TEST_CASE("suggestion: how many in a row their CA wanted replaced, and nobody else") {
    struct Case {
        std::string_view name;
        base::Seconds age;  // of the one that is replaced now
        int before;         // its own count
        bool is_suggested, is_forced;
        int expected;
    };

    for (const Case& c : {
             Case{"by its age", 60 * 24h, 0, false, false, 0},
             Case{"as suggested, at its time", 60 * 24h, 1, true, false, 0},
             Case{"six hours after it was issued", 6h, 0, true, false, 1},
             Case{"once more", 6h, 1, true, false, 2},
             Case{"a day after", 25h, 2, true, false, 3},
             Case{"two days after", 48h, 2, true, false, 0},
             Case{"by a person", 6h, 2, true, true, 0},
             Case{"for a change of its names", 6h, 2, false, false, 0},
             Case{"issued under a clock ahead of ours", -1h, 2, true, false, 0},
         }) {
        CAPTURE(c.name);
        Record record = well();
        record.generations = {generation(3, c.age)};
        record.generations.back().early_in_a_row = c.before;
        if (c.is_suggested) record.suggestion = past(3);
        CHECK(agent::early_in_a_row(record, c.is_forced, kNow) == c.expected);
    }
    CHECK(agent::early_in_a_row({}, false, kNow) == 0);
    Record of_another = well();
    of_another.generations = {generation(4, 6h)};
    of_another.suggestion = past(3);
    CHECK(agent::early_in_a_row(of_another, false, kNow) == 0);
}

TEST_CASE("suggestion: what the CA suggests (RFC 9773) counts, as far as it is safe") {
    struct Case {
        std::string_view name;
        base::Seconds start, end, at;  // from now
        std::optional<base::Seconds> renew_before;
        RenewalReason reason;
        base::Seconds in;
    };

    // Generation 3 was issued a day ago for 90 days: by its age alone it is renewed in 59 days.
    for (const Case& c : {
             Case{"earlier", 240h, 288h, 250h, {}, RenewalReason::Ari, 250h},
             Case{"later", 61 * 24h, 63 * 24h, 62 * 24h, {}, RenewalReason::Ari, 62 * 24h},
             Case{"later than is safe", 100 * 24h, 110 * 24h, 105 * 24h, {}, RenewalReason::Ari, 2028h},
             Case{"past: now", -48h, -24h, -30h, {}, RenewalReason::Ari, -30h},
             Case{"the user has said when", 240h, 288h, 250h, 720h, RenewalReason::Configured, 59 * 24h},
             Case{"but the CA will revoke", -48h, -24h, -30h, 720h, RenewalReason::Ari, -30h},
         }) {
        CAPTURE(c.name);
        agent::CertificateConfig certificate = fixtures::certificate();
        certificate.renew_before = c.renew_before;
        agent::Record record = well();
        record.suggestion = agent::Suggestion{
            .generation = 3, .start = kNow + c.start, .end = kNow + c.end, .at = kNow + c.at};
        const agent::Plan p = plan(certificate, record, {.now = kNow});
        CHECK(p.renewal.reason == c.reason);
        CHECK(p.renewal.at - kNow == c.in);

        record.suggestion->generation = 2;  // of the one before: not heard any more
        CHECK(plan(certificate, record, {.now = kNow}).renewal.reason != RenewalReason::Ari);
    }
}

TEST_CASE("suggestion: a timer that runs every hour renews in the CA's window") {
    constexpr base::Seconds kHour = 1h;
    constexpr base::Seconds kWindow = 11'520s;  // of Let's Encrypt, for 160 hours
    for (base::Seconds start = 0s; start <= kHour; start += 10min) {
        for (base::Seconds at = 0s; at <= kWindow; at += 17min) {
            CAPTURE(start.count());
            CAPTURE(at.count());
            agent::Record record = well();
            const base::Instant opens = kNow + kHour + start;
            record.suggestion =
                agent::Suggestion{.generation = 3, .start = opens, .end = opens + kWindow, .at = opens + at};
            base::Instant run = kNow;
            while (plan(certificate(), record, {.now = run, .sleeps_for = kHour}).renewal.at > run)
                run += kHour;
            CHECK(run >= opens);
            CHECK(run <= opens + kWindow);
            CHECK(run - (opens + at) < kHour);
            CHECK((opens + at) - run < kHour);
        }
    }
    // One that is narrower than an hour may lie between two runs.
    agent::Record record = well();
    record.suggestion =
        agent::Suggestion{.generation = 3, .start = kNow + 10min, .end = kNow + 50min, .at = kNow + 30min};
    CHECK(plan(certificate(), record, {.now = kNow, .sleeps_for = kHour}).renewal.at == kNow);
    CHECK(plan(certificate(), record, {.now = kNow}).renewal.at == kNow + 30min);  // the agent
}

TEST_CASE("suggestion: an instant does not undo a backoff") {
    agent::Record record = well();
    record.suggestion =
        agent::Suggestion{.generation = 3, .start = kNow - 2h, .end = kNow - 1h, .at = kNow - 90min};
    record.issuance = failure(base::Code::CaUnreachable);
    CHECK(plan(certificate(), record, {.now = kNow}).renewal.at == kNow + 300s);
}

TEST_CASE("suggestion: when the CA is asked for it") {
    agent::Record record = well();
    CHECK_FALSE(
        plan(certificate(), record, {.now = kNow}).ask_ca_at);  // no issuer's key in it: it cannot be named
    record.generations.back().renewal_id = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE";
    CHECK(plan(certificate(), record, {.now = kNow}).ask_ca_at == kNow - 18h);  // six hours after issuance
    record.suggestion = agent::Suggestion{.generation = 3, .ask_again = kNow + 2h};
    CHECK(plan(certificate(), record, {.now = kNow}).ask_ca_at == kNow + 2h);
    record.suggestion->generation = 2;
    CHECK(plan(certificate(), record, {.now = kNow}).ask_ca_at == kNow - 18h);
    record.generations.back().not_after = kNow;  // RFC 9773 §4.3: not after expiry
    CHECK_FALSE(plan(certificate(), record, {.now = kNow}).ask_ca_at);
}
