// SPDX-License-Identifier: Apache-2.0
#include "acme/renewal_info.hpp"

#include <ostream>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "acme/limits.hpp"
#include "base/encoding.hpp"
#include "tests/unit/acme/fakes.hpp"

using fakes::World;

namespace {

const std::string kWindow =
    R"({"suggestedWindow":{"start":"2026-12-01T00:00:00Z","end":"2026-12-03T00:00:00.5+00:00"},)"
    R"("explanationURL":"https://ca.test/why"})";

/// RFC 9773, appendix A.
constexpr std::string_view kExample =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBQzCB66ADAgECAgUAh2VDITAKBggqhkjOPQQDAjAVMRMwEQYDVQQDEwpFeGFt\n"
    "cGxlIENBMCIYDzAwMDEwMTAxMDAwMDAwWhgPMDAwMTAxMDEwMDAwMDBaMBYxFDAS\n"
    "BgNVBAMTC2V4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEeBZu\n"
    "7cbpAYNXZLbbh8rNIzuOoqOOtmxA1v7cRm//AwyMwWxyHz4zfwmBhcSrf47NUAFf\n"
    "qzLQ2PPQxdTXREYEnKMjMCEwHwYDVR0jBBgwFoAUaYhba4dGQEHhs3uEe6CuLN4B\n"
    "yNQwCgYIKoZIzj0EAwIDRwAwRAIge09+S5TZAlw5tgtiVvuERV6cT4mfutXIlwTb\n"
    "+FYN/8oCIClDsqBklhB9KAelFiYt9+6FDj3z4KGVelYM5MdsO3pK\n"
    "-----END CERTIFICATE-----\n";

}  // namespace

TEST_CASE("renewal information: how a certificate is named, by the example of RFC 9773") {
    const auto chain = base::parse_chain(kExample);
    REQUIRE(chain);
    CHECK(acme::renewal_id(chain->front()) == "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE");
    World world({"a.example"});
    const auto issued = world.issue();
    REQUIRE(issued);
    const base::Certificate& leaf = issued->chain.front();
    CHECK(acme::renewal_id(leaf) ==
          base::base64url(leaf.authority_key_id()) + "." + base::base64url(leaf.serial_octets()));
    const auto key = base::PrivateKey::generate(base::KeyType::EcdsaP256).value();
    const auto nobodys = base::self_sign(key, world.request.names, fakes::kNow, fakes::kNow + 1h).value();
    CHECK(acme::renewal_id(nobodys).empty());
}

TEST_CASE("renewal information: what is a window, and what counts as no answer") {
    const auto window = acme::parse_renewal_window(kWindow);
    REQUIRE(window);
    CHECK(base::format_instant(window->start) == "2026-12-01T00:00:00Z");
    CHECK(base::format_instant(window->end) == "2026-12-03T00:00:00Z");
    CHECK(window->explanation_url == "https://ca.test/why");

    for (const std::string_view bad : {
             "",
             "[]",
             "<html>",
             "{}",
             R"({"suggestedWindow":[]})",
             R"({"suggestedWindow":{"start":1,"end":2}})",
             R"({"suggestedWindow":{"start":"2026-12-01T00:00:00Z"}})",
             R"({"suggestedWindow":{"start":"2026-12-01T00:00:00Z","end":"2026-12-01T00:00:00Z"}})",
             R"({"suggestedWindow":{"start":"2026-12-02T00:00:00Z","end":"2026-12-01T00:00:00Z"}})",
             R"({"suggestedWindow":{"start":"2026-12-02T00:00:00Z","end":"9999-12-01T00:00:00Z"}})",
             R"({"suggestedWindow":{"start":"1026-12-02T00:00:00Z","end":"2026-12-01T00:00:00Z"}})",
         }) {
        CAPTURE(bad);
        const auto read = acme::parse_renewal_window(bad);
        REQUIRE_FALSE(read);
        CHECK(base::to_string(read.error().code) == "ca/protocol");
    }
    for (const std::string& url : {std::string("http://ca.test/"), std::string("https://ca.test/\\u001b[31m"),
                                   "https://" + std::string(3000, 'a'), std::string("javascript:alert(1)")}) {
        CAPTURE(url);
        const auto read = acme::parse_renewal_window(
            R"({"suggestedWindow":{"start":"2026-12-01T00:00:00Z","end":"2026-12-03T00:00:00Z"},"explanationURL":")" +
            url + "\"}");
        if (read) CHECK(read->explanation_url.empty());
    }
}

TEST_CASE("renewal information: one plain GET below the directory's URL, and when to ask again") {
    struct Case {
        std::string_view retry_after;
        base::Seconds ask_again;
    };

    for (const Case& c : {Case{"21600", 6h}, Case{"", 6h}, Case{"soon", 6h}, Case{"1", 60s}, Case{"-5", 60s},
                          Case{"999999999", 24h}, Case{"Sat, 21 Nov 2026 15:00:00 GMT", 3h}}) {
        CAPTURE(c.retry_after);
        World world({"a.example"});
        world.ca.renewal_info = fakes::kOrigin + "/ari/";
        world.ca.before = [&](const std::string& path, int) -> std::optional<fakes::Ca::Answer> {
            if (path != "/ari/aki.serial") return std::nullopt;
            base::HttpResponse answer = fakes::reply(200, kWindow);
            if (!c.retry_after.empty()) answer.headers.emplace_back("retry-after", c.retry_after);
            return answer;
        };
        const auto answer = acme::fetch_renewal_window(world.session, "aki.serial");
        REQUIRE(answer);
        CHECK(answer->window.has_value());
        CHECK(answer->ask_again == c.ask_again);
        CHECK(world.ca.log() == std::vector<std::string>{"GET /dir", "GET /ari/aki.serial"});
    }
    World senseless({"a.example"});
    senseless.ca.renewal_info = fakes::kOrigin + "/ari/";
    senseless.ca.before = [](const std::string& path, int) -> std::optional<fakes::Ca::Answer> {
        if (path != "/ari/aki.serial") return std::nullopt;
        return fakes::reply(200, "[]");
    };
    CHECK(fakes::message_of(acme::fetch_renewal_window(senseless.session, "aki.serial")) ==
          "the CA fake, " + fakes::kOrigin + "/ari/aki.serial: the answer is no JSON object");
    World without({"a.example"});
    const auto answer = acme::fetch_renewal_window(without.session, "aki.serial");
    REQUIRE(answer);
    CHECK_FALSE(answer->window);
    CHECK(answer->ask_again == 24h);
}

TEST_CASE("renewal information: the instant is drawn from the whole window") {
    const acme::RenewalWindow window{.start = fakes::kNow, .end = fakes::kNow + 100s};
    CHECK(acme::pick_instant(window, 0.0) == fakes::kNow);
    CHECK(acme::pick_instant(window, 0.5) == fakes::kNow + 50s);
    CHECK(acme::pick_instant(window, 0.999) == fakes::kNow + 99s);
}

TEST_CASE("issuance: `replaces` is dropped, whatever way a CA refuses it, and nothing else is asked twice") {
    struct Case {
        std::string_view name;
        base::HttpResponse refusal;
        bool goes_on;
        int orders;
    };

    const auto later = [](base::HttpResponse answer) {
        answer.headers.emplace_back("retry-after", "60");
        return answer;
    };
    for (const Case& c : {
             Case{"409 alreadyReplaced", fakes::problem(409, "alreadyReplaced"), true, 2},
             Case{"409 malformed", fakes::problem(409, "malformed"), true, 2},
             Case{"409 conflict", fakes::problem(409, "conflict"), true, 2},
             Case{"404 malformed", fakes::problem(404, "malformed", "did not match a known issuer"), true, 2},
             Case{"400 malformed", fakes::problem(400, "malformed"), true, 2},
             Case{"403 unauthorized", fakes::problem(403, "unauthorized"), true, 2},
             Case{"500 serverInternal", fakes::problem(500, "serverInternal"), true, 2},
             Case{"429", fakes::problem(429, "rateLimited"), false, 1},
             Case{"409, later", later(fakes::problem(409, "alreadyReplaced")), true, 2},
             Case{"400, later", later(fakes::problem(400, "malformed")), true, 2},
             Case{"503, later", later(fakes::problem(503, "serverInternal")), false, 1},
             Case{"429, later", later(fakes::problem(429, "rateLimited")), false, 1},
             Case{"a name that is refused", fakes::problem(400, "rejectedIdentifier"), false, 1},
             Case{"a name whose CAA forbids it", fakes::problem(403, "caa"), false, 1},
             Case{"an account without its binding", fakes::problem(403, "externalAccountRequired"), false, 1},
             Case{"the terms have changed", fakes::problem(403, "userActionRequired"), false, 1},
         }) {
        CAPTURE(c.name);
        World world({"a.example"});
        world.ca.renewal_info = fakes::kOrigin + "/ari";
        world.request.replaces = "aki.serial";
        world.ca.before = [&](const std::string& path, int count) -> std::optional<fakes::Ca::Answer> {
            if (path == "/order" && count == 1) return c.refusal;
            return std::nullopt;
        };
        const auto issued = world.issue();
        CHECK(issued.has_value() == c.goes_on);
        CHECK(world.ca.count("/order") == c.orders);
        if (!issued) continue;
        CHECK(world.ca.payload("/order").find("replaces") == std::string::npos);
        REQUIRE(issued->remarks.size() == 1);
        CHECK(issued->remarks.front().starts_with("ordered without naming what it replaces"));
    }
}

TEST_CASE("issuance: a refusal of `replaces` is what is told, where it may not be asked without") {
    World world({"a.example"});
    world.ca.renewal_info = fakes::kOrigin + "/ari";
    world.request.replaces = "aki.serial";
    world.effects.about_to_order = [](bool names_what_it_replaces) -> base::Result<void> {
        if (names_what_it_replaces) return {};
        return base::fail(base::Code::CaRateLimited, "nothing was asked");
    };
    world.ca.before = [&](const std::string& path, int) -> std::optional<fakes::Ca::Answer> {
        if (path == "/order") return fakes::problem(409, "alreadyReplaced", "replaced by another order");
        return std::nullopt;
    };
    CHECK(fakes::contains(fakes::message_of(world.issue()), "replaced by another order"));
    CHECK(world.ca.count("/order") == 1);
}

TEST_CASE("issuance: `replaces` is sent where the CA has renewal information, and only there") {
    for (const bool offers : {true, false}) {
        World world({"a.example"});
        if (offers) world.ca.renewal_info = fakes::kOrigin + "/ari";
        world.request.replaces = "aki.serial";
        REQUIRE(world.issue());
        CHECK((world.ca.payload("/order").find("aki.serial") != std::string::npos) == offers);
    }
}
