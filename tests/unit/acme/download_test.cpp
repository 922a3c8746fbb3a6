// SPDX-License-Identifier: Apache-2.0
// What a CA sends as our certificate, and what we take (protocol F4 to F7).
#include <functional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "acme/issuance.hpp"
#include "tests/unit/acme/fakes.hpp"

using fakes::code_of;
using fakes::message_of;
using fakes::World;

namespace {

using Answer = fakes::Ca::Answer;

/// The caller goes on with the same order.
bool is_kept_open(const base::Result<acme::Issued>& issued) {
    return !issued && base::class_of(issued.error().code) == base::ErrorClass::Transient;
}

/// With the certificate comes this Link header.
void offer_besides(World& world, const std::string& link) {
    world.ca.after = [link](const std::string& path, int, base::HttpResponse answer) -> Answer {
        if (path == "/cert/1") answer.headers.emplace_back("link", link);
        return answer;
    };
}

}  // namespace

TEST_CASE("download: a certificate that is not ours is not taken, however often it is fetched") {
    using Names = std::vector<base::Identifier>;
    const auto stranger = base::PrivateKey::generate(base::KeyType::EcdsaP256).value();
    const auto other_root = test_ca::make_root("Other Root");
    using Make = std::function<std::string(const fakes::Ca&, EVP_PKEY*, Names)>;
    const auto chain = [](const fakes::Ca& ca, test_ca::Leaf leaf) {
        return base::to_pem({test_ca::issue(ca.intermediate, leaf), ca.intermediate.certificate});
    };
    const std::vector<std::pair<std::string_view, Make>> cases = {
        {"another key",
         [&](const fakes::Ca& ca, EVP_PKEY*, Names names) {
             return chain(ca, {.public_key = stranger.handle(), .names = std::move(names)});
         }},
        {"other names",
         [&](const fakes::Ca& ca, EVP_PKEY* key, Names) {
             return chain(ca, {.public_key = key, .names = {{.value = "b.example"}}});
         }},
        {"more names",
         [&](const fakes::Ca& ca, EVP_PKEY* key, Names names) {
             names.push_back({.value = "b.example"});
             return chain(ca, {.public_key = key, .names = names});
         }},
        {"expired",
         [&](const fakes::Ca& ca, EVP_PKEY* key, Names names) {
             return chain(ca, {.public_key = key, .names = std::move(names), .not_after = fakes::kNow - 1s});
         }},
        {"a CA certificate",
         [&](const fakes::Ca& ca, EVP_PKEY* key, Names names) {
             return chain(ca, {.public_key = key, .names = std::move(names), .is_ca = true});
         }},
        {"a broken chain",
         [&](const fakes::Ca& ca, EVP_PKEY* key, Names names) {
             return base::to_pem(
                 {test_ca::issue(ca.intermediate, {.public_key = key, .names = std::move(names)}),
                  other_root.certificate});
         }},
    };
    for (const auto& [name, make] : cases) {
        CAPTURE(name);
        World world({"a.example"});
        world.ca.make_chain = [&world, &make](EVP_PKEY* key, const Names& names) {
            return make(world.ca, key, names);
        };
        const auto issued = world.issue();
        CHECK(code_of(issued) == "ca/wrong-certificate");
        CHECK(issued.error().step == "download");
        CHECK(world.ca.count("/cert/1") == 3);
    }
}

TEST_CASE("download: a certificate that arrives damaged is fetched again, three times at most") {
    World world({"a.example"});
    world.ca.after = [](const std::string& path, int count, base::HttpResponse answer) -> Answer {
        if (path == "/cert/1" && count <= 2) answer.body.resize(300);
        return answer;
    };
    CHECK(message_of(world.issue()) == "");
    CHECK(world.ca.count("/cert/1") == 3);

    for (const std::string& body :
         {std::string(), std::string("<html>"), std::string("-----BEGIN PRIVATE KEY-----\n")}) {
        CAPTURE(body);
        World never({"a.example"});
        never.ca.before = [&body](const std::string& path, int) -> std::optional<Answer> {
            if (path == "/cert/1") return fakes::reply(200, body);
            return std::nullopt;
        };
        const auto issued = never.issue();
        CHECK(code_of(issued) == "ca/protocol");
        CHECK(is_kept_open(issued));
        CHECK(never.ca.count("/cert/1") == 3);
    }
}

TEST_CASE("download: one that a copy of the CA's database does not know yet is fetched again") {
    base::HttpResponse page = fakes::reply(403, "<html>Forbidden</html>");
    for (const Answer& refusal :
         {Answer(page), Answer(fakes::reply(404)), Answer(fakes::problem(404, "malformed", "not found")),
          Answer(fakes::problem(403, "unauthorized", "not this account's"))}) {
        CAPTURE(refusal->body);
        for (const int times : {1, 1000}) {
            World world({"a.example"});
            world.ca.before = [&](const std::string& path, int count) -> std::optional<Answer> {
                if (path == "/cert/1" && count <= times) return refusal;
                return std::nullopt;
            };
            const auto issued = world.issue();
            CHECK(code_of(issued) == (times == 1 ? "ok" : "ca/protocol"));
            CHECK(world.ca.count("/cert/1") == (times == 1 ? 2 : 3));
            CHECK((issued || is_kept_open(issued)));
        }
    }
}

TEST_CASE("download: another chain is taken where it is whole and ours, and stops nothing where it is not") {
    struct Case {
        std::string_view name;
        std::function<Answer(const std::string& whole)> answer;
        std::string_view told;  // empty: it is taken
    };

    const auto preferred = test_ca::make_intermediate(test_ca::make_root("Preferred"), "Other Intermediate");
    const auto stranger = base::PrivateKey::generate(base::KeyType::EcdsaP256).value();
    const auto pem_for = [&](const base::PrivateKey& key, const std::vector<base::Identifier>& names) {
        return base::to_pem(
            {test_ca::issue(preferred, {.public_key = key.handle(), .names = names}), preferred.certificate});
    };
    const std::string foreign = pem_for(stranger, {{.value = "a.example"}});
    const std::vector<Case> cases = {
        {"whole and ours", [](const auto& whole) { return fakes::reply(200, whole); }, ""},
        {"gone", [](const auto&) { return fakes::reply(404); }, "404"},
        {"a broken server", [](const auto&) { return fakes::reply(500); }, "500"},
        {"lost", [](const auto&) { return fakes::lost(); }, "no answer within 60 s"},
        {"without end", [](const auto&) { return base::fail(base::Code::NetTooLarge, "1 MiB"); }, "1 MiB"},
        {"cut", [](const auto& whole) { return fakes::reply(200, whole.substr(0, 300)); }, "no certificate"},
        {"a page", [](const auto&) { return fakes::reply(200, "<html>"); }, "no certificate chain"},
        {"another key's", [&](const auto&) { return fakes::reply(200, foreign); }, "is not ours"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.name);
        World world({"a.example"});
        world.request.preferred_chain = "Preferred";
        const std::string whole = pem_for(std::get<base::PrivateKey>(world.request.key), world.request.names);
        world.ca.before = [&](const std::string& path, int) -> std::optional<Answer> {
            return path == "/alt" ? std::optional(c.answer(whole)) : std::nullopt;
        };
        offer_besides(world, R"(</alt>;rel="alternate")");
        const auto issued = world.issue();
        REQUIRE(message_of(issued) == "");
        CHECK(world.ca.count("/alt") >= 1);
        CHECK(world.ca.issued() == 1);
        const bool is_taken = c.told.empty();
        CHECK(issued->chain.back().issuer_common_name() == (is_taken ? "Preferred" : "Fake Root"));
        CHECK(issued->remarks.size() == (is_taken ? 0 : 1));
        if (is_taken) continue;
        CAPTURE(issued->remarks.front());
        CHECK(fakes::contains(issued->remarks.front(), R"(no chain to "Preferred" was to be had)"));
        CHECK(fakes::contains(issued->remarks.front(), c.told));
    }
}

TEST_CASE("download: one of several other chains that is broken keeps none of them out") {
    World world({"a.example"});
    world.request.preferred_chain = "Preferred";
    const auto preferred = test_ca::make_intermediate(test_ca::make_root("Preferred"), "Other Intermediate");
    EVP_PKEY* key = std::get<base::PrivateKey>(world.request.key).handle();
    const std::string whole =
        base::to_pem({test_ca::issue(preferred, {.public_key = key, .names = world.request.names}),
                      preferred.certificate});
    world.ca.before = [&](const std::string& path, int) -> std::optional<Answer> {
        if (path == "/alt/1") return fakes::reply(200, whole.substr(0, 300));
        if (path == "/alt/2") return fakes::reply(200, whole);
        return std::nullopt;
    };
    offer_besides(world, R"(<ftp://x/>;rel="alternate", </alt/1>;rel="alternate", </alt/2>;rel="alternate")");
    const auto issued = world.issue();
    REQUIRE(message_of(issued) == "");
    CHECK(issued->chain.back().issuer_common_name() == "Preferred");
    CHECK(issued->remarks.empty());
}

TEST_CASE("download: an issuer that is linked to is not fetched: the chain that came is whole") {
    for (const std::string preferred : {"", "Preferred"}) {
        CAPTURE(preferred);
        World world({"a.example"});
        world.request.preferred_chain = preferred;
        offer_besides(world, R"(</issuer/1>;rel="up", </alt/1>;rel="alternate")");
        const auto issued = world.issue();
        REQUIRE(message_of(issued) == "");
        CHECK(issued->chain.size() == 2);
        CHECK(world.ca.count("/issuer/1") == 0);
        CHECK(world.ca.count("/alt/1") == (preferred.empty() ? 0 : 1));
    }
}

TEST_CASE("download: valid without a certificate") {
    World world({"a.example"});
    world.ca.after = [](const std::string& path, int, base::HttpResponse answer) -> Answer {
        if (!path.starts_with("/order/")) return answer;
        answer.body = fakes::with_member(answer.body, "certificate", "");
        return answer;
    };
    CHECK(code_of(world.issue()) == "ca/protocol");
}
