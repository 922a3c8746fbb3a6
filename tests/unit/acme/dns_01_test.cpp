// SPDX-License-Identifier: Apache-2.0
// dns-01 and dns-account-01: names and values against known vectors, delegations in a real zone, and what a
// provider is asked to do.
#include "acme/solvers/dns_01.hpp"

#include <mutex>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "tests/unit/acme/fakes.hpp"
#include "tests/unit/base/name_servers.hpp"

using fakes::code_of;

namespace {

using Texts = std::vector<std::string>;

acme::ChallengeTask task(const std::string& name, const std::string& token = "t") {
    return {.identifier = base::parse_identifier(name).value(),
            .token = token,
            .key_authorization = token + ".thumb",
            .account_url = "https://example.com/acme/acct/ExampleAccount"};
}

std::string value_of(const std::string& token) {
    return acme::dns_01_value(token + ".thumb");
}

/// Writes down what it is asked for.
class Provider final : public acme::DnsProvider {
  public:
    struct Log {
        Texts done{};  // "+ name zone value"
        base::Seconds wait{0};
        bool as_asked = false;
        bool refuses = false;
    };

    explicit Provider(Log& log) : log_(log) {}

    [[nodiscard]] bool takes_names_as_asked() const override { return log_.as_asked; }

    base::Result<base::Seconds> present(const acme::TxtRecord& record) override {
        if (log_.refuses) return base::fail(base::Code::ProviderDenied, "no such token");
        log_.done.push_back("+ " + record.name + " " + record.zone + " " + record.value);
        return log_.wait;
    }

    base::Result<void> clean_up(const acme::TxtRecord& record) override {
        log_.done.push_back("- " + record.name + " " + record.zone + " " + record.value);
        return {};
    }

  private:
    Log& log_;
};

/// A solver with the provider above, DNS that asks Knot, and a wait that writes down what is waited for.
struct Stage {
    Provider::Log log{};
    Texts waited{};
    fakes::Clock clock{};
    base::Dns dns;
    std::unique_ptr<acme::Solver> solver;

    explicit Stage(const base::DnsServer& server, acme::DnsChallenge challenge = acme::DnsChallenge::Dns01)
        : dns({server}, base::Milliseconds(500)),
          solver(acme::make_dns_solver({.challenge = challenge, .ttl = 30},
                                       {.provider = std::make_unique<Provider>(log),
                                        .dns = dns,
                                        .clock = clock,
                                        .wait = [this](std::span<const acme::ExpectedTxt> records) {
                                            for (const auto& each : records)
                                                waited.push_back(each.name + " " + each.value);
                                            return base::Result<void>();
                                        }})) {}
};

const tests::Knot& knot() {
    static const std::string address = tests::free_loopback();
    static const tests::Knot server(
        {{.name = "cdn.test",
          .records = "@ NS ns1.a.test.\n* CNAME lb.b.test.\n_acme-challenge.own CNAME "
                     "own.b.test.\n*._acme-challenge.all CNAME all.b.test.\n"},
         {.name = "a.test",
          .records = "@ NS ns1\nns1 A " + address +
                     "\n_acme-challenge.www CNAME www.acme.b.test.\n_acme-challenge.far DNAME b.test.\n"
                     "_acme-challenge.loop CNAME _acme-challenge.loop\n"},
         {.name = "b.test", .records = "@ NS ns1.a.test.\n"}},
        address);
    return server;
}

}  // namespace

TEST_CASE("dns-01: the value and the name, by known vectors") {
    // RFC 8555 §8.4: base64url(SHA-256(key authorization)); the digest of "abc" is FIPS 180's own.
    CHECK(acme::dns_01_value("abc") == "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
    CHECK(acme::dns_01_name({.value = "example.org"}) == "_acme-challenge.example.org.");
    CHECK(acme::dns_01_name({.value = "*.example.org"}) == "_acme-challenge.example.org.");
    // draft-ietf-acme-dns-account-label §3.2
    CHECK(
        acme::dns_account_01_name({.value = "example.org"}, "https://example.com/acme/acct/ExampleAccount") ==
        "_ujmmovf2vn55tgye._acme-challenge.example.org.");
    CHECK(acme::dns_account_01_name({.value = "*.example.org"},
                                    "https://example.com/acme/acct/ExampleAccount") ==
          "_ujmmovf2vn55tgye._acme-challenge.example.org.");
}

TEST_CASE("dns-01: wildcard and apex are two values at one name, each removed by itself") {
    Stage stage(knot().server());
    CHECK(stage.solver->type() == "dns-01");
    const std::vector<acme::ChallengeTask> both{task("a.test", "one"), task("*.a.test", "two")};
    for (const auto& each : both) REQUIRE(code_of(stage.solver->present(each)) == "ok");
    REQUIRE(code_of(stage.solver->wait_until_seen(both)) == "ok");
    REQUIRE(code_of(stage.solver->clean_up(both[0])) == "ok");
    const std::string name = "_acme-challenge.a.test.";
    CHECK(stage.log.done == Texts{"+ " + name + " a.test. " + value_of("one"),
                                  "+ " + name + " a.test. " + value_of("two"),
                                  "- " + name + " a.test. " + value_of("one")});
    CHECK(stage.waited == Texts{name + " " + value_of("one"), name + " " + value_of("two")});
    CHECK(stage.clock.slept().empty());
}

TEST_CASE("dns-01: the value goes to where a delegation leads, into the zone that is there") {
    Stage stage(knot().server());
    REQUIRE(code_of(stage.solver->present(task("www.a.test"))) == "ok");
    REQUIRE(code_of(stage.solver->clean_up(task("www.a.test"))) == "ok");
    CHECK(stage.log.done == Texts{"+ www.acme.b.test. b.test. " + value_of("t"),
                                  "- www.acme.b.test. b.test. " + value_of("t")});
    const auto circle = stage.solver->present(task("loop.a.test"));
    CHECK(code_of(circle) == "dns/loop");
}

TEST_CASE("dns-01: a wildcard CNAME of the whole zone is no delegation") {
    struct Case {
        std::string_view name;
        std::string_view want;
        acme::DnsChallenge challenge = acme::DnsChallenge::Dns01;
    };

    using enum acme::DnsChallenge;
    for (const Case& c : {
             Case{.name = "www.cdn.test", .want = "_acme-challenge.www.cdn.test. cdn.test."},
             Case{.name = "*.cdn.test", .want = "_acme-challenge.cdn.test. cdn.test."},
             Case{.name = "own.cdn.test", .want = "own.b.test. b.test."},
             Case{.name = "www.cdn.test",
                  .want = "_ujmmovf2vn55tgye._acme-challenge.www.cdn.test. cdn.test.",
                  .challenge = DnsAccount01},
             Case{.name = "all.cdn.test", .want = "all.b.test. b.test.", .challenge = DnsAccount01},
         }) {
        CAPTURE(c.want);
        Stage stage(knot().server(), c.challenge);
        REQUIRE(code_of(stage.solver->present(task(std::string(c.name)))) == "ok");
        CHECK(stage.log.done == Texts{"+ " + std::string(c.want) + " " + value_of("t")});
    }
}

TEST_CASE("dns-01: what a run that died left behind is cleaned up where it was put") {
    Stage stage(knot().server());
    REQUIRE(code_of(stage.solver->clean_up(task("www.a.test"))) == "ok");
    CHECK(stage.log.done == Texts{"- www.acme.b.test. b.test. " + value_of("t")});
}

TEST_CASE("dns-01: a provider that wants names as asked gets them") {
    Stage stage(knot().server());
    stage.log.as_asked = true;
    const std::vector<acme::ChallengeTask> tasks{task("www.a.test")};
    REQUIRE(code_of(stage.solver->present(tasks[0])) == "ok");
    REQUIRE(code_of(stage.solver->wait_until_seen(tasks)) == "ok");
    CHECK(stage.log.done == Texts{"+ _acme-challenge.www.a.test.  " + value_of("t")});
    CHECK(stage.waited == Texts{"_acme-challenge.www.a.test. " + value_of("t")});
}

TEST_CASE("dns-01: the longest wait that was asked for is waited once, from when it was asked for") {
    Stage stage(knot().server());
    const std::vector<acme::ChallengeTask> tasks{task("a.test", "one"), task("*.a.test", "two"),
                                                 task("a.test", "never presented")};
    stage.log.wait = 30s;
    REQUIRE(code_of(stage.solver->present(tasks[0])) == "ok");
    stage.clock.sleep(5s);
    stage.log.wait = 10s;
    REQUIRE(code_of(stage.solver->present(tasks[1])) == "ok");
    REQUIRE(code_of(stage.solver->wait_until_seen(tasks)) == "ok");
    CHECK(stage.clock.slept() == std::vector<base::Milliseconds>{5s, 25s});
    CHECK(stage.waited.size() == 2);
}

TEST_CASE("dns-account-01: the account's own name") {
    Stage stage(knot().server(), acme::DnsChallenge::DnsAccount01);
    CHECK(stage.solver->type() == "dns-account-01");
    REQUIRE(code_of(stage.solver->present(task("*.a.test"))) == "ok");
    CHECK(stage.log.done == Texts{"+ _ujmmovf2vn55tgye._acme-challenge.a.test. a.test. " + value_of("t")});
}

TEST_CASE("dns-01: what cannot be presented") {
    Stage stage(knot().server());
    CHECK(code_of(stage.solver->present(task("192.0.2.1"))) == "solver/present");
    CHECK(code_of(stage.solver->clean_up(task("192.0.2.1"))) == "ok");
    stage.log.refuses = true;
    CHECK(code_of(stage.solver->present(task("a.test"))) == "provider/denied");
    CHECK(stage.log.done.empty());
}
