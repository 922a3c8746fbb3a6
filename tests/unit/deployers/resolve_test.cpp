// SPDX-License-Identifier: Apache-2.0
#include "deployers/probe/resolve.hpp"

#include <algorithm>
#include <chrono>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "base/dns.hpp"
#include "tests/unit/base/dns_messages.hpp"
#include "tests/unit/base/hostile_name_server.hpp"

namespace {

using namespace std::chrono_literals;
using base::DnsType;
using deployers::Addresses;
using deployers::resolve;
using tests::HostileNameServer;
using Names = std::vector<std::string>;

constexpr std::string_view kHost = "www.example.com";

TEST_CASE("resolve: every address once, always in one order") {
    CHECK(resolve("192.0.2.7", {}).found == Names{"192.0.2.7"});
    CHECK(resolve("2001:db8::7", {}).found == Names{"2001:db8::7"});
    const Addresses local = resolve("localhost", {});
    REQUIRE(std::ranges::count(local.found, "127.0.0.1") == 1);
    CHECK(local.found.front() == "127.0.0.1");
    CHECK(local.unknown.empty());
    // A name that needs no name server to be wrong.
    CHECK(resolve("no..such", {}).found.empty());
}

TEST_CASE("resolve: A and AAAA are asked for, each by itself, and the one that fails is told") {
    struct Case {
        std::string_view name;
        bool has_a, has_aaaa;
        Names found, unknown;
    };

    for (const Case& c : {
             Case{.name = "both",
                  .has_a = true,
                  .has_aaaa = true,
                  .found = {"192.0.2.7", "2001:db8::7"},
                  .unknown = {}},
             Case{.name = "A alone",
                  .has_a = true,
                  .has_aaaa = false,
                  .found = {"192.0.2.7"},
                  .unknown = {"www.example.com AAAA"}},
             Case{.name = "AAAA alone",
                  .has_a = false,
                  .has_aaaa = true,
                  .found = {"2001:db8::7"},
                  .unknown = {"www.example.com A"}},
             Case{.name = "neither",
                  .has_a = false,
                  .has_aaaa = false,
                  .found = {},
                  .unknown = {"www.example.com A", "www.example.com AAAA"}},
         }) {
        CAPTURE(c.name);
        const HostileNameServer server([&](const std::string& question, bool) {
            if (tests::asks_for(question, DnsType::A))
                return c.has_a ? Names{tests::answer_to(question, tests::address_record<4>({192, 0, 2, 7}))}
                               : Names{};
            return c.has_aaaa ? Names{tests::answer_to(
                                    question, tests::address_record<16>({0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0,
                                                                         0, 0, 0, 0, 0, 0, 0, 7}))}
                              : Names{};
        });
        const base::Dns dns({server.server()}, 250ms);
        const Addresses addresses = resolve(std::string(kHost), {.dns = &dns});
        CHECK(addresses.found == c.found);
        Names asked;
        for (const auto& failure : addresses.unknown) {
            asked.push_back(failure.asked);
            CHECK(failure.why.find("no DNS resolver answers for www.example.com.") != std::string::npos);
        }
        CHECK(asked == c.unknown);
    }
}

TEST_CASE("resolve: what DNS has no address for does not resolve for strangers") {
    for (const char rcode : {'\0', '\3'}) {
        const HostileNameServer server(
            [&](const std::string& question, bool) { return Names{tests::answer_to(question, "", rcode)}; });
        const base::Dns dns({server.server()}, 250ms);
        const Addresses addresses = resolve(std::string(kHost), {.dns = &dns, .also_local = false});
        CHECK(addresses.found.empty());
        CHECK(addresses.unknown.empty());
    }
}

TEST_CASE("resolve: names of this machine never go to DNS") {
    int asked = 0;
    const HostileNameServer server([&](const std::string&, bool) {
        ++asked;
        return Names{};
    });
    const base::Dns dns({server.server()}, 250ms);
    for (const bool also_local : {true, false})
        CHECK(resolve("localhost", {.dns = &dns, .also_local = also_local}).found.front() == "127.0.0.1");
    CHECK(asked == 0);
}

TEST_CASE("resolve: the names of /etc/hosts") {
    constexpr std::string_view kText =
        "127.0.0.1 localhost\n"
        "# 192.0.2.1 commented.example\n"
        "\t192.0.2.7  web.example\tWWW.example # not.example\r\n"
        "\n"
        "2001:db8::7 last.example";
    for (const std::string_view name :
         {"localhost", "web.example", "www.example", "Web.Example", "last.example"}) {
        CAPTURE(name);
        CHECK(deployers::is_in_hosts(kText, name));
    }
    for (const std::string_view name :
         {"commented.example", "not.example", "example", "b.example", "192.0.2.7", "#", ""}) {
        CAPTURE(name);
        CHECK_FALSE(deployers::is_in_hosts(kText, name));
    }
}

}  // namespace
