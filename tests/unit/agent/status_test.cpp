// SPDX-License-Identifier: Apache-2.0
// What a record amounts to for a person, for a script and for a monitor.
#include "agent/tell/status.hpp"

#include <ostream>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

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
