// SPDX-License-Identifier: Apache-2.0
#include "acme/caa.hpp"

#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/unit/base/name_servers.hpp"

namespace {

constexpr const char* kAccount = "https://ca.test/acct/1";

struct Property {
    std::string tag{};
    std::string value{};
    std::uint8_t flags = 0;
};

acme::CaaSet set_of(const std::vector<Property>& properties) {
    acme::CaaSet set{.owner = "example.com."};
    for (const Property& one : properties) {
        set.records.push_back({.name = set.owner,
                               .type = base::DnsType::Caa,
                               .data = one.value,
                               .tag = one.tag,
                               .flags = one.flags});
    }
    return set;
}

acme::CaaRequest request(bool wildcard = false) {
    return {.identities = {"CA.test", "ca2.test"},
            .account_url = kAccount,
            .method = "dns-01",
            .is_wildcard = wildcard};
}

bool allows(const std::vector<Property>& properties, bool wildcard = false) {
    return !judge_caa(set_of(properties), request(wildcard));
}

bool allows_value(const std::string& value) {
    return allows({{"issue", value}});
}

}  // namespace

TEST_CASE("CAA without a word on issuing allows everybody") {
    CHECK(allows({}));
    CHECK(allows({{"iodef", "mailto:a@example.com"}}));
    CHECK(allows({{"iodef", "mailto:a@example.com", 128}}));
    CHECK(allows({{"unknown", "x"}}));
    CHECK(allows({{"issuewild", ";"}}));
}

TEST_CASE("CAA allows whom it names, by any of its names") {
    CHECK(allows_value("ca.test"));
    CHECK(allows_value(" CA2.test "));
    CHECK(allows_value("ca.test; "));
    CHECK(allows({{"issue", ";"}, {"issue", "other.test"}, {"issue", "ca.test", 128}}));
    CHECK_FALSE(allows_value(";"));
    CHECK_FALSE(allows_value(""));
    CHECK_FALSE(allows_value("other.test"));
    CHECK_FALSE(allows_value("ca.test.other.test"));
}

TEST_CASE("for wildcards issuewild counts alone, where there is one") {
    CHECK(allows({{"issue", "ca.test"}}, true));
    CHECK_FALSE(allows({{"issue", "ca.test"}, {"issuewild", ";"}}, true));
    CHECK(allows({{"issue", ";"}, {"issuewild", "ca.test"}}, true));
    CHECK_FALSE(allows({{"issue", ";"}, {"issuewild", "ca.test"}}, false));
}

TEST_CASE("a critical property that nobody understands lets nobody issue") {
    CHECK_FALSE(allows({{"issue", "ca.test"}, {"future", "x", 128}}));
    CHECK_FALSE(allows({{"issue", "ca.test"}, {"future", "x", 1}}));
    CHECK(allows({{"issue", "ca.test"}, {"future", "x", 2}}));
}

TEST_CASE("accounturi and validationmethods bind the permission to an account and a challenge") {
    CHECK(allows_value("ca.test; accounturi=https://ca.test/acct/1"));
    CHECK_FALSE(allows_value("ca.test; accounturi=https://ca.test/acct/10"));
    CHECK_FALSE(allows_value("ca.test; accounturi=https://CA.test/acct/1"));
    CHECK(allows_value("ca.test;validationmethods=http-01,dns-01"));
    CHECK_FALSE(allows_value("ca.test; validationmethods=http-01"));
    CHECK(allows_value("ca.test; ValidationMethods = dns-01 ; AccountURI = https://ca.test/acct/1 "));
    CHECK(allows({{"issue", "ca.test; validationmethods=http-01"}, {"issue", "ca2.test"}}));
    CHECK(allows_value("ca.test; other=thing; more=ca"));
    acme::CaaRequest unknown = request();
    unknown.method.clear();
    CHECK_FALSE(judge_caa(set_of({{"issue", "ca.test; validationmethods=http-01"}}), unknown));
    // No record can name an account that there is not yet.
    unknown.account_url.clear();
    CHECK_FALSE(judge_caa(set_of({{"issue", "ca.test"}}), unknown));
    const auto refusal = judge_caa(set_of({{"issue", "ca.test; accounturi=x"}}), unknown);
    REQUIRE(refusal);
    CHECK(refusal->reason.find("there is no account of ours yet that it could be") != std::string::npos);
}

TEST_CASE("a value that breaks the grammar allows nobody") {
    for (const char* value :
         {"ca.test accounturi=https://ca.test/acct/1", "ca.test; accounturi", "ca.test; =x", "ca.test; a b=c",
          "ca.test; accounturi=https://ca.test/acct/1; accounturi=https://ca.test/acct/1", "ca..test",
          "-ca.test", "ca.test; validationmethods=", "ca.test; validationmethods=dns-01,",
          "ca.test; validationmethods=dns 01", "ca.test; ; ", "ca.test; a=b;", "ca.test; x=\x01", "ca_test",
          "ca.test; validationmethods=dns-01; validationmethods=dns-01"}) {
        CAPTURE(value);
        CHECK_FALSE(allows_value(value));
    }
}

TEST_CASE("a CA that does not say its name is refused only where nobody may issue") {
    acme::CaaRequest nameless = request();
    nameless.identities.clear();
    CHECK_FALSE(judge_caa(set_of({{"issue", "other.test"}}), nameless));
    CHECK(judge_caa(set_of({{"issue", ";"}}), nameless));
}

TEST_CASE("a refusal says who is allowed, where, and what would have to stand there") {
    const auto others =
        judge_caa(set_of({{"issue", "a.test"}, {"issue", "b.test"}, {"issue", "a.test"}}), request());
    REQUIRE(others);
    CHECK(others->reason == "CAA at example.com allows only a.test, b.test");
    CHECK(others->wanted == "example.com. CAA 0 issue \"CA.test\"");
    const auto wild = judge_caa(set_of({{"issuewild", ";"}}), request(true));
    CHECK(wild->reason == "CAA at example.com allows no CA to issue wildcards");
    CHECK(wild->wanted == "example.com. CAA 0 issuewild \"CA.test\"");
    const auto account =
        judge_caa(set_of({{"issue", "ca.test; accounturi=https://ca.test/acct/2"}}), request());
    CHECK(account->reason ==
          "CAA at example.com allows ca.test only for the account https://ca.test/acct/2, and "
          "ours is https://ca.test/acct/1");
    const auto method = judge_caa(set_of({{"issue", "ca.test; validationmethods=http-01"}}), request());
    CHECK(method->reason ==
          "CAA at example.com allows ca.test only for validation by http-01, and ours is dns-01");
}

TEST_CASE("CAA is found at the name or above it, along CNAMEs") {
    const std::string address = tests::free_loopback();
    const tests::Knot knot({{.name = "example.test",
                             .records = "@ NS ns1\nns1 A " + address +
                                        "\n@ CAA 0 issue \"above.test\"\nown CAA 0 issue \"ca.test\"\n"
                                        "www.own A 192.0.2.1\nalias CNAME own\nnone A 192.0.2.1\n"
                                        "bad CAA 0 issue \"ca.test; accounturi\"\n"},
                            {.name = "test", .records = "@ NS ns1\nns1 A " + address + "\n"}},
                           address);
    const tests::Unbound unbound(
        {{"example.test", address}, {"test", address}, {"broken.test", address}},
        {"broken.test. DS 1 13 2 0000000000000000000000000000000000000000000000000000000000000000"});
    const base::Dns dns({unbound.server()}, base::Milliseconds(2000));
    const auto owner = [&](const char* name) { return acme::find_caa(dns, name)->owner; };
    CHECK(owner("example.test") == "example.test.");
    CHECK(owner("a.b.none.example.test") == "example.test.");
    CHECK(owner("www.own.example.test") == "own.example.test.");
    CHECK(owner("*.own.example.test") == "own.example.test.");
    CHECK(owner("alias.example.test") == "alias.example.test.");
    CHECK(owner("elsewhere.test").empty());

    const auto check = [&](const char* name) {
        return acme::check_caa(dns, base::parse_identifier(name).value(), request());
    };
    CHECK(check("alias.example.test"));
    CHECK(check("192.0.2.1"));
    const auto forbidden = check("none.example.test");
    REQUIRE_FALSE(forbidden);
    CHECK(base::to_string(forbidden.error().code) == "ca/forbidden-by-caa");
    CHECK(forbidden.error().message == "none.example.test: CAA at example.test allows only above.test");
    CHECK(forbidden.error().hint ==
          "to let this CA issue, the zone needs: example.test. CAA 0 issue \"CA.test\"");
    CHECK(base::to_string(check("bad.example.test").error().code) == "ca/forbidden-by-caa");
    const auto bogus = check("www.broken.test");
    REQUIRE_FALSE(bogus);
    CHECK(base::to_string(bogus.error().code) == "dns/bogus");
    CHECK(bogus.error().message.starts_with("CAA for www.broken.test: "));
}
