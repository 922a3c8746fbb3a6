// SPDX-License-Identifier: Apache-2.0
// The planner where a certificate has several CAs, as tables: which is asked, and what asks for a new order.
#include <ostream>

#include <doctest/doctest.h>

#include "agent/plan/plan.hpp"
#include "tests/unit/agent/fixtures.hpp"

using namespace std::chrono_literals;
using agent::RenewalReason;

using fixtures::failure;
using fixtures::generation;
using fixtures::kNow;
using fixtures::well;

namespace agent {
// doctest finds this beside the enum.
static doctest::String toString(RenewalReason reason) {
    return std::string(to_string(reason)).c_str();
}
}  // namespace agent

namespace {

agent::Plan plan(const agent::CertificateConfig& certificate, const agent::Record& record) {
    return agent::plan(certificate, record, {.now = kNow, .verify_every = 1h});
}

}  // namespace

TEST_CASE("plan: another CA of the list is asked when the first has failed three times, or time is short") {
    struct Case {
        std::string_view name;
        base::Code code;
        int ca_failures;
        base::Seconds age;  // of 90 days
        std::size_t cas;
        bool want;
    };

    for (const Case& c : {
             Case{"first failure", base::Code::CaUnreachable, 1, 61 * 24h, 2, false},
             Case{"third failure", base::Code::CaServerError, 3, 61 * 24h, 2, true},
             Case{"a limit of the CA", base::Code::CaRateLimited, 3, 61 * 24h, 2, true},
             Case{"time is short", base::Code::CaUnreachable, 1, 70 * 24h, 2, true},
             Case{"our own trouble", base::Code::CaValidationFailed, 9, 89 * 24h, 2, false},
             Case{"our own trouble with DNS", base::Code::DnsNotPropagated, 9, 89 * 24h, 2, false},
             Case{"nobody else to ask", base::Code::CaUnreachable, 9, 89 * 24h, 1, false},
         }) {
        CAPTURE(c.name);
        agent::CertificateConfig certificate = fixtures::certificate();
        if (c.cas == 2) certificate.ca.emplace_back("other");
        agent::Record record = well();
        record.generations = {generation(3, c.age)};
        CHECK(agent::may_ask_another_ca(certificate, record, {.code = c.code}, c.ca_failures, kNow) ==
              c.want);
    }
    // Before the first generation there is no lifetime to run short of.
    agent::CertificateConfig certificate = fixtures::certificate();
    certificate.ca.emplace_back("other");
    const agent::Record fresh{.name = "example.com"};
    CHECK_FALSE(agent::may_ask_another_ca(certificate, fresh, {.code = base::Code::CaUnreachable}, 2, kNow));
    CHECK(agent::may_ask_another_ca(certificate, fresh, {.code = base::Code::CaUnreachable}, 3, kNow));
}

TEST_CASE("plan: a CA that is still at work on an order is waited for until time is short, or for a day") {
    agent::CertificateConfig certificate = fixtures::certificate();
    certificate.ca.emplace_back("other");
    const base::Error at_work{.code = base::Code::CaOrderPending};
    agent::Record record = well();
    record.generations = {generation(3, 61 * 24h)};
    CHECK_FALSE(agent::may_ask_another_ca(certificate, record, at_work, 9, kNow));
    record.generations = {generation(3, 70 * 24h)};
    CHECK(agent::may_ask_another_ca(certificate, record, at_work, 0, kNow));

    agent::Record fresh{.name = "example.com"};
    CHECK_FALSE(agent::may_ask_another_ca(certificate, fresh, at_work, 0, kNow));
    fresh.issuance = failure(base::Code::CaOrderPending, 9, 23h);
    CHECK_FALSE(agent::may_ask_another_ca(certificate, fresh, at_work, 0, kNow));
    fresh.issuance = failure(base::Code::CaOrderPending, 9, 24h);
    CHECK(agent::may_ask_another_ca(certificate, fresh, at_work, 0, kNow));
}

TEST_CASE("plan: which open orders are gone on with") {
    agent::CertificateConfig certificate = fixtures::certificate();
    certificate.profiles = {{"letsencrypt", ""}, {"once", ""}};
    const auto is_wanted = [&](const std::string& ca, const std::string& profile = "") {
        agent::OrderedFor what = agent::wanted_order(certificate, ca);
        what.profile = profile;
        return !agent::wanted_orders(certificate, {agent::OpenOrder{.ordered_for = what}}).empty();
    };
    CHECK(is_wanted("letsencrypt"));
    CHECK_FALSE(is_wanted("letsencrypt", "shortlived"));
    CHECK(is_wanted("once"));  // of no list, and still there
    CHECK_FALSE(is_wanted("gone"));
    CHECK_FALSE(agent::is_any_placed({agent::OpenOrder{}}));
    CHECK(agent::is_any_placed({agent::OpenOrder{}, agent::OpenOrder{.url = "https://ca.test/order/1"}}));
}

TEST_CASE(
    "plan: a generation of the second CA is kept until it is due, and another list of CAs is a change") {
    agent::CertificateConfig certificate = fixtures::certificate();
    certificate.ca.emplace_back("other");
    agent::Record record = well();
    record.generations.back().ordered_for = agent::wanted_order(certificate, "other");
    CHECK(plan(certificate, record).renewal.reason == RenewalReason::Lifetime);
    certificate.ca.pop_back();
    CHECK(plan(certificate, record).renewal.reason == RenewalReason::ConfigChanged);
}

TEST_CASE("plan: which lists of CAs ask for a new order") {
    using Names = std::vector<std::string>;

    struct Case {
        std::string_view name;
        std::string ca;  // ordered from
        Names before, now;
        bool is_changed;
    };

    for (const Case& c : {
             Case{"the same", "a", {"a", "b"}, {"a", "b"}, false},
             Case{"another one to fall back on", "a", {"a"}, {"a", "b"}, false},
             Case{"none to fall back on any more", "a", {"a", "b"}, {"a"}, false},
             Case{"another first", "a", {"a"}, {"b"}, true},
             Case{"another first, and the old one behind it", "a", {"a"}, {"b", "a"}, true},
             Case{"of the second, which stays", "b", {"a", "b"}, {"a", "c", "b"}, false},
             Case{"of the second, which leaves", "b", {"a", "b"}, {"a", "c"}, true},
             Case{"of the second, which is the first now", "b", {"a", "b"}, {"b", "a"}, false},
             Case{"of one for this once", "x", {"a", "b"}, {"a"}, false},
             Case{"of one for this once, and another first", "x", {"a"}, {"b"}, true},
         }) {
        CAPTURE(c.name);
        agent::CertificateConfig certificate = fixtures::certificate();
        certificate.ca = c.before;
        agent::Record record = well();
        record.generations.back().ordered_for = agent::wanted_order(certificate, c.ca);
        certificate.ca = c.now;
        const auto reason = plan(certificate, record).renewal.reason;
        CHECK((reason == RenewalReason::ConfigChanged) == c.is_changed);
    }
}

TEST_CASE("plan: another directory under a CA's name asks for a new order") {
    agent::CertificateConfig certificate = fixtures::certificate();
    certificate.directories = {{"letsencrypt", "https://staging.test/dir"}};
    agent::Record record = well();
    // Of an earlier renewd, which did not keep it.
    CHECK(plan(certificate, record).renewal.reason == RenewalReason::Lifetime);
    record.generations.back().ordered_for = agent::wanted_order(certificate, "letsencrypt");
    CHECK(plan(certificate, record).renewal.reason == RenewalReason::Lifetime);
    const auto before = agent::plan_fingerprint(certificate, 1h);
    certificate.directories = {{"letsencrypt", "https://production.test/dir"}};
    CHECK(plan(certificate, record).renewal.reason == RenewalReason::ConfigChanged);
    CHECK(agent::plan_fingerprint(certificate, 1h) != before);
}

TEST_CASE("plan: what was ordered is of the CA with its directory, whatever has its name now") {
    agent::Config config;
    config.cas["a"] = {.name = "a", .directory = "https://a.test/dir"};
    CHECK(agent::issuer_of(config, {.ca = "a", .directory = "https://a.test/dir"}) == &config.cas.at("a"));
    CHECK(agent::issuer_of(config, {.ca = "a"}) == &config.cas.at("a"));  // of an earlier renewd
    CHECK(agent::issuer_of(config, {.ca = "a", .directory = "https://staging.test/dir"}) == nullptr);
    CHECK(agent::issuer_of(config, {.ca = "b"}) == nullptr);
}
