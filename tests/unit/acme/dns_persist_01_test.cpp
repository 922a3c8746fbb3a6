// SPDX-License-Identifier: Apache-2.0
// dns-persist-01: the record to add, what the records found are worth, and what is said where one is missing.
#include "acme/solvers/dns_persist_01.hpp"

#include <map>
#include <ostream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/unit/acme/fakes.hpp"
#include "tests/unit/base/name_servers.hpp"

using acme::PersistJudgement;
using fakes::code_of;
using fakes::contains;
using fakes::message_of;
using State = PersistJudgement::State;

namespace {

const std::string kAccount = "https://ca.example/acct/7";

acme::ChallengeTask task(const std::string& name) {
    return {.identifier = base::parse_identifier(name).value(),
            .account_url = kAccount,
            .issuer_domains = {"ca.example", "ca2.example"}};
}

std::string unix_time(base::Seconds from_now) {
    return std::to_string((fakes::kNow + from_now).time_since_epoch().count());
}

}  // namespace

TEST_CASE("dns-persist-01: the record to add") {
    const auto plain = acme::record_for(task("a.example"));
    CHECK(plain.name == "_validation-persist.a.example.");
    CHECK(plain.value == "ca.example; accounturi=https://ca.example/acct/7");
    const auto wildcard = acme::record_for(task("*.a.example"));
    CHECK(wildcard.name == plain.name);
    CHECK(wildcard.value == plain.value + "; policy=wildcard");
    CHECK(acme::zone_line(wildcard) ==
          "_validation-persist.a.example. IN TXT \"ca.example; accounturi=https://ca.example/acct/7; "
          "policy=wildcard\"");
    const std::string long_line = acme::zone_line({.name = "x.", .value = std::string(300, 'a') + "\""});
    CHECK(long_line == "x. IN TXT \"" + std::string(255, 'a') + "\" \"" + std::string(45, 'a') + "\\\"\"");
}

TEST_CASE("dns-persist-01: what the values found are worth") {
    const std::string ours = "accounturi=" + kAccount;

    const struct {
        std::vector<std::string> values;
        State plain;
        State wildcard;
    } cases[] = {
        {{}, State::Missing, State::Missing},
        {{""}, State::Missing, State::Missing},
        {{"ca.example; " + ours}, State::Good, State::NoWildcard},
        {{"CA2.Example ;" + ours + ";policy=WildCard"}, State::Good, State::Good},
        {{"ca.example;" + ours + "; POLICY=wildcard; later=1;"}, State::Good, State::Good},
        {{"ca.example; " + ours + "; policy=other"}, State::Good, State::NoWildcard},
        {{"other.example; " + ours + "; policy=wildcard"}, State::OtherIssuer, State::OtherIssuer},
        {{"other.example; accounturi=x"}, State::Missing, State::Missing},
        {{"other.example; accounturi"}, State::Missing, State::Missing},
        {{"ca.example"}, State::OtherAccount, State::OtherAccount},
        {{"ca.example; accounturi=https://ca.example/acct/8"}, State::OtherAccount, State::OtherAccount},
        {{"ca.example; accounturi=HTTPS://ca.example/acct/7"}, State::OtherAccount, State::OtherAccount},
        {{"ca.example; " + ours + "; " + ours}, State::Unreadable, State::Unreadable},
        {{"ca.example; " + ours + "; policy"}, State::Unreadable, State::Unreadable},
        {{"ca.example; " + ours + "; persistUntil=soon"}, State::Unreadable, State::Unreadable},
        {{"ca.example; " + ours + "; persistUntil=-1"}, State::Unreadable, State::Unreadable},
        {{"ca.example; " + ours + "; persistUntil=99999999999999999999"},
         State::Unreadable,
         State::Unreadable},
        {{"ca.example; " + ours + "; policy=wildcard; persistUntil=" + unix_time(1h)},
         State::Good,
         State::Good},
        {{"ca.example; " + ours + "; policy=wildcard; persistUntil=" + unix_time(0s)},
         State::Ended,
         State::Ended},
        {{"junk", "ca.example; accounturi=x", "ca.example; " + ours}, State::Good, State::NoWildcard},
    };

    for (const auto& each : cases) {
        CAPTURE(each.values.empty() ? std::string() : each.values.back());
        CHECK((acme::judge_persist_values(each.values, task("a.example"), fakes::kNow).state == each.plain));
        CHECK((acme::judge_persist_values(each.values, task("*.a.example"), fakes::kNow).state ==
               each.wildcard));
    }
    const std::string until = "ca.example; " + ours + "; persistUntil=";
    const auto best =
        acme::judge_persist_values({until + unix_time(1h), until + unix_time(2h), until + unix_time(-1h)},
                                   task("a.example"), fakes::kNow);
    CHECK(best.until.value() == fakes::kNow + 2h);
    CHECK_FALSE(acme::judge_persist_values({until + unix_time(1h), "ca.example; " + ours}, task("a.example"),
                                           fakes::kNow)
                    .until);
}

TEST_CASE(
    "dns-persist-01: the record is looked for before the CA is asked to, and named where it is missing") {
    fakes::Clock clock;
    std::vector<acme::TxtAnswer> answers;
    std::string asked;
    const auto solver = acme::make_dns_persist_solver(
        [&](const std::string& name) -> base::Result<std::vector<acme::TxtAnswer>> {
            asked = name;
            return answers;
        },
        clock);
    CHECK(solver->type() == "dns-persist-01");
    const auto look = [&](const std::string& name) {
        const std::vector tasks{task(name)};
        CHECK(code_of(solver->present(tasks.front())) == "ok");
        return solver->wait_until_seen(tasks);
    };

    const auto none = look("*.a.example");
    CHECK(code_of(none) == "solver/record-missing");
    CHECK(asked == "_validation-persist.a.example.");
    CHECK(contains(none.error().hint, acme::zone_line(acme::record_for(task("*.a.example")))));

    const std::string good = acme::record_for(task("a.example")).value;
    answers = {{.server = "ns1.", .values = {good}}, {.server = "ns2.", .values = {}}};
    const auto half = look("a.example");
    CHECK(code_of(half) == "solver/record-missing");
    CHECK(contains(message_of(half), "ns2."));

    answers = {{.server = "ns1.", .values = {good}}, {.server = "ns2.", .values = {good}}};
    CHECK(code_of(look("a.example")) == "ok");
    CHECK(contains(message_of(look("*.a.example")), "without policy=wildcard"));
    CHECK(code_of(solver->clean_up(task("a.example"))) == "ok");
    acme::ChallengeTask nameless = task("a.example");
    nameless.issuer_domains.clear();
    CHECK(code_of(solver->present(nameless)) == "solver/present");
}

TEST_CASE("dns-persist-01: one record serves a wildcard and its parent, and the earliest end counts") {
    std::map<std::string, std::vector<std::string>> zone;
    const acme::TxtReader read = [&](const std::string& name) -> base::Result<std::vector<acme::TxtAnswer>> {
        return std::vector<acme::TxtAnswer>{{.server = "ns1.", .values = zone[name]}};
    };
    const std::vector tasks{task("a.example"), task("*.a.example"), task("b.example")};
    const auto find = [&](acme::IssuerNames names) {
        return acme::find_persist_records(read, tasks, names, fakes::kNow);
    };

    const auto none = find(acme::IssuerNames::Known);
    CHECK(code_of(none) == "solver/record-missing");
    CHECK(contains(message_of(none), "; and 1 more"));
    CHECK(none.error().hint ==
          "add these records to your DNS:  " + acme::zone_line(acme::record_for(task("*.a.example"))) +
              "  and  " + acme::zone_line(acme::record_for(task("b.example"))));

    const std::string a = acme::record_for(task("*.a.example")).value;
    const std::string b = acme::record_for(task("b.example")).value;
    zone["_validation-persist.a.example."] = {a};
    zone["_validation-persist.b.example."] = {b};
    const auto endless = find(acme::IssuerNames::Known);
    REQUIRE(endless);
    CHECK_FALSE(*endless);

    zone["_validation-persist.a.example."] = {a + "; persistUntil=" + unix_time(72h)};
    zone["_validation-persist.b.example."] = {b + "; persistUntil=" + unix_time(48h)};
    const auto end = find(acme::IssuerNames::Known);
    REQUIRE((end && *end));
    CHECK((**end == acme::RecordEnd{.name = "_validation-persist.b.example.", .at = fakes::kNow + 48h}));

    // Before a challenge has said which names count, our account is enough; what is missing still is.
    zone["_validation-persist.b.example."] = {"other.example; accounturi=" + kAccount};
    CHECK(contains(message_of(find(acme::IssuerNames::Known)), "under another name of the CA"));
    CHECK(code_of(find(acme::IssuerNames::Supposed)) == "ok");
    zone["_validation-persist.b.example."] = {"other.example; accounturi=x"};
    CHECK(code_of(find(acme::IssuerNames::Supposed)) == "solver/record-missing");
}

TEST_CASE("dns-persist-01: records are read from the authoritative servers, through delegations") {
    const std::string address = tests::free_loopback();
    const tests::Knot knot({{.name = "a.test",
                             .records = "@ NS ns1\n@ NS ns2\nns1 A " + address + "\nns2 A 192.0.2.53\n" +
                                        "_validation-persist TXT \"ca.example; \" \"accounturi=x\"\n" +
                                        "_validation-persist.www CNAME _validation-persist\n"}},
                           address);
    const base::Dns dns({knot.server()}, base::Milliseconds(200));
    for (const bool authoritative : {true, false}) {
        for (const std::string name : {"_validation-persist.a.test.", "_validation-persist.www.a.test."}) {
            const auto answers = acme::read_txt(dns, name, authoritative);
            REQUIRE(answers);
            REQUIRE(answers->size() == 1);
            CHECK(answers->front().values == std::vector<std::string>{"ca.example; accounturi=x"});
        }
        const auto nothing = acme::read_txt(dns, "_validation-persist.b.a.test.", authoritative);
        REQUIRE(nothing);
        CHECK(nothing->front().values.empty());
    }
}
