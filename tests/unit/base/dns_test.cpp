// SPDX-License-Identifier: Apache-2.0
#include "base/dns.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/unit/base/name_servers.hpp"

using base::Dns;
using base::DnsType;
using base::Milliseconds;

namespace {

/// One Knot for all: a zone with chains of every kind, and one whose first name server does not exist.
const tests::Knot& knot() {
    static const std::string address = tests::free_loopback();
    static const tests::Knot server(
        {{.name = "example.test",
          .records = "@ NS ns1\n@ NS ns2\n@ NS ns3\nns1 A " + address +
                     "\nns2 A 127.53.0.251\nns2 AAAA ::1\n" +
                     "ns3 TXT none\n"
                     "www A 192.0.2.1\nwww A 192.0.2.2\nwww AAAA 2001:db8::1\n"
                     "alias CNAME www\nsecond CNAME alias\nout CNAME target.other.test.\n"
                     "circle CNAME circle2\ncircle2 CNAME circle\nself CNAME self\n"
                     "h0 CNAME h1\nh1 CNAME h2\nh2 CNAME h3\nh3 CNAME h4\nh4 CNAME h5\nh5 CNAME h6\n"
                     "h6 CNAME h7\nh7 CNAME h8\nh8 CNAME h9\nh9 TXT end\n"
                     "moved DNAME new.other.test.\n"
                     "txt TXT \"one\" \"two\"\ntxt TXT \"Three; \\195\\169\"\n"
                     "caa CAA 128 ISSUE \"ca.test; accounturi=x\"\ncaa CAA 0 iodef \"mailto:a@b\"\n"
                     "deep.er A 192.0.2.9\n" +
                     [] {
                         std::string many;
                         for (int i = 0; i < 90; ++i)
                             many += "many TXT " + std::string(40, 'a') + std::to_string(i) + "\n";
                         return many;
                     }()},
         {.name = "other.test",
          .records = "@ NS ns1.example.test.\ntarget TXT here\na.new A 192.0.2.77\nb.new CNAME a.new\n"}},
        address);
    return server;
}

Dns dns() {
    return Dns({knot().server()}, Milliseconds(2000));
}

std::vector<std::string> data_of(const std::vector<base::DnsRecord>& records) {
    std::vector<std::string> data;
    for (const auto& record : records) data.push_back(record.data);
    std::ranges::sort(data);
    return data;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("servers are read as people write them, and nothing else is") {
    CHECK(base::parse_dns_server("192.0.2.1").value() == base::DnsServer{"192.0.2.1", 53});
    CHECK(base::parse_dns_server("192.0.2.1:5353").value() == base::DnsServer{"192.0.2.1", 5353});
    CHECK(base::parse_dns_server("2001:DB8::1").value() == base::DnsServer{"2001:db8::1", 53});
    CHECK(base::parse_dns_server("[2001:db8::1]").value() == base::DnsServer{"2001:db8::1", 53});
    CHECK(base::parse_dns_server("[2001:db8::1]:5353").value() == base::DnsServer{"2001:db8::1", 5353});
    for (const char* wrong :
         {"", "ns1.example.test", "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536", "192.0.2.1:53x",
          "[2001:db8::1", "[2001:db8::1]53", "[192.0.2.1]:53", "192.0.2.256", "1.2.3.4:5:6"}) {
        CAPTURE(wrong);
        const auto server = base::parse_dns_server(wrong);
        REQUIRE_FALSE(server);
        CHECK(base::to_string(server.error().code) == "config/wrong-value");
    }
    CHECK(base::to_string(base::DnsServer{"192.0.2.1", 53}) == "192.0.2.1");
    CHECK(base::to_string(base::DnsServer{"2001:db8::1", 5353}) == "[2001:db8::1]:5353");
}

TEST_CASE("resolv.conf names the resolvers; without one this machine is asked") {
    const auto servers = base::parse_resolv_conf(
        "# nameserver 192.0.2.9\nsearch example.test\nnameserver 192.0.2.1 # "
        "first\r\n\tnameserver\t2001:db8::1\n"
        "nameserver fe80::1%eth0\nnameserver 192.0.2.1%eth0\nnameserver x\nnameserver\noptions edns0");
    REQUIRE(servers.size() == 3);
    CHECK(servers[0].address == "192.0.2.1");
    CHECK(servers[1].address == "2001:db8::1");
    CHECK(servers[2].address == "fe80::1%eth0");
    CHECK(base::parse_resolv_conf("").front().address == "127.0.0.1");
    std::string many;
    for (int i = 0; i < 100; ++i) many += "nameserver 192.0.2.1\n";
    CHECK(base::parse_resolv_conf(many).size() == 8);
    CHECK_FALSE(Dns().resolvers().empty());
}

TEST_CASE("names are brought into one form") {
    CHECK(base::dns_name("WWW.Example.TEST").value() == "www.example.test.");
    CHECK(base::dns_name("_acme-challenge.example.test.").value() == "_acme-challenge.example.test.");
    CHECK(base::dns_name("*.example.test").value() == "*.example.test.");
    for (const std::string& wrong : {std::string(), std::string("a..b"), std::string(64, 'a') + ".test",
                                     std::string(2000, 'a'), std::string("a\0b", 3)}) {
        CAPTURE(wrong);
        CHECK_FALSE(base::dns_name(wrong));
    }
}

TEST_CASE("answers have what was asked for, whatever stands in them") {
    const auto text = dns().ask("TXT.example.test", DnsType::Txt);
    REQUIRE(text);
    CHECK(data_of(text->records) == Texts{"Three; \xC3\xA9", "onetwo"});
    CHECK(text->records.front().name == "txt.example.test.");
    CHECK(text->records.front().ttl == 60);
    CHECK(text->authoritative);

    const auto caa = dns().ask("caa.example.test", DnsType::Caa);
    REQUIRE(caa);
    REQUIRE(caa->records.size() == 2);
    const auto& issue = caa->records[caa->records[0].tag == "issue" ? 0 : 1];
    CHECK(issue.tag == "issue");
    CHECK(issue.flags == 128);
    CHECK(issue.data == "ca.test; accounturi=x");

    const auto soa = dns().ask("example.test", DnsType::Soa);
    REQUIRE(soa);
    CHECK(data_of(soa->records) == Texts{"ns1.example.test."});
}

TEST_CASE("that there is nothing is an answer") {
    const auto nothing = dns().ask("nobody.example.test", DnsType::A);
    REQUIRE(nothing);
    CHECK(nothing->rcode == 3);
    CHECK(nothing->records.empty());
    CHECK(nothing->authority.front().name == "example.test.");
    const auto empty = dns().ask("er.example.test", DnsType::A);
    REQUIRE(empty);
    CHECK(empty->rcode == 0);
    CHECK(empty->records.empty());
}

TEST_CASE("an answer too long for UDP comes over TCP") {
    const auto answer = dns().ask("many.example.test", DnsType::Txt);
    REQUIRE(answer);
    CHECK(answer->records.size() == 90);
    CHECK(dns().ask_server(knot().server(), "many.example.test", DnsType::Txt)->records.size() == 90);
    CHECK(dns().ask_server_over_tcp(knot().server(), "txt.example.test", DnsType::Txt)->records.size() == 2);
}

TEST_CASE("a server is asked over IPv6, too") {
    const auto nobody = Dns({}, Milliseconds(500)).ask_server({"::1", 1}, "example.test", DnsType::A);
    REQUIRE_FALSE(nobody);
    CHECK(nobody.error().message == "[::1]:1 cannot be reached over UDP: Connection refused");
}

TEST_CASE("what a server will not tell is an error of the resolver and an answer of the server") {
    const auto refused = dns().ask("elsewhere.invalid", DnsType::A);
    REQUIRE_FALSE(refused);
    CHECK(base::to_string(refused.error().code) == "dns/failed");
    CHECK(refused.error().message.find("REFUSED") != std::string::npos);
    CHECK(dns().ask_server(knot().server(), "elsewhere.invalid", DnsType::A)->rcode == 5);
}

TEST_CASE("a resolver that is dead or silent leaves time for the next") {
    const int silent = tests::bound_socket("127.0.0.1", 0, SOCK_DGRAM);
    sockaddr_in where{};
    socklen_t size = sizeof(where);
    REQUIRE(::getsockname(silent, reinterpret_cast<sockaddr*>(&where), &size) == 0);
    const base::DnsServer mute{"127.0.0.1", ntohs(where.sin_port)};
    const base::DnsServer dead{"127.0.0.1", 1};

    const Dns three({dead, mute, knot().server()}, Milliseconds(1500));
    CHECK(three.ask("www.example.test", DnsType::A)->records.size() == 2);

    base::SystemClock clock;
    const base::Steady start = clock.steady();
    const auto nobody = Dns({dead, mute}, Milliseconds(600)).ask("www.example.test", DnsType::A);
    CHECK(clock.steady() - start < Milliseconds(1200));
    REQUIRE_FALSE(nobody);
    CHECK(base::to_string(nobody.error().code) == "dns/unreachable");
    CHECK(nobody.error().message.find("127.0.0.1:1 cannot be reached") != std::string::npos);
    CHECK(nobody.error().message.find(base::to_string(mute) + " does not answer") != std::string::npos);
    ::close(silent);
}

TEST_CASE("chains of CNAME and DNAME are followed to their end") {
    CHECK(dns().follow("www.example.test")->name == "www.example.test.");
    CHECK(dns().follow("www.example.test")->path.empty());
    const auto second = dns().follow("second.example.test");
    REQUIRE(second);
    CHECK(second->name == "www.example.test.");
    CHECK(second->path == Texts{"second.example.test.", "alias.example.test."});
    CHECK(dns().follow("out.example.test")->name == "target.other.test.");
    CHECK(dns().follow("b.moved.example.test")->name == "a.new.other.test.");
    CHECK(dns().follow("nobody.example.test")->name == "nobody.example.test.");
    CHECK(dns().follow("h1.example.test")->name == "h9.example.test.");
}

TEST_CASE("CNAMEs in a circle and endless chains are dns/loop, and say where they lead") {
    for (const char* name : {"circle.example.test", "self.example.test", "h0.example.test"}) {
        CAPTURE(name);
        const auto target = dns().follow(name);
        REQUIRE_FALSE(target);
        CHECK(base::to_string(target.error().code) == "dns/loop");
        CHECK(target.error().message.find(std::string(name) + ". -> ") != std::string::npos);
    }
    CHECK(base::to_string(dns().addresses_of("circle.example.test").error().code) == "dns/loop");
}

TEST_CASE("addresses are those at the end of the chain") {
    const Texts www{"192.0.2.1", "192.0.2.2", "2001:db8::1"};
    CHECK(dns().addresses_of("www.example.test").value() == www);
    CHECK(dns().addresses_of("second.example.test").value() == www);
    CHECK(dns().addresses_of("b.moved.example.test").value() == Texts{"192.0.2.77"});
    CHECK(dns().addresses_of("txt.example.test").value().empty());
    CHECK(dns().addresses_of("nobody.example.test").value().empty());
}

TEST_CASE("a zone is found from any name in it, with every address of every server") {
    for (const char* name : {"example.test", "www.example.test", "_acme-challenge.nobody.example.test",
                             "er.example.test", "out.example.test", "a.circle.example.test"}) {
        CAPTURE(name);
        const auto zone = dns().zone_of(name);
        REQUIRE(zone);
        CHECK(zone->apex == "example.test.");
    }
    const auto zone = dns().zone_of("out.example.test");
    REQUIRE(zone);
    REQUIRE(zone->servers.size() == 3);
    CHECK(zone->servers[0].name == "ns1.example.test.");
    CHECK(zone->servers[0].addresses == std::vector<base::DnsServer>{knot().server()});
    CHECK(zone->servers[1].addresses.size() == 2);
    CHECK(zone->servers[2].addresses.empty());
    CHECK(zone->servers[2].missing == "its name has no address in DNS");
    CHECK(dns().zone_of("a.moved.example.test")->apex == "example.test.");
}

TEST_CASE("a server may be given by name, and with a port") {
    const auto named = dns().find_server("NS1.example.test:5353");
    REQUIRE(named);
    CHECK(named->addresses == std::vector<base::DnsServer>{{knot().address(), 5353}});
    CHECK(dns().find_server("[::1]:53")->addresses.front() == base::DnsServer{"::1", 53});
    CHECK(base::to_string(dns().find_server("txt.example.test").error().code) == "dns/failed");
    CHECK(base::to_string(dns().find_server("ns1.example.test:x").error().code) == "config/wrong-value");
}

TEST_CASE("broken DNSSEC is told apart from a server that fails") {
    const tests::Unbound unbound(
        {{"example.test", knot().address()}, {"other.test", knot().address()}, {"dead.test", "127.0.0.1"}},
        {"other.test. DS 1 13 2 0000000000000000000000000000000000000000000000000000000000000000"});
    const Dns checking({unbound.server()}, Milliseconds(3000));
    const auto good = checking.ask("www.example.test", DnsType::A);
    REQUIRE(good);
    CHECK(good->records.size() == 2);
    const auto bad = checking.ask("target.other.test", DnsType::Txt);
    REQUIRE_FALSE(bad);
    CHECK(base::to_string(bad.error().code) == "dns/bogus");
    CHECK(bad.error().message.find("target.other.test.") != std::string::npos);
    const auto dead = Dns({unbound.server()}, Milliseconds(500)).ask("www.dead.test", DnsType::A);
    REQUIRE_FALSE(dead);
    CHECK(base::to_string(dead.error().code) != "dns/bogus");
    CHECK(checking.follow("second.example.test")->name == "www.example.test.");
    CHECK(checking.zone_of("_acme-challenge.www.example.test")->apex == "example.test.");
}
