// SPDX-License-Identifier: Apache-2.0
// Why a certificate stands as it does: each reason and each obstacle, in the words a person reads.
#include "agent/tell/why.hpp"

#include <ostream>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "agent/tell/status.hpp"
#include "agent/tell/words.hpp"
#include "tests/unit/agent/fixtures.hpp"

using namespace std::chrono_literals;
using base::Code;
using deployers::Verdict;

using fixtures::failure;
using fixtures::generation;
using fixtures::kNow;
using fixtures::seen;
using fixtures::well;

namespace {

using Bend = std::function<void(agent::CertificateConfig&, agent::Record&)>;

/// What is said of a certificate that is well but for what `bend` does, on one line per fact.
std::string why(const Bend& bend, bool has_open_order = false) {
    agent::CertificateConfig certificate = fixtures::certificate();
    agent::Record record = well();
    bend(certificate, record);
    const auto status = agent::status_of(certificate, record, has_open_order, 1h, kNow);
    return agent::to_text(agent::explain(status, kNow), kNow, 1000);
}

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

agent::Suggestion suggestion(base::Instant at) {
    return {.generation = 3,
            .start = at - 12h,
            .end = at + 12h,
            .at = at,
            .explanation_url = "https://ca.test/why",
            .ask_again = kNow + 6h};
}

}  // namespace

TEST_CASE("why: each reason of a renewal is told in plain words, with its instant") {
    struct Case {
        std::string_view name;
        Bend bend;
        bool has_open_order;
        std::vector<std::string> parts;
    };

    for (const Case& c : {
             Case{"by age",
                  [](auto&, auto&) {},
                  false,
                  {"example.com renews in 59 days, on 19 Jan 2027 12:00 UTC. It is served by 1/1 addresses.",
                   "reason     2/3 of its 90 days will have passed", "looks      again in 8 min",
                   "do         nothing\n"}},
             Case{"a short life",
                  [](auto&, auto& r) { r.generations = {generation(3, 81h, 160h)}; },
                  false,
                  {"example.com is due for renewal.", "and lasts 30 days more",
                   "1/2 of its 6 days have passed", "renewal    now"}},
             Case{"as the CA suggests",
                  [](auto&, auto& r) { r.suggestion = suggestion(kNow + 24h * 10); },
                  false,
                  {"renews in 10 days, on 1 Dec 2026 12:00 UTC",
                   "letsencrypt suggests between 1 Dec 2026 00:00 UTC and 2 Dec 2026 00:00 UTC; the CA "
                   "explains: https://ca.test/why"}},
             Case{"later than is safe",
                  [](auto&, auto& r) { r.suggestion = suggestion(kNow + 24h * 88); },
                  false,
                  {"renews in 84 days", "later than is safe"}},
             Case{"one after another",
                  [](auto&, auto& r) {
                      r.generations = {generation(3, 12h)};
                      r.generations.back().early_in_a_row = 2;
                      r.suggestion = suggestion(kNow - 24h * 2);
                  },
                  false,
                  {"renews in 12 h", "those before it were replaced early, too, so this one is kept"}},
             Case{"as configured",
                  [](auto& c, auto&) { c.renew_before = 30 * 24h; },
                  false,
                  {"renews in 59 days", "renew = 30 days: so long before"}},
             Case{"never issued",
                  [](auto&, auto& r) { r = {.name = "example.com", .first_seen = kNow}; },
                  false,
                  {"example.com has never been issued.", "renewal    now",
                   "do         nothing: the next run does it; at once with  renewd renew example.com",
                   "reason     it has never been issued"}},
             Case{"an open order", [](auto&, auto&) {}, true, {"an order is open and is finished first"}},
             Case{"other names",
                  [](auto& c, auto&) {
                      c.names = {{.type = base::IdentifierType::Dns, .value = "www.example.com"}};
                  },
                  false,
                  {"the configuration has changed its names: +www.example.com -example.com"}},
             Case{"another key type",
                  [](auto& c, auto&) { c.key_type = base::KeyType::Rsa2048; },
                  false,
                  {"its key type: ecdsa-p256, now rsa-2048"}},
             Case{"another profile and another CA",
                  [](auto& c, auto&) {
                      c.profiles["letsencrypt"] = "shortlived";
                      c.ca = {"other", "letsencrypt"};
                  },
                  false,
                  {"its profile at letsencrypt: none, now shortlived, its CAs: letsencrypt, now other, "
                   "letsencrypt",
                   "issued by  letsencrypt; the next order goes to other first"}},
             Case{"revoked",
                  [](auto&, auto& r) {
                      r.generations.back().revoked_at = kNow - 2h;
                      r.generations.back().revocation_reason = "keyCompromise";
                  },
                  false,
                  {"Generation 3 of example.com has been revoked and not replaced yet.",
                   "generation 3 was revoked on 21 Nov 2026 10:00 UTC (keyCompromise)"}},
             Case{"to be revoked",
                  [](auto&, auto& r) {
                      r.revocations = {
                          {.generation = 3, .reason = "superseded", .not_later_than = kNow + 30min}};
                  },
                  false,
                  {"generation 3 is to be revoked and needs a successor",
                   "revokes    generation 3 (superseded), once it is gone from web, its files; at the latest "
                   "in 30 min, on 21 Nov 2026 12:30 UTC"}},
         }) {
        CAPTURE(c.name);
        const std::string text = why(c.bend, c.has_open_order);
        CAPTURE(text);
        for (const std::string& part : c.parts) CHECK_MESSAGE(has(text, part), part);
    }
}

TEST_CASE(
    "why: each obstacle is told with its cause, how often, since when, the next try, and what to type") {
    struct Case {
        std::string_view name;
        Bend bend;
        std::vector<std::string> parts;
    };

    for (const Case& c : {
             Case{
                 "an order that a person has to mend",
                 [](auto&, auto& r) {
                     r.issuance = failure(Code::CaValidationFailed, 3, 6h);
                     r.issuance->error.hint = "listen = \"*:80\"";
                     r.issuance->error.step = "authorize";
                 },
                 {("example.com cannot be renewed. Nothing is broken yet: generation 3 is served everywhere "
                   "and lasts 30 days more."),
                  "at         order (authorize)", "cause      it did not work",
                  ("tried      3 times, first 6 h ago (21 Nov 2026 06:00 UTC); next in 5 min, on 21 Nov 2026 "
                   "12:05 UTC"),
                  "do         listen = \"*:80\", then  renewd renew example.com"}},
             Case{"the first order",
                  [](auto&, auto& r) {
                      r = {.name = "example.com"};
                      r.issuance = failure(Code::CaUnreachable);
                  },
                  {"example.com cannot be issued. Nothing of it is served yet.", "tried      once, 60 s ago",
                   "do         nothing: it is tried again by itself; at once with  renewd renew"}},
             Case{"a limit of the CA",
                  [](auto&, auto& r) {
                      r.issuance = failure(Code::CaRateLimited);
                      r.issuance->error.retry_at = kNow + 300s;
                  },
                  {"not before 21 Nov 2026 12:05 UTC as was asked of us", "once the CA allows it"}},
             Case{"the first CA's own trouble",
                  [](auto& c, auto& r) {
                      c.ca = {"letsencrypt", "other"};
                      r.generations.back().ordered_for = agent::wanted_order(c, "letsencrypt");
                      r.issuance = failure(Code::CaServerError, 2);
                      r.ca_failures = 2;
                  },
                  {"second CA  other: asked after 3 failures that are letsencrypt's own (2 so far)"}},
             Case{"a CA that takes its time",
                  [](auto& c, auto& r) {
                      c.ca = {"letsencrypt", "other"};
                      r.issuance = failure(Code::CaOrderPending, 3);
                  },
                  {"second CA  other: asked with less than a quarter of the lifetime left"}},
             Case{"and enough of it",
                  [](auto& c, auto& r) {
                      c.ca = {"letsencrypt", "other"};
                      r.issuance = failure(Code::CaServerError, 3);
                      r.ca_failures = 3;
                  },
                  {"other: asked as well, from now on"}},
             Case{"not the CA's trouble",
                  [](auto& c, auto& r) {
                      c.ca = {"letsencrypt", "other"};
                      r.issuance = failure(Code::CaValidationFailed, 4);
                  },
                  {"other: not asked, this is no trouble of letsencrypt's own"}},
             Case{"a host that is down",
                  [](auto&, auto& r) {
                      r.generations.push_back(generation(4));
                      r.targets[0].failure = failure(Code::HostUnreachable, 2);
                  },
                  {"Generation 4 of example.com is issued, but not deployed to web.",
                   "deployment web, in 5 min", "at         target web",
                   "renewd deploy example.com --target web"}},
             Case{"not deployed yet",
                  [](auto&, auto& r) { r.generations.push_back(generation(4)); },
                  {"Generation 4 of example.com is issued, and is to be deployed to web.",
                   "at once with  renewd deploy example.com"}},
             Case{
                 "a reload that did nothing",
                 [](auto&, auto& r) {
                     r.targets[0].endpoints = seen(Verdict::Stale, "leaf2");
                     r.targets[0].serving = 2;
                     r.targets[0].failure = failure(Code::VerifyStale);
                 },
                 {"Generation 3 of example.com is deployed, but not seen served everywhere. 0 of 1 addresses "
                  "serve generation 3; what is served lasts 30 days more."}},
             Case{"a forgotten balancer",
                  [](auto& c, auto& r) {
                      c.endpoints = c.targets[0].endpoints;
                      r.endpoints = seen(Verdict::Foreign, "strange");
                      r.endpoints_verified_at = kNow - 5min;
                  },
                  {"at         public endpoints (verify)",
                   "cause      https://example.com at 192.0.2.7:443: serves something else",
                   "looked     seen 5 min ago", "renewd verify example.com"}},
             Case{"a hook",
                  [](auto&, auto& r) {
                      r.hooks = {
                          {.event = "deployed", .target = "web", .failure = failure(Code::HookFailed)}};
                  },
                  {"hooks      deployed of web, in 5 min", "at         hook deployed"}},
             Case{"a revocation",
                  [](auto&, auto& r) {
                      r.revocations = {{.generation = 2,
                                        .reason = "superseded",
                                        .failure = failure(Code::CaRevocationRefused)}};
                  },
                  {"at         revocation of generation 2", "mend that, then  renewd renew example.com"}},
             Case{"too late",
                  [](auto&, auto& r) {
                      r.targets[0].endpoints[0].addresses[0].not_after = kNow - 48h;
                      r.issuance = failure(Code::CaUnreachable, 9);
                  },
                  {"What is served expired 2 days ago."}},
         }) {
        CAPTURE(c.name);
        const std::string text = why(c.bend);
        CAPTURE(text);
        for (const std::string& part : c.parts) CHECK_MESSAGE(has(text, part), part);
    }
}

TEST_CASE("why: what is removed from the configuration has no next action") {
    const auto said = agent::explain(agent::removed_status(well()), kNow);
    CHECK(said.sentence ==
          "example.com is no longer in the configuration: it is neither renewed nor deployed. Its last "
          "generation "
          "expires in 89 days.");
    const nlohmann::json document = agent::to_json(said, kNow);
    CHECK(document["next"].is_null());
    CHECK(document["reason"].is_null());
}

TEST_CASE("why: the next action is the earliest that changes something, never in the past") {
    agent::Record record = well();
    record.generations.push_back(generation(4));
    const agent::CertificateConfig certificate = fixtures::certificate();
    const auto status = agent::status_of(certificate, record, false, 1h, kNow);
    const nlohmann::json document = agent::to_json(agent::explain(status, kNow), kNow);
    CHECK(document["version"] == 1);
    CHECK(document["next"] == nlohmann::json{{"action", "deploy"}, {"at", "2026-11-21T12:00:00Z"}});
    CHECK(document["reason"] == "lifetime");
    CHECK(document["state"] == "deploying");
    CHECK(document["changes"].empty());
}

TEST_CASE("why: a request of the user's own is told from a key of ours") {
    const agent::OrderedFor ours{.names = {"a"}, .ca = "x", .cas = {"x"}, .key_type = "ecdsa-p256"};
    agent::OrderedFor own = ours;
    own.request_key = "00ff";
    agent::OrderedFor another = own;
    another.request_key = "11ff";
    CHECK(agent::changes_between(ours, ours).empty());
    CHECK(agent::changes_between(ours, own).front() == "its key: renewd's own, now that of a request (csr)");
    CHECK(agent::changes_between(own, ours).front() == "its key: that of a request (csr), now renewd's own");
    CHECK(agent::changes_between(own, another).front() == "its request (csr) holds another key");
}

TEST_CASE("why: the text fits its width, and longer words stay whole") {
    agent::CertificateConfig certificate = fixtures::certificate();
    agent::Record record = well();
    record.issuance = failure(Code::CaUnreachable, 3);
    record.issuance->error.message = "nginx: [emerg] unknown directive\nin /etc/nginx/sites-enabled/shop:12";
    const auto status = agent::status_of(certificate, record, false, 1h, kNow);
    const std::string text = agent::to_text(agent::explain(status, kNow), kNow, 60);
    CAPTURE(text);
    std::size_t begin = 0;
    for (std::size_t end = 0; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1)
        CHECK(end - begin <= 60);
    CHECK(has(text, "\n             in /etc/nginx/sites-enabled/shop:12\n"));
    CHECK(agent::wrapped("a-very-long-word and more", 4) ==
          std::vector<std::string>{"a-very-long-word", "and", "more"});
}
