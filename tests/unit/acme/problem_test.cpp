// SPDX-License-Identifier: Apache-2.0
#include "acme/problem.hpp"

#include <ostream>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "tests/unit/acme/fakes.hpp"

using acme::Problem;
using acme::refusal;
using fakes::contains;

namespace {

std::string urn(std::string_view type) {
    return std::string(acme::kProblemPrefix) + std::string(type);
}

}  // namespace

TEST_CASE("problem: what the planner may do about it") {
    struct Case {
        std::string type;
        int status;
        std::string_view want;
    };

    for (const Case& c : {
             Case{urn("badNonce"), 400, "ca/bad-nonce"},
             Case{urn("rateLimited"), 429, "ca/rate-limited"},
             Case{"", 429, "ca/rate-limited"},
             Case{urn("accountDoesNotExist"), 400, "ca/account-missing"},
             Case{urn("userActionRequired"), 403, "ca/terms-not-agreed"},
             Case{urn("agreementRequired"), 403, "ca/terms-not-agreed"},
             Case{urn("unauthorized"), 403, "ca/account-refused"},
             Case{urn("externalAccountRequired"), 403, "ca/binding-required"},
             Case{urn("badPublicKey"), 400, "ca/account-refused"},
             Case{urn("badSignatureAlgorithm"), 400, "ca/account-refused"},
             Case{urn("badRevocationReason"), 400, "ca/revocation-refused"},
             Case{urn("malformed"), 409, "ca/refused"},
             Case{urn("invalidContact"), 400, "ca/account-refused"},
             Case{urn("rejectedIdentifier"), 400, "ca/identifier-refused"},
             Case{urn("unsupportedIdentifier"), 400, "ca/identifier-refused"},
             Case{urn("caa"), 403, "ca/identifier-refused"},
             Case{urn("dns"), 400, "ca/identifier-refused"},
             Case{urn("serverInternal"), 500, "ca/server-error"},
             Case{"", 502, "ca/server-error"},
             Case{urn("somethingNew"), 503, "ca/server-error"},
             Case{urn("badCSR"), 400, "ca/refused"},
             Case{urn("malformed"), 400, "ca/refused"},
             Case{urn("invalidProfile"), 400, "ca/profile-refused"},
             Case{"", 404, "ca/refused"},
             Case{"", 301, "ca/protocol"},
         }) {
        CAPTURE(c.type);
        const base::Error error = refusal({.type = c.type, .detail = "d", .status = c.status}, {.ca = "x"});
        CHECK(base::to_string(error.code) == c.want);
        CHECK(error.problem == c.type);
    }
}

TEST_CASE("problem: a conflict is about a key where a key is changed, and nowhere else") {
    const Problem conflict{.type = urn("malformed"), .detail = "d", .status = 409};
    CHECK(base::to_string(refusal(conflict, {.ca = "x", .changes_key = true}).code) == "ca/key-in-use");
    CHECK(base::to_string(refusal(conflict, {.ca = "x", .names = 1}).code) == "ca/refused");
    CHECK(base::to_string(refusal(conflict, {.ca = "x"}).code) == "ca/refused");
}

TEST_CASE("problem: the names it is about are named, and how many there were") {
    Problem problem{.type = urn("malformed"), .detail = "some identifiers", .status = 400};
    problem.subproblems = {
        {.type = urn("rejectedIdentifier"), .detail = "NXDOMAIN", .identifier = "old.example.com"},
        {.type = urn("caa"), .detail = "CAA allows only other.test", .identifier = "cdn.example.com"},
        {.type = urn("malformed"), .detail = "about nobody"}};
    const base::Error error = refusal(problem, {.ca = "letsencrypt", .names = 40});
    CHECK(base::to_string(error.code) == "ca/identifier-refused");
    CHECK(error.message ==
          "the CA letsencrypt refused 2 of 40 names (old.example.com: NXDOMAIN; cdn.example.com: CAA allows "
          "only "
          "other.test)");
    CHECK(contains(error.hint, "names"));

    problem.type = urn("rateLimited");
    const auto later = fakes::kNow + 7s;
    const base::Error limited = refusal(problem, {.ca = "letsencrypt", .names = 40, .retry_at = later});
    CHECK(base::to_string(limited.code) == "ca/rate-limited");
    CHECK((limited.retry_at == later));
    CHECK(contains(limited.message, "2 of 40 names"));
}

TEST_CASE("problem: the page that lifts a pause, and nothing else, is shown") {
    struct Case {
        std::string_view detail, instance, page;
    };

    for (const Case& c : {
             Case{"Please visit: https://portal.test/sfe/v1/unpause?jwt=a.b-c_d", "",
                  "https://portal.test/sfe/v1/unpause?jwt=a.b-c_d"},
             Case{"visit https://portal.test/unpause.", "", "https://portal.test/unpause"},
             Case{"paused", "https://portal.test/unpause/7", "https://portal.test/unpause/7"},
             Case{"visit https://ca.test@evil.test/unpause", "", ""},
             Case{"visit http://portal.test/unpause", "", ""},
             Case{"visit https:///unpause", "", ""},
             Case{"visit https://portal.test/help", "", ""},
             Case{"visit https://portal.test/\x1b[2Junpause", "", ""},
         }) {
        CAPTURE(c.detail);
        const base::Error error = refusal({.type = urn("rateLimited"),
                                           .detail = std::string(c.detail),
                                           .instance = std::string(c.instance),
                                           .status = 429},
                                          {.ca = "x", .names = 1});
        CHECK(base::to_string(error.code) == (c.page.empty() ? "ca/rate-limited" : "ca/paused"));
        CHECK(error.hint == (c.page.empty() ? "" : "somebody has to visit " + std::string(c.page)));
    }
}

TEST_CASE("problem: a long list is cut, and says so") {
    Problem problem{.type = urn("malformed"), .status = 400};
    for (int i = 0; i < 100; ++i) {
        problem.subproblems.push_back(
            {.detail = "no", .identifier = "n" + std::to_string(i) + ".example.com"});
    }
    const base::Error error = refusal(problem, {.ca = "x", .names = 100});
    CHECK(contains(error.message, "refused 100 of 100 names"));
    CHECK(contains(error.message, "n19.example.com: no; and 80 more)"));
}

TEST_CASE("problem: words of the CA, made safe to print") {
    const base::Error error =
        refusal({.type = urn("malformed"), .detail = "a\x1b[31mb\nc", .status = 400}, {.ca = "x"});
    CHECK(error.message == "the CA x says: malformed \"a?[31mb?c\"");
    const Problem endless{
        .type = "urn:" + std::string(100'000, 'a'), .detail = std::string(100'000, 'b'), .status = 400};
    CHECK(refusal(endless, {.ca = "x"}).message.size() < 1500);
    CHECK(refusal(endless, {.ca = "x"}).problem.size() < 300);
    CHECK(refusal({.status = 502}, {.ca = "x"}).message == "the CA x answered HTTP 502 without saying why");
    CHECK(refusal({.detail = "maintenance", .status = 503}, {.ca = "x"}).message ==
          "the CA x says: \"maintenance\"");
    CHECK(refusal({}, {.ca = "x"}).message == "the CA x gave no reason");
}

TEST_CASE("problem: terms name the page, and the key that agrees") {
    const base::Error agree = refusal({.type = urn("agreementRequired"), .status = 403},
                                      {.ca = "x", .terms_url = "https://ca.test/tos"});
    CHECK(contains(agree.hint, "https://ca.test/tos"));
    CHECK(contains(agree.hint, "agree_tos = true in [ca.x]"));
    const base::Error visit =
        refusal({.type = urn("userActionRequired"), .instance = "https://ca.test/agree?id=1", .status = 403},
                {.ca = "x"});
    CHECK(contains(visit.hint, "https://ca.test/agree?id=1"));
    CHECK(contains(refusal({.type = urn("userActionRequired"), .status = 403}, {.ca = "x"}).hint,
                   "terms of service"));
}

TEST_CASE("problem: a failed validation names the name, the cause, and where to look") {
    struct Case {
        std::string_view type;
        std::string_view hint;
        std::string_view challenge{};
    };

    for (const Case& c :
         {Case{"connection", "port 443", "tls-alpn-01"}, Case{"unauthorized", "port 443", "tls-alpn-01"},
          Case{"unauthorized", "_acme-challenge", "dns-01"}, Case{"dns", "DNSSEC", "dns-account-01"},
          Case{"caa", "CAA", "dns-01"}, Case{"connection", "port 80", "http-01"},
          Case{"connection", "port 80"}, Case{"dns", "A and AAAA"},
          Case{"unauthorized", "something else answers"}, Case{"incorrectResponse", "something else answers"},
          Case{"tls", "redirect"}, Case{"caa", "CAA"}, Case{"novel", ""}}) {
        CAPTURE(c.type);
        const base::Error error =
            acme::validation_failed("letsencrypt",
                                    {{.name = "a.example",
                                      .problem = {.type = urn(c.type), .detail = "timeout"},
                                      .challenge = std::string(c.challenge)}},
                                    3);
        CHECK(base::to_string(error.code) == "ca/validation-failed");
        CHECK(error.message == "the CA letsencrypt could not validate 1 of 3 names (a.example: timeout)");
        CHECK(contains(error.hint, c.hint));
        CHECK(error.hint.empty() == c.hint.empty());
    }
    CHECK(acme::validation_failed("x", {{.name = "a.example"}}, 1).message ==
          "the CA x could not validate 1 of 1 name (a.example: no reason given)");
}
