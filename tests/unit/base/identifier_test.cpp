// SPDX-License-Identifier: Apache-2.0
// What a person may write for a name or an address, what it becomes, and which rule is named when it is
// wrong.
#include "base/identifier.hpp"

#include <ostream>

#include <doctest/doctest.h>

using base::Code;
using base::covers;
using base::Identifier;
using base::IdentifierType;
using base::parse_identifier;

namespace {

const std::string kLabel63(63, 'a');
const std::string kLabel64(64, 'a');

/// A name of `length` characters, in labels of at most 63.
std::string name_of(std::size_t length) {
    std::string name = kLabel63 + "." + kLabel63 + "." + kLabel63 + ".";
    return name + std::string(length - name.size(), 'b');
}

Identifier dns(std::string value) {
    return {.type = IdentifierType::Dns, .value = std::move(value)};
}

Identifier ip(std::string value) {
    return {.type = IdentifierType::Ip, .value = std::move(value)};
}

}  // namespace

TEST_CASE("identifier: names and addresses become canonical") {
    struct Case {
        std::string text;
        Identifier want;
    };

    for (const Case& c : std::vector<Case>{
             {"example.com", dns("example.com")},
             {"WWW.Example.COM", dns("www.example.com")},
             {"example.com.", dns("example.com")},
             {"*.Example.com", dns("*.example.com")},
             {"*.lan", dns("*.lan")},
             {"intranet", dns("intranet")},
             {"xn--mnchen-3ya.example", dns("xn--mnchen-3ya.example")},
             {"münchen.example", dns("xn--mnchen-3ya.example")},
             {"MÜNCHEN.Example.", dns("xn--mnchen-3ya.example")},
             {"mu\u0308nchen.example", dns("xn--mnchen-3ya.example")},  // a combining diaeresis
             {"straße.example", dns("xn--strae-oqa.example")},          // not "strasse": not transitional
             {"*.bücher.example", dns("*.xn--bcher-kva.example")},
             {"例え.テスト", dns("xn--r8jz45g.xn--zckzah")},
             {"例え。テスト", dns("xn--r8jz45g.xn--zckzah")},  // an ideographic full stop
             {"ｅｘａｍｐｌｅ.com", dns("example.com")},       // full width
             {"βόλος.gr", dns("xn--nxasmm1c.gr")},
             {"xn--mnchen-3ya.bücher.example", dns("xn--mnchen-3ya.xn--bcher-kva.example")},
             {"1.example", dns("1.example")},
             {"192.0.2.1.example", dns("192.0.2.1.example")},
             {kLabel63 + ".example", dns(kLabel63 + ".example")},
             {name_of(253), dns(name_of(253))},
             {name_of(253) + ".", dns(name_of(253))},
             {"192.0.2.10", ip("192.0.2.10")},
             {"2001:DB8:0:0:0:0:0:1", ip("2001:db8::1")},
             {"2001:db8::0:1:0:0", ip("2001:db8::1:0:0")},
             {"[::1]", ip("::1")},
             {"::ffff:192.0.2.1", ip("::ffff:192.0.2.1")},
         }) {
        CAPTURE(c.text);
        const auto got = parse_identifier(c.text);
        REQUIRE(got.has_value());
        CHECK(got->value == c.want.value);
        CHECK(got->type == c.want.type);
    }
}

TEST_CASE("identifier: a wrong name is told which rule it breaks") {
    struct Case {
        std::string text;
        std::string_view says;
    };

    for (const Case& c : std::vector<Case>{
             {"", "a name is empty"},
             {".", "is no name"},
             {"example..com", "empty label"},
             {".example.com", "empty label"},
             {"example.com..", "empty label"},
             {kLabel64 + ".example", "more than 63 characters"},
             {name_of(254), "longer than 253 characters"},
             {"a_b.example.com", "contains \"_\": only letters, digits and hyphens"},
             {"a b.example.com", "contains \" \""},
             {"example.com/path", "contains \"/\""},
             {std::string("example.com\0.evil.example", 25), "contains \"?\""},
             {"-a.example.com", "begins or ends with a hyphen: \"-a\""},
             {"a-.example.com", "begins or ends with a hyphen: \"a-\""},
             {"*", "wildcard for nothing"},
             {"*.", "wildcard for nothing"},
             {"a.*.example.com", "not its whole first label"},
             {"*a.example.com", "not its whole first label"},
             {"*.*.example.com", "not its whole first label"},
             {"*.192.0.2.1", "ends in a number"},
             {"300.0.2.1", "ends in a number"},
             {"192.0.2", "ends in a number"},
             {"192.0.2.010", "ends in a number"},
             {"münchen..example", "has an empty label"},
             {"mün_chen.example", "contains \"_\""},
             {"münchen.ex_ample", "contains \"_\""},
             {"mün chen.example", "is no international name"},
             {"ü℀x.example", "is no international name"},
             {"💩.example", "is no international name"},
             {"a.*.münchen.example", "not its whole first label"},
             {"＊.münchen.example", "of another script"},
             {"-ü.example", "is no international name"},
             {"\xff\xfe.example", "is no international name"},
             {std::string(64, 'a') + "ü.example", "is no international name"},
             {std::string("ü.example\0.evil.example", 24), "contains a NUL"},
             {std::string(1100, 'x') + "ü", "longer than 253"},
             {"１９２.0.2.1", R"(read as "192.0.2.1", ends in a number)"},
             {"https://example.com", "is a URL"},
             {"example.com:443", "no colons"},
             {"2001:db8::g", "no IPv6 address"},
             {"fe80::1%eth0", "no IPv6 address"},
             {"[192.0.2.1]", "no IPv6 address"},
             {"[]", "no IPv6 address"},
         }) {
        CAPTURE(c.text);
        const auto got = parse_identifier(c.text);
        REQUIRE_FALSE(got.has_value());
        CHECK(to_string(got.error().code) == "config/wrong-value");
        CAPTURE(got.error().message);
        CHECK(got.error().message.find(c.says) != std::string::npos);
    }
}

TEST_CASE("identifier: a hostile name is quoted safely, and an international one told what to write") {
    CHECK(parse_identifier("\x1b[2J.example").error().message.find('\x1b') == std::string::npos);
    CHECK(parse_identifier("ü\x1b[2J.example").error().message.find('\x1b') == std::string::npos);
    CHECK(parse_identifier(std::string(5000, 'x')).error().message.size() < 200);
    CHECK(parse_identifier("💩.example").error().hint.find("xn--") != std::string::npos);
}

TEST_CASE("identifier: what a name in a certificate covers") {
    struct Case {
        Identifier pattern;
        Identifier name;
        bool want;
    };

    for (const Case& c : std::vector<Case>{
             {dns("example.com"), dns("example.com"), true},
             {dns("example.com"), dns("www.example.com"), false},
             {dns("*.example.com"), dns("www.example.com"), true},
             {dns("*.example.com"), dns("*.example.com"), true},
             {dns("*.example.com"), dns("example.com"), false},
             {dns("*.example.com"), dns("a.b.example.com"), false},
             {dns("*.example.com"), dns("wwwexample.com"), false},
             {dns("www.example.com"), dns("*.example.com"), false},
             {dns("*.lan"), dns("lan"), false},
             {ip("192.0.2.1"), ip("192.0.2.1"), true},
             {ip("192.0.2.1"), ip("192.0.2.2"), false},
             {dns("*.0.2.1"), ip("192.0.2.1"), false},
         }) {
        CAPTURE(c.pattern.value);
        CAPTURE(c.name.value);
        CHECK(covers(c.pattern, c.name) == c.want);
    }
}

TEST_CASE("identifier: addresses as bytes, and back") {
    CHECK(base::address_bytes("192.0.2.1") == std::string("\xc0\x00\x02\x01", 4));
    CHECK(base::address_bytes("::1") == std::string(15, '\0') + "\x01");
    CHECK(base::address_bytes("example.com").empty());
    CHECK(base::address_bytes(std::string_view("192.0.2.1\0.evil", 15)).empty());
    CHECK(base::address_text(base::address_bytes("2001:db8::1")) == "2001:db8::1");
    CHECK(base::address_text("abc").empty());
    CHECK(to_string(IdentifierType::Dns) == "dns");
    CHECK(to_string(IdentifierType::Ip) == "ip");
}
