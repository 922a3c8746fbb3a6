// SPDX-License-Identifier: Apache-2.0
#include "acme/wire.hpp"

#include <ostream>
#include <string>
#include <string_view>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "tests/unit/acme/fakes.hpp"

using acme::AuthorizationStatus;
using acme::ChallengeStatus;
using acme::OrderStatus;
using fakes::code_of;

namespace {

constexpr std::string_view kUrl = "https://ca.test/dir";

std::string order_with(const std::string& members) {
    return R"({"finalize":"https://ca.test/f")" + (members.empty() ? "" : "," + members) + "}";
}

}  // namespace

TEST_CASE("wire: a directory with everything in it") {
    const auto directory = acme::parse_directory(R"({
        "newNonce": "https://ca.test/n", "newAccount": "/a", "newOrder": "o", "unknown": {"x": [1]},
        "meta": {"termsOfService": "https://ca.test/tos", "caaIdentities": ["ca.test", 7],
                 "externalAccountRequired": true, "profiles": {"classic": "as ever", "short": null}}})",
                                                 kUrl);
    REQUIRE(directory);
    CHECK(directory->new_nonce == "https://ca.test/n");
    CHECK(directory->new_account == "https://ca.test/a");
    CHECK(directory->new_order == "https://ca.test/o");
    CHECK(directory->terms_of_service == "https://ca.test/tos");
    CHECK(directory->caa_identities == std::vector<std::string>{"ca.test"});
    CHECK(directory->external_account_required);
    CHECK(directory->profiles == std::map<std::string, std::string>{{"classic", "as ever"}, {"short", ""}});
}

TEST_CASE("wire: what is no directory") {
    for (const std::string& body :
         {std::string(), std::string("<html>"), std::string("[]"), std::string("{}"),
          std::string(R"({"newNonce":7,"newAccount":"/a","newOrder":"/o"})"),
          std::string(R"({"newNonce":"http://ca.test/n","newAccount":"/a","newOrder":"/o"})"),
          std::string(R"({"newNonce":"/n","newAccount":"/a"})"), std::string("{\"newNonce\":\"\xff\"}"),
          std::string(100'000, '['), std::string(3'000'000, ' ')}) {
        CHECK(code_of(acme::parse_directory(body, kUrl)) == "ca/protocol");
    }
}

TEST_CASE("wire: an order, its names sorted") {
    const auto order = acme::parse_order(R"({
        "status": "ready", "expires": "2026-11-28T12:00:00.5Z", "finalize": "https://ca.test/f", "certificate": null,
        "identifiers": [{"type": "ip", "value": "192.0.2.7"}, {"type": "dns", "value": "WWW.example.com"},
                        {"type": "dns", "value": "*.example.com"}],
        "authorizations": ["https://ca.test/z/1", "/z/2"],
        "error": {"type": "urn:ietf:params:acme:error:caa", "detail": "no", "status": 403}})",
                                         "https://ca.test/order/1");
    REQUIRE(order);
    CHECK(order->url == "https://ca.test/order/1");
    CHECK(order->status == OrderStatus::Ready);
    CHECK(base::format_instant(order->expires.value()) == "2026-11-28T12:00:00Z");
    REQUIRE(order->identifiers.size() == 3);
    CHECK(order->identifiers[0].value == "*.example.com");
    CHECK(order->identifiers[1].value == "www.example.com");
    CHECK(order->identifiers[2].value == "192.0.2.7");
    CHECK(order->authorizations == std::vector<std::string>{"https://ca.test/z/1", "https://ca.test/z/2"});
    CHECK(order->certificate.empty());
    CHECK(order->error.value().detail == "no");
}

TEST_CASE("wire: statuses, and what is not known is looked at again") {
    using Status = std::pair<std::string_view, OrderStatus>;
    for (const auto& [text, want] :
         {Status{"pending", OrderStatus::Pending}, Status{"ready", OrderStatus::Ready},
          Status{"processing", OrderStatus::Processing}, Status{"valid", OrderStatus::Valid},
          Status{"invalid", OrderStatus::Invalid}, Status{"deactivated", OrderStatus::Unknown},
          Status{"VALID", OrderStatus::Unknown}, Status{"", OrderStatus::Unknown}}) {
        CAPTURE(text);
        const auto order = acme::parse_order(order_with(R"("status":")" + std::string(text) + "\""), kUrl);
        CHECK((order.value().status == want));
    }
    CHECK((acme::parse_order(order_with(R"("status":["valid"])"), kUrl).value().status ==
           OrderStatus::Unknown));
    CHECK((acme::parse_order(order_with(""), kUrl).value().status == OrderStatus::Unknown));
}

TEST_CASE("wire: hostile orders") {
    const std::string url = R"("https://ca.test/z",)";
    std::string many = "[";
    for (int i = 0; i < 3000; ++i) many += url;
    many.back() = ']';
    for (const std::string& body :
         {order_with(R"("certificate":"http://ca.test/c")"), order_with(R"("certificate":"ftp://x")"),
          order_with(R"("authorizations":["http://ca.test/z"])"), order_with(R"("authorizations":[7])"),
          order_with(R"("authorizations":"https://ca.test/z")"), order_with(R"("authorizations":)" + many),
          order_with(R"("identifiers":[{"type":"dns","value":"../x"}])"), order_with(R"("identifiers":[7])"),
          order_with(R"("identifiers":[{"type":"dns","value":"192.0.2.1"}])"),
          order_with(R"("identifiers":[{"type":"dns","value":"bücher.example"}])"),
          order_with(R"("identifiers":[{"type":"email","value":"a@example.com"}])"),
          std::string(R"({"status":"pending"})"), std::string(R"({"finalize":"http://ca.test/f"})"),
          std::string(R"({"finalize":"https://ca.test/f")")}) {
        CAPTURE(body.substr(0, 100));
        CHECK(code_of(acme::parse_order(body, kUrl)) == "ca/protocol");
    }
}

TEST_CASE("wire: an authorization, of a wildcard, with challenges nobody knows") {
    const auto authorization = acme::parse_authorization(R"({
        "status": "pending", "identifier": {"type": "dns", "value": "example.com"}, "wildcard": true,
        "challenges": [{"type": "quantum-01", "url": "/c/1"},
                       {"type": "dns-01", "url": "/c/2", "status": "processing", "token": "abc"},
                       {"type": "http-01", "url": "/c/3", "status": "invalid", "token": "abc",
                        "error": {"type": "urn:x", "detail": "d"}}]})",
                                                         kUrl);
    REQUIRE(authorization);
    CHECK(authorization->identifier.value == "*.example.com");
    CHECK((authorization->status == AuthorizationStatus::Pending));
    REQUIRE(authorization->challenges.size() == 3);
    CHECK((authorization->challenges[0].status == ChallengeStatus::Unknown));
    CHECK(authorization->challenges[0].token.empty());
    CHECK((authorization->challenges[1].status == ChallengeStatus::Processing));
    CHECK(authorization->challenges[1].url == "https://ca.test/c/2");
    CHECK(authorization->challenges[2].error.value().type == "urn:x");

    for (
        const std::string_view bad :
        {R"({"status":"pending"})",
         R"({"identifier":{"type":"dns","value":"a.b"},"challenges":[{"type":"http-01"}]})",
         R"({"identifier":{"type":"dns","value":"a.b"},"challenges":[{"type":"http-01","url":"http://ca.test"}]})",
         R"({"identifier":{"type":"dns","value":"a.b"},"challenges":[[]]})"}) {
        CAPTURE(bad);
        CHECK(code_of(acme::parse_authorization(bad, kUrl)) == "ca/protocol");
    }
    for (const std::string_view ended : {"invalid", "deactivated", "expired", "revoked", "valid"}) {
        const std::string body =
            R"({"identifier":{"type":"dns","value":"a.example"},"status":")" + std::string(ended) + "\"}";
        const AuthorizationStatus status = acme::parse_authorization(body, kUrl).value().status;
        CHECK((status != AuthorizationStatus::Unknown && status != AuthorizationStatus::Pending));
    }
}

TEST_CASE("wire: a dns-persist-01 challenge has names of the CA in place of a token, or none that count") {
    const auto domains = [](const std::string& json) {
        const auto authorization = acme::parse_authorization(
            R"({"identifier":{"type":"dns","value":"a.example"},"challenges":[{"type":"dns-persist-01",)"
            R"("url":"/c","status":"valid","issuer-domain-names":)" +
                json + "}]}",
            kUrl);
        REQUIRE(authorization);  // the other challenges of such an authorization can still be used
        CHECK((authorization->challenges.front().status == ChallengeStatus::Valid));
        return authorization->challenges.front().issuer_domains;
    };
    std::string ten = "[\"a0.example\"";
    for (int i = 1; i < 10; ++i) ten += ",\"a" + std::to_string(i) + ".example\"";
    const std::string label(63, 'a');
    const std::string longest = label + "." + label + "." + label + "." + std::string(61, 'b');
    CHECK(domains(R"(["CA.example"])") == std::vector<std::string>{"ca.example"});
    CHECK(domains(ten + "]").size() == 10);
    CHECK(domains(ten + ",\"b.example\"]").empty());
    CHECK(domains("[\"" + longest + "\"]").size() == 1);
    CHECK(domains("[\"" + longest + "b\"]").empty());
    for (const std::string bad :
         {"[]", "7", "null", R"("ca.example")", R"([7])", R"(["ca.example", ""])", R"(["*.ca.example"])",
          R"(["192.0.2.1"])", R"(["ca.example; x"])", R"(["bücher.example"])"}) {
        CAPTURE(bad);
        CHECK(domains(bad).empty());
    }
}

TEST_CASE("wire: problems, whatever the body is") {
    const acme::Problem problem = acme::parse_problem(
        R"({"type":"urn:ietf:params:acme:error:malformed","title":"t","subproblems":[
            {"type":"urn:x","detail":"no","identifier":{"type":"dns","value":"a.example"},"subproblems":[{}]}, 7]})",
        400);
    CHECK(problem.detail == "t");
    CHECK(problem.status == 400);
    REQUIRE(problem.subproblems.size() == 1);
    CHECK(problem.subproblems[0].identifier == "a.example");
    CHECK(problem.subproblems[0].subproblems.empty());
    for (const std::string_view body : {"", "<html>502</html>", "[]", "7", "{\"detail\":7}", "{"}) {
        CAPTURE(body);
        const acme::Problem none = acme::parse_problem(body, 502);
        CHECK(none.type.empty());
        CHECK(none.status == 502);
    }
}

TEST_CASE("wire: an account, whatever the body is") {
    const acme::AccountView view =
        acme::parse_account(R"({"status":"deactivated","contact":["mailto:a@b.example",7]})");
    CHECK(view.status == "deactivated");
    CHECK(view.contact == std::vector<std::string>{"mailto:a@b.example"});
    for (const std::string_view body : {"", "[]", "7", R"({"status":7,"contact":"x"})"}) {
        CHECK(acme::parse_account(body).status.empty());
        CHECK(acme::parse_account(body).contact.empty());
    }
}

TEST_CASE("wire: what we send") {
    CHECK(
        acme::new_account_payload({"ops@example.com", "mailto:a%20b@example.com", "tel:+1"}, true) ==
        R"({"contact":["mailto:ops@example.com","mailto:a%20b@example.com","tel:+1"],"termsOfServiceAgreed":true})");
    CHECK(acme::new_account_payload({}, false) == "{}");
    CHECK(acme::find_account_payload() == R"({"onlyReturnExisting":true})");
    CHECK(acme::contact_payload({"ops@example.com"}) == R"({"contact":["mailto:ops@example.com"]})");
    CHECK(acme::contact_payload({}) == R"({"contact":[]})");
    CHECK(acme::key_change_payload("https://ca.test/a/1", R"({"kty":"EC"})") ==
          R"({"account":"https://ca.test/a/1","oldKey":{"kty":"EC"}})");
    CHECK(acme::revocation_payload("\xff\xfe", 4) == R"({"certificate":"__4","reason":4})");
    CHECK(acme::revocation_payload("\xff\xfe", 0) == R"({"certificate":"__4"})");
    const std::vector<base::Identifier> names = {base::parse_identifier("example.com").value(),
                                                 base::parse_identifier("192.0.2.7").value()};
    CHECK(acme::new_order_payload(names, "", "") ==
          R"({"identifiers":[{"type":"dns","value":"example.com"},{"type":"ip","value":"192.0.2.7"}]})");
    CHECK(nlohmann::json::parse(acme::new_order_payload(names, "short", "")).at("profile") == "short");
    CHECK(acme::finalize_payload("\xff\xfe") == R"({"csr":"__4"})");
}
