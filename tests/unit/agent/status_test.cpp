// SPDX-License-Identifier: Apache-2.0
// What a record amounts to for a person, for a script and for a monitor.
#include <ostream>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "agent/tell/exit_code.hpp"
#include "agent/tell/overview.hpp"
#include "tests/unit/agent/fixtures.hpp"

using namespace std::chrono_literals;
using deployers::Verdict;

using fixtures::failure;
using fixtures::generation;
using fixtures::kNow;
using fixtures::seen;
using fixtures::well;

namespace {

agent::CertificateStatus status_of(const agent::CertificateConfig& certificate, const agent::Record& record,
                                   bool has_open_order = false) {
    return agent::status_of(certificate, record, has_open_order, 1h, kNow);
}

/// Generation 3 is installed on "web"; its endpoint shows `verdict`.
agent::Record showing(Verdict verdict, const std::string& leaf, int serving) {
    agent::Record record = well();
    record.served_told = 2;
    record.targets[0].endpoints = seen(verdict, leaf);
    record.targets[0].serving = serving;
    record.targets[0].failure = failure(base::Code::VerifyStale);
    return record;
}

}  // namespace

TEST_CASE("status: states, exit codes of the work, and what a monitor hears") {
    struct Case {
        std::string_view name;
        std::function<agent::Record()> record;
        std::string_view state, target;
        int exit_code, attention_code;
    };

    for (const Case& c : {
             Case{"well", well, "ok", "serving", 0, 0},
             Case{"just added", [] { return agent::Record{.name = "example.com", .first_seen = kNow}; },
                  "never_issued", "pending", 3, 0},
             Case{"added, and still nothing",
                  [] { return agent::Record{.name = "example.com", .first_seen = kNow - 2h}; },
                  "never_issued", "pending", 3, 3},
             Case{"one order failed",
                  [] {
                      auto r = well();
                      r.issuance = failure(base::Code::CaUnreachable);
                      return r;
                  },
                  "failing", "serving", 3, 0},
             Case{"three orders failed",
                  [] {
                      auto r = well();
                      r.issuance = failure(base::Code::CaUnreachable, 3);
                      return r;
                  },
                  "failing", "serving", 3, 3},
             Case{"orders fail for six hours",
                  [] {
                      auto r = well();
                      r.issuance = failure(base::Code::CaUnreachable, 2, 6h);
                      return r;
                  },
                  "failing", "serving", 3, 3},
             Case{"issued, not deployed",
                  [] {
                      auto r = well();
                      r.generations.push_back(generation(4));
                      return r;
                  },
                  "deploying", "pending", 4, 0},
             Case{"a host is down",
                  [] {
                      auto r = well();
                      r.generations.push_back(generation(4));
                      r.targets[0].failure = failure(base::Code::HostUnreachable);
                      return r;
                  },
                  "failing", "failing", 4, 0},
             Case{"a reload did nothing", [] { return showing(Verdict::Stale, "leaf2", 2); }, "unserved",
                  "stale", 5, 5},
             Case{"somebody else's certificate", [] { return showing(Verdict::Foreign, "strange", 0); },
                  "unserved", "failing", 5, 5},
             Case{"served once, and no more",
                  [] {
                      auto r = showing(Verdict::Stale, "leaf2", 2);
                      r.served_told = 3;
                      return r;
                  },
                  "unserved", "drifted", 5, 5},
             Case{"was not running",
                  [] {
                      auto r = showing(Verdict::Unreachable, "", 0);
                      r.targets[0].failure = failure(base::Code::DeployNotRunning);
                      return r;
                  },
                  "unserved", "unknown", 5, 5},
             Case{"a hook fails",
                  [] {
                      auto r = well();
                      r.hooks = {{.event = "deployed", .failure = failure(base::Code::HookFailed)}};
                      return r;
                  },
                  "ok", "serving", 4, 4},
         }) {
        CAPTURE(c.name);
        const agent::CertificateConfig certificate = fixtures::certificate();
        const agent::CertificateStatus status = status_of(certificate, c.record());
        CHECK(agent::to_string(status.state) == c.state);
        CHECK(agent::to_string(status.targets.at(0).state) == c.target);
        CHECK(agent::exit_code_of(status) == c.exit_code);
        CHECK(agent::attention_code_of(status) == c.attention_code);
    }
}

TEST_CASE("status: the last tenth and the last three days are critical, whatever the reason") {
    const agent::CertificateConfig certificate = fixtures::certificate();
    agent::Record record = well();
    record.targets[0].endpoints[0].addresses[0].not_after = kNow + 48h;
    const auto running_out = status_of(certificate, record);
    REQUIRE(running_out.attention);
    CHECK(running_out.attention->is_critical);
    record.targets[0].endpoints[0].addresses[0].not_after = kNow - 1h;
    CHECK(status_of(certificate, record).state == agent::CertificateState::Expired);
}

TEST_CASE("status: a public name that does not resolve, or answers wrongly, is told") {
    agent::CertificateConfig certificate = fixtures::certificate();
    certificate.endpoints = certificate.targets[0].endpoints;
    agent::Record record = well();
    record.endpoints_verified_at = kNow - 5min;

    struct Case {
        std::string_view name;
        std::vector<deployers::EndpointVerdict> seen;
        std::string_view code;
        std::string_view message;
    };

    deployers::EndpointVerdict two = seen(Verdict::Foreign, "strange")[0];
    two.addresses.push_back({.address = "[2001:db8::7]:443",
                             .verdict = Verdict::NotReachableFromHere,
                             .error = "no route from here"});
    deployers::EndpointVerdict elsewhere = deployers::combine("https://v6.example.com", {two.addresses[1]});
    for (const Case& c :
         {Case{"no address",
               {{.endpoint = "https://example.com"}},
               "verify/unresolved",
               "example.com: https://example.com does not resolve"},
          Case{"one of two families",
               {two},
               "verify/foreign",
               "example.com: https://example.com at 192.0.2.7:443: serves something else"},
          Case{"no family",
               {elsewhere},
               "verify/unreachable",
               "example.com: https://v6.example.com at [2001:db8::7]:443: no route from here"},
          Case{"several",
               {{.endpoint = "https://example.com"}, two, elsewhere},
               "verify/foreign",
               "example.com: https://example.com does not resolve (and 2 more)"}}) {
        CAPTURE(c.name);
        record.endpoints = c.seen;
        const auto status = status_of(certificate, record);
        CHECK(agent::to_string(status.state) == "unserved");
        REQUIRE(status.attention);
        CHECK(status.attention->cause == std::string(c.code) + "/endpoints");
        CHECK(status.attention->error.message == c.message);
        REQUIRE(status.conditions.size() == 1);
        CHECK(status.conditions[0].code == c.code);
        CHECK(agent::attention_code_of(status) == 5);
    }
    record.endpoints = seen(Verdict::Serving, "leaf3");
    CHECK_FALSE(status_of(certificate, record).attention);
}

TEST_CASE("status: the conditions hold all that is true, whatever came first") {
    const agent::CertificateConfig certificate = fixtures::certificate();
    agent::Record record = showing(Verdict::Stale, "leaf2", 2);
    record.targets[0].endpoints[0].addresses[0].not_after = kNow + 48h;
    record.generations.back().revoked_at = kNow - 1h;
    const auto status = status_of(certificate, record);
    std::vector<std::string> messages;
    messages.reserve(status.conditions.size());
    for (const agent::Condition& condition : status.conditions) messages.push_back(condition.message);
    REQUIRE(messages.size() == 3);
    CHECK(messages[1] == "example.com: generation 3 has been revoked and not replaced yet");
    CHECK(messages[2] == "example.com: what is served expires in 2 days");
    CHECK(status.attention->cause.starts_with("verify/stale"));
    const agent::Record never{
        .name = "example.com", .first_seen = kNow - 2h, .issuance = failure(base::Code::CaUnreachable, 9)};
    const auto unissued = status_of(certificate, never);
    REQUIRE(unissued.conditions.size() == 2);
    CHECK(unissued.conditions[1].message == "example.com has never been issued");
}

TEST_CASE("status: of several exit codes one is told") {
    struct Case {
        int a, b, told;
    };

    for (const Case& c :
         {Case{0, 0, 0}, Case{0, 5, 5}, Case{3, 5, 3}, Case{4, 2, 2}, Case{5, 6, 5}, Case{8, 4, 4},
          Case{6, 8, 6}, Case{8, 0, 8}, Case{7, 3, 7}, Case{8, 7, 7}, Case{1, 2, 1}, Case{1, 7, 7}}) {
        CAPTURE(c.a);
        CAPTURE(c.b);
        CHECK(agent::combined_exit_code(c.a, c.b) == c.told);
        CHECK(agent::combined_exit_code(c.b, c.a) == c.told);
    }
}

TEST_CASE("status: what is wrong with the state and the clock is attention, too") {
    const agent::CertificateConfig certificate = fixtures::certificate();
    agent::Overview overview{.certificates = {status_of(certificate, showing(Verdict::Stale, "leaf2", 2))},
                             .now = kNow};
    const int served = agent::attention_code_of(overview.certificates[0]);
    CHECK(agent::attention_code_of(overview) == served);
    overview.clock_holds_orders = true;
    CHECK(agent::attention_code_of(overview) == 3);
    overview.store.errors = {{.code = base::Code::StateCorrupt, .message = "a is damaged"},
                             {.code = base::Code::StateNoSpace, .message = "it is full"}};
    CHECK(agent::attention_code_of(overview) == 7);
    const nlohmann::json document = agent::to_json(overview);
    CHECK(document["store"]["ok"] == false);
    CHECK(document["store"]["message"] == "a is damaged (and 1 more)");
    CHECK(agent::to_table(overview, {}).find("! a is damaged (and 1 more)\n") != std::string::npos);
}

TEST_CASE("status: what holds of no certificate alone is attention where it waits for somebody") {
    const agent::CertificateConfig certificate = fixtures::certificate();
    agent::Overview overview{.certificates = {status_of(certificate, well())}, .now = kNow};
    CHECK(agent::attention_code_of(overview) == 0);
    overview.conditions = {{.code = "config/conflict", .since = kNow, .message = "came from elsewhere"}};
    CHECK(agent::attention_code_of(overview) == 0);
    overview.conditions.push_back({.code = "ca/account-missing",
                                   .since = kNow,
                                   .message = "the CA test has lost our account",
                                   .hint = "renewd account register test"});
    CHECK(agent::attention_code_of(overview) == 3);
    overview.store.errors = {{.code = base::Code::StateNoSpace, .message = "it is full"}};
    CHECK(agent::attention_code_of(overview) == 7);
}

TEST_CASE("status: a configuration that is not in force, and since when the other one is") {
    agent::Overview overview{.now = kNow};
    CHECK(agent::to_json(overview)["agent"]["config_accepted_at"].is_null());
    overview.agent.config_error = "renewd.toml:3:1: no";
    overview.agent.config_accepted_at = kNow - 25h;
    CHECK(agent::to_json(overview)["agent"]["config_accepted_at"] == "2026-11-20T11:00:00Z");
    CHECK(agent::to_table(overview, {})
              .find("! the configuration is not in force: renewd.toml:3:1: no; the "
                    "one of 20 Nov 2026 11:00 UTC is\n") != std::string::npos);
}

TEST_CASE("status: the last line says who looks after it all, and whether all is well") {
    const agent::CertificateConfig certificate = fixtures::certificate();
    const agent::Overview well_kept{.certificates = {status_of(certificate, well())}, .now = kNow};
    const auto last_line = [](const agent::Overview& overview) {
        const std::string table = agent::to_table(overview, {});
        return table.substr(table.rfind('\n', table.size() - 2) + 1);
    };
    CHECK(last_line(well_kept) == "1 certificate, all well. Looked 5 min ago; no agent runs.\n");
    agent::Overview overview = well_kept;
    overview.agent = {.is_running = true, .since = kNow - 2h};
    CHECK(last_line(overview) == "1 certificate, all well. Looked 5 min ago; agent running since 10:00.\n");
    overview = well_kept;
    overview.store.errors = {{.code = base::Code::StateUnwritable, .message = "it is read-only"}};
    CHECK(last_line(overview) == "1 certificate, well but for what is said above. Looked 5 min ago.\n");
    overview = well_kept;
    overview.conditions = {{.code = "ca/account-missing", .since = kNow, .message = "lost"}};
    CHECK(last_line(overview).starts_with("1 certificate, well but for what is said above."));
    CHECK(last_line({.now = kNow}) == "0 certificates, all well. No agent runs.\n");
}

TEST_CASE("status: a target that nobody looks at is unverified, and that is said, but is no failure") {
    agent::CertificateConfig certificate = fixtures::certificate();
    certificate.targets[0].endpoints.clear();
    agent::Record record = well();
    record.targets[0].fingerprint = agent::fingerprint(certificate.targets[0]);
    record.targets[0].endpoints.clear();
    record.targets[0].serving = 0;
    const auto status = status_of(certificate, record);
    CHECK(status.targets[0].state == agent::TargetState::Unverified);
    CHECK(agent::exit_code_of(status) == 0);
}

TEST_CASE("status: the JSON has every name of the interface") {
    const agent::CertificateConfig certificate = fixtures::certificate();
    agent::Overview overview{.certificates = {status_of(certificate, showing(Verdict::Stale, "leaf2", 2))},
                             .now = kNow};
    const nlohmann::json document = agent::to_json(overview);
    CHECK(document["version"] == 1);
    CHECK(document["generated_at"] == "2026-11-21T12:00:00Z");
    const auto& c = document["certificates"][0];
    for (const char* key :
         {"name",       "names",     "ca",         "contact",    "state",   "generation", "wanted_generation",
          "serial",     "sha256",    "not_before", "not_after",  "served",  "renewal",    "failures",
          "last_error", "attention", "held",       "conditions", "targets", "endpoints"}) {
        CAPTURE(std::string(key));
        CHECK(c.contains(key));
    }
    const auto& t = c["targets"][0];
    CHECK(t["state"] == "stale");
    CHECK(t["wanted"] == 3);
    CHECK(t["installed"] == 3);
    CHECK(t["serving"] == 2);
    CHECK(t["last_error"]["code"] == "verify/stale");
    CHECK(t["endpoints"][0]["addresses"][0]["verdict"] == "stale");
    CHECK(document["summary"]["attention"] == 1);
    CHECK(document["causes"][0]["certificates"] == 1);
}

TEST_CASE("status: the table fits its width, and says what is wrong and what to type") {
    const agent::CertificateConfig certificate = fixtures::certificate();
    agent::Record bad = showing(Verdict::Stale, "leaf2", 2);
    bad.targets[0].failure->error.message =
        "example.com on web: 192.0.2.7:443 still serves the one that expires in 30 days";
    bad.targets[0].failure->error.hint = "renewd deploy example.com --target web";
    const agent::Overview overview{
        .certificates = {status_of(certificate, bad), status_of(certificate, well())}, .now = kNow};
    for (const std::size_t width : {80U, 120U}) {
        const std::string table = agent::to_table(overview, {.width = width});
        CAPTURE(table);
        std::size_t begin = 0;
        for (std::size_t end = 0; (end = table.find('\n', begin)) != std::string::npos; begin = end + 1)
            CHECK(end - begin <= width);
        CHECK(table.find("! example.com") != std::string::npos);
        CHECK(table.find("    renewd deploy example.com --target web") != std::string::npos);
        CHECK(table.find("2 certificates, 1 needs attention.") != std::string::npos);
        CHECK(table.find("\033[") == std::string::npos);
    }
}

TEST_CASE("status: what needs a person comes first, then what expires first") {
    const agent::CertificateConfig certificate = fixtures::certificate();
    const auto fine = status_of(certificate, well());
    const auto stale = status_of(certificate, showing(Verdict::Stale, "leaf2", 2));
    CHECK(agent::is_more_urgent(stale, fine));
    CHECK_FALSE(agent::is_more_urgent(fine, stale));
}
