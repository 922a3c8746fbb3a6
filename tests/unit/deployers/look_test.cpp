// SPDX-License-Identifier: Apache-2.0
#include "deployers/probe/look.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "base/dns.hpp"
#include "tests/unit/base/dns_messages.hpp"
#include "tests/unit/base/hostile_name_server.hpp"
#include "tests/unit/deployers/fake_clock.hpp"
#include "tests/unit/deployers/identities.hpp"
#include "tests/unit/deployers/no_descriptors.hpp"
#include "tests/unit/deployers/printed_verdict.hpp"
#include "tests/unit/deployers/tls_server.hpp"

namespace {

using namespace std::chrono_literals;
using deployers::Endpoint;
using deployers::EndpointVerdict;
using deployers::Expectation;
using deployers::KeyChoice;
using deployers::look;
using deployers::look_until_served;
using deployers::Observation;
using deployers::observe;
using deployers::Verdict;
using tests::FakeClock;
using tests::Identity;
using tests::TlsServer;
using Kind = deployers::Observation::Kind;

constexpr base::Milliseconds kPatient{5000};
constexpr base::Milliseconds kImpatient{150};

struct World {
    tests::Hierarchy ours;
    base::Anchors anchors = ours.anchors();
    Identity wanted = ours.issue({"www.example.com"});
    Identity earlier = ours.issue({"www.example.com"});
    Identity rsa = ours.issue({"www.example.com"}, test_ca::kAuthorityUntil, base::KeyType::Rsa2048);

    [[nodiscard]] Expectation expectation() const {
        return {.sha256 = wanted.sha256(), .earlier = {{.sha256 = earlier.sha256()}}};
    }
};

const World& world() {
    static const World made;
    return made;
}

Endpoint endpoint_of(const TlsServer& server) {
    return {.text = "https://www.example.com?address=" + server.address(),
            .host = "www.example.com",
            .port = 443,
            .address = server.ip(),
            .address_port = server.port(),
            .sni = "www.example.com"};
}

TEST_CASE("observe: the chain as served, with the name asked for and nothing said afterwards") {
    TlsServer server;
    server.serve(world().wanted);
    for (int i = 0; i < 3; ++i) {
        const Observation seen = observe(endpoint_of(server), server.ip(), server.port(), kPatient);
        REQUIRE(seen.kind == Kind::Handshake);
        CHECK(seen.address == server.address());
        CHECK(seen.detail.empty());
        REQUIRE(seen.chain.size() == 2);
        CHECK(seen.chain[0].sha256() == world().wanted.sha256());
        CHECK(seen.chain[1].sha256() == world().wanted.chain[1].sha256());
    }
    const TlsServer::Seen seen = server.seen();
    CHECK(seen.connections == 3);
    CHECK(seen.last_name == "www.example.com");
    CHECK(seen.resumed == 0);
    CHECK(seen.bytes_after == 0);
    CHECK(seen.closed_cleanly == 3);
}

TEST_CASE("observe: which server name is asked for") {
    struct Case {
        std::string_view name;
        std::string host, sni, want;
    };

    for (const Case& c :
         {Case{.name = "the host", .host = "a.example", .sni = "", .want = "a.example"},
          Case{.name = "sni before host", .host = "a.example", .sni = "b.example", .want = "b.example"},
          Case{.name = "never an address", .host = "192.0.2.7", .sni = "", .want = ""},
          Case{.name = "sni with an address", .host = "::1", .sni = "b.example", .want = "b.example"}}) {
        CAPTURE(c.name);
        TlsServer server;
        server.serve(world().wanted);
        const Observation seen =
            observe({.host = c.host, .port = 443, .sni = c.sni}, server.ip(), server.port(), kPatient);
        CHECK(seen.kind == Kind::Handshake);
        CHECK(server.seen().last_name == c.want);
    }
}

TEST_CASE("observe: how it can fail, and the words for it") {
    struct Case {
        std::string_view name;
        void (TlsServer::*mode)();
        Kind want;
        std::string_view says;
    };

    for (const Case& c : {
             Case{.name = "refused",
                  .mode = &TlsServer::refuse,
                  .want = Kind::Refused,
                  .says = "connection refused"},
             Case{.name = "silent",
                  .mode = &TlsServer::hang,
                  .want = Kind::TimedOut,
                  .says = "connected, but no TLS handshake within 150 ms"},
             Case{.name = "no TLS",
                  .mode = &TlsServer::talk_plain_text,
                  .want = Kind::HandshakeFailed,
                  .says = "what listens there does not speak TLS"},
             Case{.name = "hangs up",
                  .mode = &TlsServer::hang_up,
                  .want = Kind::HandshakeFailed,
                  .says = "TLS handshake: "},
         }) {
        CAPTURE(c.name);
        TlsServer server;
        (server.*c.mode)();
        const Observation seen = observe(endpoint_of(server), server.ip(), server.port(), kImpatient);
        CAPTURE(seen.detail);
        CHECK(seen.kind == c.want);
        CHECK(seen.detail.find(c.says) != std::string::npos);
        CHECK(seen.chain.empty());
    }
}

TEST_CASE("observe: an address that has no route from here, and one that is none") {
    // TCP to a multicast group has none anywhere, which spares the test a network of its own.
    const Observation seen = observe({.host = "a.example"}, "224.0.0.1", 443, kPatient);
    CHECK(seen.kind == Kind::NoRoute);
    CHECK(seen.detail == "no route from here to IPv4 addresses like this one");
    const Observation none = observe({.host = "a.example"}, "a.example", 443, kPatient);
    CHECK(none.kind == Kind::Refused);
    CHECK(none.detail == "\"a.example\" is no address");
    CHECK(observe({.host = "a.example"}, "ff02::1", 443, kPatient).address == "[ff02::1]:443");
}

TEST_CASE("observe: nobody takes the connection") {
    // A listener whose queue is full lets the next connection wait.
    base::Descriptor listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    REQUIRE(bind(listener.number(), generic, size) == 0);
    REQUIRE(listen(listener.number(), 0) == 0);
    REQUIRE(getsockname(listener.number(), generic, &size) == 0);
    std::vector<base::Descriptor> fillers;
    for (int i = 0; i < 4; ++i) {
        fillers.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        (void)connect(fillers.back().number(), generic, size);
    }
    const Observation seen = observe({.host = "a.example"}, "127.0.0.1", ntohs(address.sin_port), kImpatient);
    CHECK(seen.kind == Kind::TimedOut);
    CHECK(seen.detail == "no answer within 150 ms");
}

TEST_CASE("observe: a server that wants a client's certificate has shown its own") {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        CAPTURE(version);
        TlsServer server;
        server.serve_clients_with_certificate_only(world().wanted, version);
        const Observation seen = observe(endpoint_of(server), server.ip(), server.port(), kPatient);
        CAPTURE(seen.detail);
        REQUIRE(seen.kind == Kind::Handshake);
        CHECK(seen.chain.front().sha256() == world().wanted.sha256());
    }
}

TEST_CASE("observe: key= chooses between two certificates in every TLS version") {
    const World& w = world();
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        CAPTURE(version);
        TlsServer server;
        server.serve_by_key_type({w.rsa, w.wanted}, version);
        Endpoint endpoint = endpoint_of(server);
        for (const KeyChoice choice : {KeyChoice::Rsa, KeyChoice::Ecdsa}) {
            endpoint.key = choice;
            const Observation seen = observe(endpoint, server.ip(), server.port(), kPatient);
            CAPTURE(seen.detail);
            REQUIRE(seen.kind == Kind::Handshake);
            CHECK(seen.chain.front().sha256() == (choice == KeyChoice::Rsa ? w.rsa : w.wanted).sha256());
        }
        // The other key type alone is not what was asked for.
        server.serve_by_key_type({w.rsa}, version);
        const Observation seen = observe(endpoint, server.ip(), server.port(), kPatient);
        CHECK(seen.kind == Kind::HandshakeFailed);
        CHECK(seen.detail.starts_with("TLS handshake: "));
    }
}

TEST_CASE("observe: an old server's small parameters do not hide its certificate") {
    TlsServer server;
    server.serve_with_small_group(world().rsa);
    const Observation seen = observe(endpoint_of(server), server.ip(), server.port(), kPatient);
    CAPTURE(seen.detail);
    REQUIRE(seen.kind == Kind::Handshake);
    CHECK(seen.chain.front().sha256() == world().rsa.sha256());
}

TEST_CASE("observe: a certificate that nobody has proved to hold the key of has not been shown") {
    TlsServer server;
    for (const bool insists : {false, true}) {
        CAPTURE(insists);
        server.serve_without_signature(world().rsa, insists);
        const Observation seen = observe(endpoint_of(server), server.ip(), server.port(), kPatient);
        CAPTURE(seen.detail);
        CHECK(seen.kind == (insists ? Kind::HandshakeFailed : Kind::Handshake));
    }
}

TEST_CASE("observe: what this machine is short of is no news of the service") {
    TlsServer server;
    server.serve(world().wanted);
    Observation seen;
    {
        const tests::NoDescriptors none;
        seen = observe(endpoint_of(server), server.ip(), server.port(), kPatient);
    }
    CHECK(seen.kind == Kind::NotLooked);
    CHECK(seen.detail == "this machine could not look: Too many open files");
}

TEST_CASE("look: each endpoint is judged alone, by its own name, as often as it wants") {
    const World& w = world();
    TlsServer good;
    TlsServer stale("127.0.0.2");
    TlsServer silent("127.0.0.3");
    good.serve(w.wanted);
    stale.serve(w.earlier);
    silent.hang();
    FakeClock clock;
    std::vector<Endpoint> endpoints = {endpoint_of(good),
                                       endpoint_of(stale),
                                       endpoint_of(silent),
                                       endpoint_of(good),
                                       {.text = "https://no..such", .host = "no..such", .port = 443},
                                       {.text = "https://a.example?address=224.0.0.1",
                                        .host = "a.example",
                                        .port = 443,
                                        .address = "224.0.0.1"}};
    endpoints[0].connections = 4;
    endpoints[1].connections = 2;
    endpoints[3].sni = "www.example.org";
    endpoints[3].connections = 1;
    const std::vector<EndpointVerdict> seen =
        look(endpoints, w.expectation(), {w.anchors, clock}, kImpatient);
    REQUIRE(seen.size() == endpoints.size());
    const std::vector<Verdict> want = {Verdict::Serving,     Verdict::Stale,
                                       Verdict::Unreachable, Verdict::NameMismatch,
                                       Verdict::Unresolved,  Verdict::NotReachableFromHere};
    for (std::size_t i = 0; i < seen.size(); ++i) {
        CAPTURE(i);
        CHECK(seen[i].endpoint == endpoints[i].text);
        CHECK(seen[i].verdict == want[i]);
        CHECK(seen[i].addresses.size() == (want[i] == Verdict::Unresolved ? 0 : 1));
    }
    CHECK(seen[1].addresses.front().address == stale.address());
    CHECK(good.seen().connections == 5);
    CHECK(stale.seen().connections == 2);
    CHECK(silent.seen().connections == 1);  // nobody is there: once is enough
}

TEST_CASE("look: with DNS every address of the host counts") {
    const World& w = world();
    TlsServer server;
    server.serve(w.wanted);
    FakeClock clock;
    const Endpoint endpoint{
        .text = "https://localhost", .host = "localhost", .port = server.port(), .sni = "www.example.com"};
    const std::vector<EndpointVerdict> seen = look({endpoint}, w.expectation(), {w.anchors, clock}, kPatient);
    REQUIRE(seen.size() == 1);
    REQUIRE(seen[0].addresses.size() == deployers::resolve("localhost", {}).found.size());
    CHECK(seen[0].addresses[0].address == server.address());
    CHECK(seen[0].addresses[0].verdict == Verdict::Serving);
}

TEST_CASE("look: a family of addresses that nobody tells of is not passed over") {
    const World& w = world();
    TlsServer server;
    server.serve(w.wanted);
    FakeClock clock;
    const tests::HostileNameServer half([](const std::string& question, bool) {
        return tests::asks_for(question, base::DnsType::A)
                   ? std::vector{tests::answer_to(question, tests::address_record<4>({127, 0, 0, 1}))}
                   : std::vector<std::string>{};
    });
    const base::Dns dns({half.server()}, 250ms);
    const Endpoint endpoint{
        .text = "https://www.example.com", .host = "www.example.com", .port = server.port()};
    const std::vector<EndpointVerdict> seen =
        look({endpoint}, w.expectation(), {w.anchors, clock, {.dns = &dns}}, kPatient);
    CHECK(seen[0].verdict == Verdict::Unresolved);
    REQUIRE(seen[0].addresses.size() == 2);
    CHECK(seen[0].addresses[0].address == "www.example.com AAAA");
    CHECK(seen[0].addresses[0].verdict == Verdict::Unresolved);
    CHECK(seen[0].addresses[1].address == server.address());
    CHECK(seen[0].addresses[1].verdict == Verdict::Serving);
    CHECK(deployers::describe(seen).starts_with(
        "1 of 1 address serves what it should; www.example.com AAAA: no DNS resolver answers"));
    CHECK_FALSE(deployers::all_serving(seen));
}

TEST_CASE("look: workers that do not agree are told by their number") {
    const World& w = world();
    TlsServer server;
    server.serve_in_turn({w.wanted, w.earlier});
    FakeClock clock;
    Endpoint endpoint = endpoint_of(server);
    endpoint.connections = 5;
    const std::vector<EndpointVerdict> seen = look({endpoint}, w.expectation(), {w.anchors, clock}, kPatient);
    CHECK(seen[0].verdict == Verdict::Stale);
    CHECK(
        seen[0].addresses[0].error.starts_with("2 of 5 connections: still serves the one that expires in "));
}

TEST_CASE("look_until_served: quickly at first, then more slowly, and once more at the end") {
    const World& w = world();
    TlsServer server;
    server.serve(w.earlier);
    FakeClock clock;
    int looks = 0;
    const std::vector<EndpointVerdict> seen = look_until_served(
        {endpoint_of(server)}, w.expectation(), {w.anchors, clock}, 4s, [&](const auto& verdicts) {
            CHECK(verdicts[0].verdict == Verdict::Stale);
            ++looks;
            return true;
        });
    CHECK(seen[0].verdict == Verdict::Stale);
    CHECK(clock.pauses ==
          std::vector<base::Milliseconds>{50ms, 100ms, 200ms, 400ms, 800ms, 1000ms, 1000ms, 450ms});
    CHECK(looks == 9);
}

TEST_CASE("look_until_served: ends when all agree, when told to, and when nothing can come of it") {
    const World& w = world();
    TlsServer server;
    FakeClock clock;

    SUBCASE("when all agree: one old answer among three does not count") {
        server.serve_in_turn({w.wanted, w.wanted, w.earlier});
        int looks = 0;
        const auto seen = look_until_served({endpoint_of(server)}, w.expectation(), {w.anchors, clock}, 60s,
                                            [&](const auto&) {
                                                if (++looks == 3) server.serve(w.wanted);
                                                return true;
                                            });
        CHECK(all_serving(seen));
        CHECK(looks == 3);
    }
    SUBCASE("at once, and still a moment later") {
        server.serve(w.wanted);
        CHECK(all_serving(
            look_until_served({endpoint_of(server)}, w.expectation(), {w.anchors, clock}, 60s, {})));
        CHECK(clock.pauses == std::vector<base::Milliseconds>{200ms});
    }
    SUBCASE("an old worker that comes up once more between two good looks begins the count anew") {
        server.serve_in_turn({w.wanted, w.wanted, w.wanted, w.earlier, w.wanted, w.wanted, w.wanted, w.wanted,
                              w.wanted, w.wanted, w.wanted, w.wanted, w.wanted, w.wanted});
        const auto seen =
            look_until_served({endpoint_of(server)}, w.expectation(), {w.anchors, clock}, 60s, {});
        CHECK(all_serving(seen));
        CHECK(clock.pauses == std::vector<base::Milliseconds>{200ms, 100ms, 200ms});
    }
    SUBCASE("when told to") {
        const auto seen = look_until_served({endpoint_of(server)}, w.expectation(), {w.anchors, clock}, 60s,
                                            [](const auto&) { return false; });
        CHECK(seen[0].verdict == Verdict::Unreachable);
        CHECK(clock.pauses.empty());
    }
    SUBCASE("without a callback, at the end of the patience") {
        const auto seen =
            look_until_served({endpoint_of(server)}, w.expectation(), {w.anchors, clock}, 100ms, {});
        CHECK(seen[0].verdict == Verdict::Unreachable);
        CHECK(clock.passed == 100ms);
    }
    SUBCASE("no route will come by waiting") {
        const Endpoint elsewhere{.text = "x", .host = "a.example", .port = 443, .address = "224.0.0.1"};
        const auto seen = look_until_served({elsewhere}, w.expectation(), {w.anchors, clock}, 60s, {});
        CHECK(seen[0].verdict == Verdict::NotReachableFromHere);
        CHECK(clock.pauses.empty());
    }
    SUBCASE("no endpoint: nobody looks") {
        CHECK(look_until_served({}, w.expectation(), {w.anchors, clock}, 60s, {}).empty());
        CHECK(clock.pauses.empty());
    }
}

}  // namespace
