// SPDX-License-Identifier: Apache-2.0
// AWS' published vectors: the aws-sig-v4-test-suite, and the worked example of its general reference.
#include "acme/solvers/dns/sigv4.hpp"

#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "acme/solvers/dns/xml_text.hpp"

namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

struct Vector {
    std::string name{};
    acme::AwsRequest request{};
    std::string service = "service";
    std::string signed_names{};
    std::string signature{};
    std::string session_token{};
};

std::string value_of(const Pairs& headers, const std::string& name) {
    for (const auto& [key, value] : headers) {
        if (key == name) return value;
    }
    return {};
}

acme::AwsKeys example_keys() {
    return {.access_key_id = "AKIDEXAMPLE",
            .secret_access_key = base::Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")};
}

/// Of temporary credentials, as AWS shows them.
constexpr std::string_view kSessionToken =
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflf"
    "KD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd"
    "8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3i"
    "SIlTJabIQwj2ICCR/oLxBA==";

const base::Instant kThen = *base::parse_instant("2015-08-30T12:36:00Z");

}  // namespace

TEST_CASE("sigv4: signatures are those that AWS publishes") {
    const std::string host = "example.amazonaws.com";
    const std::string unreserved = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const std::vector<Vector> vectors{
        {.name = "get-vanilla",
         .request = {.host = host, .path = "/"},
         .signed_names = "host;x-amz-date",
         .signature = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
        {.name = "get-vanilla-query-order-key-case",
         .request = {.host = host, .path = "/", .query = "Param2=value2&Param1=value1"},
         .signed_names = "host;x-amz-date",
         .signature = "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
        {.name = "get-vanilla-query-order-value",
         .request = {.host = host, .path = "/", .query = "Param1=value2&Param1=value1"},
         .signed_names = "host;x-amz-date",
         .signature = "5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694"},
        {.name = "get-vanilla-query-unreserved",
         .request = {.host = host, .path = "/", .query = unreserved + "=" + unreserved},
         .signed_names = "host;x-amz-date",
         .signature = "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"},
        {.name = "get-vanilla-utf8-query",
         .request = {.host = host, .path = "/", .query = "%E1%88%B4=bar"},
         .signed_names = "host;x-amz-date",
         .signature = "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
        {.name = "get-vanilla-query-order-encoded",  // names are sorted as names, "Param" before "Param-3"
         .request = {.host = host, .path = "/", .query = "Param-3=Value3&Param=Value2&%E1%88%B4=Value1"},
         .signed_names = "host;x-amz-date",
         .signature = "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac"},
        {.name = "post-sts-header-before",
         .request = {.method = "POST", .host = host, .path = "/"},
         .signed_names = "host;x-amz-date;x-amz-security-token",
         .signature = "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
         .session_token = std::string(kSessionToken)},
        {.name = "post-vanilla",
         .request = {.method = "POST", .host = host, .path = "/"},
         .signed_names = "host;x-amz-date",
         .signature = "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
        {.name = "post-x-www-form-urlencoded",
         .request = {.method = "POST",
                     .host = host,
                     .path = "/",
                     .headers = {{"Content-Type", "application/x-www-form-urlencoded"}},
                     .body = "Param1=value1"},
         .signed_names = "content-type;host;x-amz-date",
         .signature = "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
        {.name = "the example of the general reference",
         .request = {.host = "iam.amazonaws.com",
                     .path = "/",
                     .query = "Action=ListUsers&Version=2010-05-08",
                     .headers = {{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}}},
         .service = "iam",
         .signed_names = "content-type;host;x-amz-date",
         .signature = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"},
    };
    for (const Vector& each : vectors) {
        CAPTURE(each.name);
        acme::AwsKeys keys = example_keys();
        keys.session_token = base::Secret(each.session_token);
        const Pairs headers =
            acme::sign_aws(each.request, keys, {.region = "us-east-1", .service = each.service}, kThen);
        CHECK(value_of(headers, "X-Amz-Security-Token") == each.session_token);
        CHECK(value_of(headers, "X-Amz-Date") == "20150830T123600Z");
        CHECK(value_of(headers, "Authorization") ==
              "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/" + each.service +
                  "/aws4_request, SignedHeaders=" + each.signed_names + ", Signature=" + each.signature);
    }
}

TEST_CASE("xml: what is no document of the expected root, or holds what we do not read, is refused") {
    CHECK(acme::xml_root("<?xml version=\"1.0\"?>\n<A xmlns=\"x\"><B>1</B></A>\n", "A") == "<B>1</B>");
    CHECK(acme::xml_root("<A></A>", "A") == "");
    for (const char* wrong : {"", "<A>", "</A>", "<A/>", "<AB></A>", "<B></B>", "<A><B></B>", "x<A></A>",
                              "<A></A>x", "<A", "<?xml <A></A>", "<!DOCTYPE A><A></A>", "<A><!-- <B> --></A>",
                              "<A><![CDATA[<B>]]></A>", "<A xmlns=\"x\"</A>"}) {
        CAPTURE(wrong);
        CHECK(!acme::xml_root(wrong, "A"));
    }
}

TEST_CASE("xml: texts come with their references resolved, unknown ones are refused") {
    CHECK(acme::xml_text("<B>1</B><B>2</B>", "B") == "1");
    CHECK(acme::xml_text("<B>a &amp; &quot;b&quot; &lt;&gt;&apos;&#39;&#x27;</B>", "B") == "a & \"b\" <>'''");
    CHECK(acme::xml_text("<C>1</C>", "B") == "");
    CHECK(acme::xml_text("<B>1", "B") == "");
    CHECK(acme::xml_text("<B><C>1</C></B>", "B") == "");
    CHECK(!acme::xml_all("<B>1</B><B>2", "B"));
    for (const char* wrong :
         {"&", "&amp", "&nbsp;", "&#0;", "&#128;", "&#x;", "&#-1;", "&#999999999999;", "<"}) {
        CAPTURE(wrong);
        CHECK(!acme::xml_unescape(wrong));
    }
    CHECK(acme::xml_escape("a<b>&\"c\"'") == "a&lt;b&gt;&amp;&quot;c&quot;&apos;");
}
