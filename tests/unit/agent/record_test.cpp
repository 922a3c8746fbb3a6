// SPDX-License-Identifier: Apache-2.0
#include "agent/memory/record.hpp"

#include <ostream>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "base/encoding.hpp"
#include "tests/unit/agent/fixtures.hpp"

using namespace std::chrono_literals;

using fixtures::certificate;
using fixtures::failure;
using fixtures::kNow;
using fixtures::seen;
using fixtures::well;

namespace {

agent::Record full() {
    agent::Record record = well();
    record.issuance = failure(base::Code::CaRateLimited, 3);
    record.issuance->error = {.code = base::Code::CaRateLimited,
                              .message = "too many",
                              .hint = "wait",
                              .step = "order",
                              .problem = "urn:ietf:params:acme:error:rateLimited",
                              .retry_at = kNow + 7min};
    record.targets.push_back({.name = "edge",
                              .installed = 2,
                              .serving = 2,
                              .attempting = 3,
                              .failure = failure(base::Code::HostTimeout)});
    record.endpoints = seen(deployers::Verdict::Foreign, "strange");
    record.endpoints_verified_at = kNow;
    record.residue = {{.solver = "dns",
                       .task = {.identifier = base::parse_identifier("*.example.com").value(),
                                .token = "token",
                                .key_authorization = "token.thumbprint",
                                .account_url = "https://ca.test/account/1"},
                       .failure = failure(base::Code::ProviderFailed)},
                      {.solver = "web",
                       .task = {.identifier = base::parse_identifier("www.example.com").value(),
                                .token = "other",
                                .key_authorization = "other.thumbprint",
                                .account_url = "https://ca.test/account/1"}}};
    record.suggestion = agent::Suggestion{.generation = 3,
                                          .start = kNow,
                                          .end = kNow + 1h,
                                          .at = kNow + 20min,
                                          .explanation_url = "https://ca.test/why",
                                          .ask_again = kNow + 6h};
    record.ca_failures = 2;
    record.targets[0].drift = {
        .seen_at = kNow - 1min, .repairs = {kNow - 2h, kNow - 1h, kNow - 5min}, .is_contested = true};
    record.pause =
        agent::Pause{.since = kNow - 1h, .until = kNow + 24h, .by = "ada", .reason = "ledger migration"};
    record.standing = agent::StandingRecords{
        .looked_at = kNow,
        .end = acme::RecordEnd{.name = "_validation-persist.example.com.", .at = kNow + 24h},
        .failure = failure(base::Code::SolverRecordMissing),
        .ca = "other"};
    record.hurried_by_ca = 2;
    record.generations.back().early_in_a_row = 2;
    record.warned = {.generation = 3, .stage = 1};
    record.hooks = {{.event = "failed",
                     .target = "edge",
                     .generation = 3,
                     .error = "host/timeout",
                     .failure = failure(base::Code::HookFailed)}};
    return record;
}

std::string code_of(const base::Result<agent::Record>& result) {
    return result ? "ok" : std::string(base::to_string(result.error().code));
}

}  // namespace

TEST_CASE("record: what is written is read again, to the last field") {
    for (const agent::Record& record :
         {full(), well(), agent::Record{.name = "*.example.com", .first_seen = kNow}}) {
        const auto read = agent::parse_record(agent::to_text(record));
        REQUIRE(read);
        CHECK(*read == record);
    }
}

TEST_CASE("record: what is not UTF-8 in others' words is replaced, and the record is read again") {
    agent::Record record = well();
    record.issuance = failure(base::Code::CaRateLimited, 1);
    record.issuance->error.message = "it says \xff\xc3(";
    const auto read = agent::parse_record(agent::to_text(record));
    REQUIRE(read);
    CHECK(read->issuance->error.message == "it says \xef\xbf\xbd\xef\xbf\xbd(");
}

TEST_CASE("record: a file that cannot be trusted is told from one of a later version") {
    const std::string text = agent::to_text(full());

    struct Case {
        std::string_view name;
        std::string text;
        std::string_view code;
    };

    std::string edited = text;
    edited.replace(edited.find("\"installed\": 3"), 14, "\"installed\": 2");
    std::string later = text;
    later.replace(later.find("\"version\": 1"), 12, "\"version\": 2");
    for (const Case& c : {
             Case{"as written", text, "ok"},
             Case{"empty", "", "state/corrupt"},
             Case{"torn", text.substr(0, text.size() / 2), "state/corrupt"},
             Case{"no JSON", "hello", "state/corrupt"},
             Case{"a list", "[]", "state/corrupt"},
             Case{"somebody edited it", edited, "state/corrupt"},
             Case{"a later version", later, "state/newer-version"},
             Case{"nothing in it", R"({"version":1,"digest":"","record":{}})", "state/corrupt"},
         }) {
        CAPTURE(c.name);
        CHECK(code_of(agent::parse_record(c.text)) == c.code);
    }
}

TEST_CASE("record: every cut of the file is noticed") {
    const std::string text = agent::to_text(well());
    for (std::size_t length = 0; length + 1 < text.size(); ++length) {
        REQUIRE_FALSE(agent::parse_record(std::string_view(text).substr(0, length)));
    }
}

TEST_CASE("record: an open order never carries its key") {
    const agent::OpenOrder order{.ordered_for = agent::wanted_order(certificate(), "letsencrypt"),
                                 .account = "https://ca.test/acct/1",
                                 .url = "https://ca.test/order/1",
                                 .started_at = kNow,
                                 .key_pem = base::Secret("-----BEGIN PRIVATE KEY-----")};
    const std::string text = agent::to_text(order);
    CHECK(text.find("PRIVATE") == std::string::npos);
    const auto read = agent::parse_order(text);
    REQUIRE(read);
    CHECK(read->ordered_for == order.ordered_for);
    CHECK(read->url == order.url);
    CHECK(read->started_at == order.started_at);
}

TEST_CASE(
    "record: whether an open order may exist without its URL is kept, and known of an earlier renewd's") {
    agent::OpenOrder order{.ordered_for = agent::wanted_order(certificate(), "letsencrypt"),
                           .started_at = kNow};
    const auto earlier = [](const agent::OpenOrder& written) {
        auto document = nlohmann::json::parse(agent::to_text(written));
        document["order"].erase("is_asked_for");
        document["digest"] = base::sha256_hex(document["order"].dump());
        return agent::parse_order(document.dump()).value();
    };
    for (const bool is_asked_for : {false, true}) {
        order.is_asked_for = is_asked_for;
        CHECK(agent::parse_order(agent::to_text(order)).value().is_asked_for == is_asked_for);
    }
    CHECK(earlier(order).is_asked_for);
    order.account = "https://ca.test/acct/1";  // its URL was known, and has been forgotten
    CHECK_FALSE(earlier(order).is_asked_for);
}
