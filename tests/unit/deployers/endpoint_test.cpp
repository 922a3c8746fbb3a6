// SPDX-License-Identifier: Apache-2.0
#include "deployers/probe/endpoint.hpp"

#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

namespace {

using deployers::Endpoint;
using deployers::KeyChoice;
using deployers::parse_endpoint;
using deployers::Scheme;

struct Good {
    std::string_view text;
    Endpoint want;
    std::string_view canonical;  // what to_string() makes of it
};

TEST_CASE("endpoint: what is accepted") {
    const std::vector<Good> cases = {
        {.text = "https://www.example.com",
         .want = {.host = "www.example.com", .port = 443, .sni = "www.example.com"},
         .canonical = "https://www.example.com"},
        {.text = "HTTPS://WWW.Example.com:443",
         .want = {.host = "www.example.com", .port = 443, .sni = "www.example.com"},
         .canonical = "https://www.example.com"},
        {.text = "https://localhost:8443",
         .want = {.host = "localhost", .port = 8443, .sni = "localhost"},
         .canonical = "https://localhost:8443"},
        {.text = "tls://mx:993",
         .want = {.scheme = Scheme::Tls, .host = "mx", .port = 993, .sni = "mx"},
         .canonical = "tls://mx:993"},
        {.text = "tls://mx:443",
         .want = {.scheme = Scheme::Tls, .host = "mx", .port = 443, .sni = "mx"},
         .canonical = "tls://mx:443"},
        {.text = "https://192.0.2.7",
         .want = {.host = "192.0.2.7", .port = 443},
         .canonical = "https://192.0.2.7"},
        {.text = "https://[2001:DB8::7]:65535",
         .want = {.host = "2001:db8::7", .port = 65535},
         .canonical = "https://[2001:db8::7]:65535"},
        {.text = "https://[::1]", .want = {.host = "::1", .port = 443}, .canonical = "https://[::1]"},
        {.text = "https://192.0.2.7?sni=www.example.com",
         .want = {.host = "192.0.2.7", .port = 443, .sni = "www.example.com"},
         .canonical = "https://192.0.2.7?sni=www.example.com"},
        {.text = "https://www.example.com?address=10.2.0.7:8443&sni=example.com&connections=20&key=rsa",
         .want = {.host = "www.example.com",
                  .port = 443,
                  .address = "10.2.0.7",
                  .address_port = 8443,
                  .sni = "example.com",
                  .connections = 20,
                  .key = KeyChoice::Rsa},
         .canonical = "https://www.example.com?address=10.2.0.7:8443&sni=example.com&connections=20&key=rsa"},
        {.text = "https://a.example?key=ecdsa&address=2001:db8::7",
         .want = {.host = "a.example",
                  .port = 443,
                  .address = "2001:db8::7",
                  .sni = "a.example",
                  .key = KeyChoice::Ecdsa},
         .canonical = "https://a.example?address=[2001:db8::7]&key=ecdsa"},
        {.text = "https://a.example?address=[2001:db8::7]:1",
         .want = {.host = "a.example",
                  .port = 443,
                  .address = "2001:db8::7",
                  .address_port = 1,
                  .sni = "a.example"},
         .canonical = "https://a.example?address=[2001:db8::7]:1"},
        {.text = "https://a.example?connections=100",
         .want = {.host = "a.example", .port = 443, .sni = "a.example", .connections = 100},
         .canonical = "https://a.example?connections=100"},
    };
    for (const Good& c : cases) {
        CAPTURE(c.text);
        const auto endpoint = parse_endpoint(c.text);
        REQUIRE(endpoint);
        Endpoint want = c.want;
        want.text = c.text;
        CHECK(*endpoint == want);
        CHECK(to_string(*endpoint) == c.canonical);
        // What we write, we read, and it means the same.
        auto again = parse_endpoint(to_string(*endpoint));
        REQUIRE(again);
        again->text = c.text;
        CHECK(*again == want);
    }
}

struct Bad {
    std::string_view text;
    std::string_view code;
    std::string_view says;  // in message or hint
};

TEST_CASE("endpoint: what is refused, and the words for it") {
    const std::vector<Bad> cases = {
        {.text = "", .code = "config/wrong-value", .says = "the scheme is missing"},
        {.text = "www.example.com", .code = "config/wrong-value", .says = "write https://www.example.com"},
        {.text = "htps://www.example.com",
         .code = "config/wrong-value",
         .says = "https and tls are accepted"},
        {.text = "://www.example.com", .code = "config/wrong-value", .says = "there is no scheme \"\""},
        {.text = "https://", .code = "config/wrong-value", .says = "the host is empty"},
        {.text = "https://:443", .code = "config/wrong-value", .says = "the host is empty"},
        {.text = "tls://mx.example.com", .code = "config/wrong-value", .says = "tls://mx.example.com:PORT"},
        {.text = "tls://[::1]", .code = "config/wrong-value", .says = "tls://[::1]:PORT"},
        {.text = "https://a.example:", .code = "config/wrong-value", .says = "is no port"},
        {.text = "https://a.example:0", .code = "config/wrong-value", .says = "1 to 65535"},
        {.text = "https://a.example:65536", .code = "config/wrong-value", .says = "1 to 65535"},
        {.text = "https://a.example:+80", .code = "config/wrong-value", .says = "is no port"},
        {.text = "https://a.example:80x", .code = "config/wrong-value", .says = "is no port"},
        {.text = "https://2001:db8::7", .code = "config/wrong-value", .says = "[2001:db8::7]"},
        {.text = "https://[2001:db8::7", .code = "config/wrong-value", .says = "without its \"]\""},
        {.text = "https://[192.0.2.7]", .code = "config/wrong-value", .says = "only an IPv6 address"},
        {.text = "https://[::1]443", .code = "config/wrong-value", .says = "only :port may follow"},
        {.text = "https://*.example.com", .code = "config/wrong-value", .says = "www.example.com"},
        {.text = "https://a..example", .code = "config/wrong-value", .says = "empty label"},
        {.text = "https://user@a.example", .code = "config/wrong-value", .says = "a user has no meaning"},
        {.text = "https://a.example/", .code = "config/wrong-value", .says = "a path has no meaning"},
        {.text = "https://a.example/x?sni=b.example",
         .code = "config/wrong-value",
         .says = "a path has no meaning"},
        {.text = "https://a.example#x", .code = "config/wrong-value", .says = "a fragment"},
        {.text = "https://a.example?", .code = "config/wrong-value", .says = "name=value"},
        {.text = "https://a.example?sni", .code = "config/wrong-value", .says = "name=value"},
        {.text = "https://a.example?sni=", .code = "config/wrong-value", .says = "name=value"},
        {.text = "https://a.example?sni=b.example&", .code = "config/wrong-value", .says = "name=value"},
        {.text = "https://a.example?snl=b.example",
         .code = "config/wrong-value",
         .says = "no option \"snl\""},
        {.text = "https://a.example?=b", .code = "config/wrong-value", .says = "no option \"\""},
        {.text = "https://a.example?key=rsa&key=rsa",
         .code = "config/wrong-value",
         .says = "key stands there twice"},
        {.text = "https://a.example?key=dsa", .code = "config/wrong-value", .says = "key is rsa or ecdsa"},
        {.text = "https://a.example?sni=192.0.2.7",
         .code = "config/wrong-value",
         .says = "sni= is a DNS name"},
        {.text = "https://a.example?sni=*.example", .code = "config/wrong-value", .says = "wildcard"},
        {.text = "https://a.example?connections=0", .code = "config/wrong-value", .says = "from 1 to 100"},
        {.text = "https://a.example?connections=101", .code = "config/wrong-value", .says = "from 1 to 100"},
        {.text = "https://a.example?address=b.example",
         .code = "config/wrong-value",
         .says = "is no IP address"},
        {.text = "https://a.example?address=10.0.0.1:x", .code = "config/wrong-value", .says = "is no port"},
        {.text = "https://a.example?address=[::1", .code = "config/wrong-value", .says = "without its \"]\""},
        {.text = "imaps://mx.example.com",
         .code = "config/not-built",
         .says = "tls://mx.example.com:993 looks"},
        {.text = "smtps://mx.example.com",
         .code = "config/not-built",
         .says = "tls://mx.example.com:465 looks"},
        {.text = "pop3s://[::1]", .code = "config/not-built", .says = "tls://[::1]:995 looks"},
        {.text = "ldaps://[::1]:1636?sni=a.b", .code = "config/not-built", .says = "tls://[::1]:1636 looks"},
        {.text = "smtp://mx.example.com:25", .code = "config/not-built", .says = "STARTTLS"},
        {.text = "submission://mx.example.com", .code = "config/not-built", .says = "STARTTLS"},
        {.text = "imap://mx.example.com", .code = "config/not-built", .says = "STARTTLS"},
        {.text = "pop3://mx.example.com", .code = "config/not-built", .says = "STARTTLS"},
        {.text = "ftp://mx.example.com", .code = "config/not-built", .says = "STARTTLS"},
        {.text = "ldap://mx.example.com", .code = "config/not-built", .says = "STARTTLS"},
        {.text = "postgres://db.example.com", .code = "config/not-built", .says = "STARTTLS"},
        {.text = "mysql://db.example.com", .code = "config/not-built", .says = "STARTTLS"},
        {.text = "xmpp://im.example.com", .code = "config/not-built", .says = "STARTTLS"},
        {.text = "sieve://mx.example.com", .code = "config/not-built", .says = "STARTTLS"},
    };
    for (const Bad& c : cases) {
        CAPTURE(c.text);
        const auto endpoint = parse_endpoint(c.text);
        REQUIRE_FALSE(endpoint);
        CHECK(to_string(endpoint.error().code) == c.code);
        const std::string words = endpoint.error().message + " " + endpoint.error().hint;
        CAPTURE(words);
        CHECK(words.find(c.says) != std::string::npos);
        // The endpoint itself is named, and every refusal says what to do.
        CHECK(endpoint.error().message.starts_with("endpoint \"" + std::string(c.text)));
        CHECK_FALSE(endpoint.error().hint.empty());
    }
}

TEST_CASE("endpoint: control characters do not reach the terminal") {
    const auto endpoint = parse_endpoint("https://a\x1b[2Jb.example");
    REQUIRE_FALSE(endpoint);
    CHECK(endpoint.error().message.find('\x1b') == std::string::npos);
}

}  // namespace
