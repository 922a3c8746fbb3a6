// SPDX-License-Identifier: Apache-2.0
#include "deployers/probe/verdict.hpp"

#include <algorithm>
#include <array>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "tests/unit/deployers/identities.hpp"
#include "tests/unit/deployers/printed_verdict.hpp"

namespace {

using namespace std::chrono_literals;
using deployers::AddressVerdict;
using deployers::EndpointVerdict;
using deployers::Expectation;
using deployers::Observation;
using deployers::Verdict;
using Kind = deployers::Observation::Kind;

const base::Instant kNow = base::parse_instant("2026-11-21T12:00:00Z").value();

constexpr std::array kAllVerdicts = {
    Verdict::Serving,         Verdict::NotReachableFromHere, Verdict::Stale,     Verdict::IncompleteChain,
    Verdict::Untrusted,       Verdict::NameMismatch,         Verdict::Expired,   Verdict::Foreign,
    Verdict::HandshakeFailed, Verdict::Unreachable,          Verdict::Unresolved};

/// Everything a server could show here; made once, keys take a while.
struct World {
    tests::Hierarchy ours;
    tests::Hierarchy theirs{"Stranger"};
    base::Anchors anchors = ours.anchors();
    tests::Identity wanted = ours.issue({"example.com", "*.example.com"});
    tests::Identity earlier = ours.issue({"example.com", "*.example.com"}, kNow + 72h + 1min);
    tests::Identity earlier_expired = ours.issue({"example.com"}, kNow - 5h);
    tests::Identity expired = ours.issue({"other.example"}, kNow - 49h);
    tests::Identity unknown =
        ours.issue({"a.example", "b.example", "c.example", "d.example", "e.example"}, kNow + 30min);
    tests::Identity strange = theirs.issue({"www.example.com"});

    [[nodiscard]] Expectation expects(const tests::Identity& identity,
                                      std::string sni = "www.example.com") const {
        return {
            .sha256 = identity.sha256(),
            .earlier = {{.sha256 = earlier.sha256(), .generation = 6}, {.sha256 = earlier_expired.sha256()}},
            .sni = std::move(sni)};
    }
};

const World& world() {
    static const World made;
    return made;
}

Observation shows(const base::Chain& chain) {
    return {.kind = Kind::Handshake, .address = "192.0.2.7:443", .chain = chain};
}

Observation fails(Kind kind, std::string detail) {
    return {.kind = kind, .address = "192.0.2.7:443", .detail = std::move(detail)};
}

struct Case {
    std::string_view name;
    std::vector<Observation> seen;
    Expectation expectation;
    Verdict want;
    std::string_view says;
};

void check(const std::vector<Case>& cases) {
    for (const Case& c : cases) {
        CAPTURE(c.name);
        const AddressVerdict verdict = judge(c.seen, c.expectation, world().anchors, kNow);
        CAPTURE(verdict.error);
        CHECK(verdict.verdict == c.want);
        CHECK(verdict.error.find(c.says) != std::string::npos);
        CHECK(verdict.error.empty() == (c.want == Verdict::Serving));
        if (!c.seen.empty()) CHECK(verdict.address == "192.0.2.7:443");
    }
}

TEST_CASE("verdict: one handshake") {
    const World& w = world();
    const Observation wanted = shows(w.wanted.chain);
    base::Chain with_root = w.strange.chain;
    with_root.push_back(w.theirs.root());
    check({
        {.name = "the wanted one",
         .seen = {wanted},
         .expectation = w.expects(w.wanted),
         .want = Verdict::Serving,
         .says = ""},
        {.name = "no name to cover",
         .seen = {wanted},
         .expectation = w.expects(w.wanted, ""),
         .want = Verdict::Serving,
         .says = ""},
        {.name = "an earlier one",
         .seen = {shows(w.earlier.chain)},
         .expectation = w.expects(w.wanted),
         .want = Verdict::Stale,
         .says = "still serves generation 6, which expires in 3 days (2026-11-24)"},
        {.name = "an earlier one, expired",
         .seen = {shows(w.earlier_expired.chain)},
         .expectation = w.expects(w.wanted),
         .want = Verdict::Stale,
         .says = "still serves the one that expired 5 hours ago (2026-11-21)"},
        {.name = "a stranger's",
         .seen = {shows(w.strange.chain)},
         .expectation = w.expects(w.wanted),
         .want = Verdict::Foreign,
         .says = "not ours: for www.example.com, issued by"},
        {.name = "one of many names that we never made",
         .seen = {shows(w.unknown.chain)},
         .expectation = w.expects(w.wanted),
         .want = Verdict::Foreign,
         .says = "a.example, b.example, c.example and 2 more"},
        {.name = "its expiry in minutes",
         .seen = {shows(w.unknown.chain)},
         .expectation = w.expects(w.wanted),
         .want = Verdict::Foreign,
         .says = "expires in 30 min"},
        {.name = "ours, expired: said before the name",
         .seen = {shows(w.expired.chain)},
         .expectation = w.expects(w.expired),
         .want = Verdict::Expired,
         .says = "expired 2 days ago (2026-11-19)"},
        {.name = "ours, for another name",
         .seen = {wanted},
         .expectation = w.expects(w.wanted, "www.example.org"),
         .want = Verdict::NameMismatch,
         .says = "does not cover www.example.org; it is for *.example.com, example.com"},
        {.name = "a wildcard covers one label",
         .seen = {wanted},
         .expectation = w.expects(w.wanted, "a.b.example.com"),
         .want = Verdict::NameMismatch,
         .says = "does not cover a.b.example.com"},
        {.name = "what is no name is not covered",
         .seen = {wanted},
         .expectation = w.expects(w.wanted, "no name"),
         .want = Verdict::NameMismatch,
         .says = "does not cover no name"},
        {.name = "without its intermediate",
         .seen = {shows(w.wanted.leaf_only().chain)},
         .expectation = w.expects(w.wanted),
         .want = Verdict::IncompleteChain,
         .says = "incomplete: the certificate of"},
        {.name = "name before chain",
         .seen = {shows(w.wanted.leaf_only().chain)},
         .expectation = w.expects(w.wanted, "www.example.org"),
         .want = Verdict::NameMismatch,
         .says = "www.example.org"},
        {.name = "a root nobody trusts",
         .seen = {shows(with_root)},
         .expectation = w.expects(w.strange),
         .want = Verdict::Untrusted,
         .says = "leads to no root that is trusted here"},
        {.name = "nothing expected: sound is serving",
         .seen = {wanted},
         .expectation = {.sni = "example.com"},
         .want = Verdict::Serving,
         .says = ""},
        {.name = "nothing expected: its root counts",
         .seen = {shows(with_root)},
         .expectation = {.sni = "www.example.com"},
         .want = Verdict::Untrusted,
         .says = "no root"},
        {.name = "nothing expected: its name counts",
         .seen = {wanted},
         .expectation = {.sni = "example.net"},
         .want = Verdict::NameMismatch,
         .says = "example.net"},
        {.name = "nothing expected: its expiry counts",
         .seen = {shows(w.expired.chain)},
         .expectation = {},
         .want = Verdict::Expired,
         .says = "expired"},
    });
}

TEST_CASE("verdict: no handshake, and handshakes that do not agree") {
    const World& w = world();
    const Expectation expectation = w.expects(w.wanted);
    const Observation good = shows(w.wanted.chain);
    const Observation stale = shows(w.earlier.chain);
    const Observation refused = fails(Kind::Refused, "connection refused");
    check({
        {.name = "nobody looked",
         .seen = {},
         .expectation = expectation,
         .want = Verdict::Unreachable,
         .says = "nobody has looked"},
        {.name = "refused",
         .seen = {refused},
         .expectation = expectation,
         .want = Verdict::Unreachable,
         .says = "connection refused"},
        {.name = "no answer",
         .seen = {fails(Kind::TimedOut, "no answer within 5 s")},
         .expectation = expectation,
         .want = Verdict::Unreachable,
         .says = "no answer within 5 s"},
        {.name = "no TLS",
         .seen = {fails(Kind::HandshakeFailed, "TLS handshake: wrong version number")},
         .expectation = expectation,
         .want = Verdict::HandshakeFailed,
         .says = "wrong version number"},
        {.name = "no route",
         .seen = {fails(Kind::NoRoute, "no route from here to IPv6 addresses like this one")},
         .expectation = expectation,
         .want = Verdict::NotReachableFromHere,
         .says = "no route"},
        {.name = "this machine was short of something, once",
         .seen = {good, fails(Kind::NotLooked, "this machine could not look: Too many open files")},
         .expectation = expectation,
         .want = Verdict::NotLooked,
         .says = "1 of 2 connections: this machine could not look"},
        {.name = "what was seen counts for more than what was not",
         .seen = {stale, fails(Kind::NotLooked, "this machine could not look: Too many open files")},
         .expectation = expectation,
         .want = Verdict::Stale,
         .says = "1 of 2 connections: still serves"},
        {.name = "a handshake without a certificate",
         .seen = {shows({})},
         .expectation = expectation,
         .want = Verdict::HandshakeFailed,
         .says = "sent no certificate"},
        {.name = "all good",
         .seen = {good, good, good},
         .expectation = expectation,
         .want = Verdict::Serving,
         .says = ""},
        {.name = "two of five are old",
         .seen = {good, stale, good, stale, good},
         .expectation = expectation,
         .want = Verdict::Stale,
         .says = "2 of 5 connections: still serves generation 6, which expires in 3 days"},
        {.name = "all are old",
         .seen = {stale, stale},
         .expectation = expectation,
         .want = Verdict::Stale,
         .says = "still serves"},
        {.name = "the worst speaks",
         .seen = {good, stale, refused},
         .expectation = expectation,
         .want = Verdict::Unreachable,
         .says = "1 of 3 connections: connection refused"},
    });
}

TEST_CASE("verdict: what was seen is told with it") {
    const World& w = world();
    const AddressVerdict stale = judge({shows(w.earlier.chain)}, w.expects(w.wanted), w.anchors, kNow);
    CHECK(stale.sha256 == w.earlier.sha256());
    CHECK(stale.not_after == w.earlier.leaf().not_after());
    const AddressVerdict refused =
        judge({fails(Kind::Refused, "connection refused")}, w.expects(w.wanted), w.anchors, kNow);
    CHECK(refused.sha256.empty());
    CHECK_FALSE(refused.not_after);
}

AddressVerdict at(std::string address, Verdict verdict, std::string error = {}) {
    return {.address = std::move(address), .verdict = verdict, .error = std::move(error)};
}

struct Combination {
    std::string_view name;
    std::vector<Verdict> addresses;
    Verdict want;
};

TEST_CASE("verdict: an endpoint is as bad as its worst address") {
    for (const Combination& c : {
             Combination{.name = "no address", .addresses = {}, .want = Verdict::Unresolved},
             Combination{.name = "one good", .addresses = {Verdict::Serving}, .want = Verdict::Serving},
             Combination{.name = "one of three stale",
                         .addresses = {Verdict::Serving, Verdict::Stale, Verdict::Serving},
                         .want = Verdict::Stale},
             Combination{.name = "unreachable beats stale",
                         .addresses = {Verdict::Unreachable, Verdict::Stale},
                         .want = Verdict::Unreachable},
             Combination{.name = "no route does not make it worse",
                         .addresses = {Verdict::NotReachableFromHere, Verdict::Serving},
                         .want = Verdict::Serving},
             Combination{.name = "no route does not make it better",
                         .addresses = {Verdict::NotReachableFromHere, Verdict::Stale},
                         .want = Verdict::Stale},
             Combination{.name = "addresses that nobody knows may be anywhere",
                         .addresses = {Verdict::Unresolved, Verdict::Serving},
                         .want = Verdict::Unresolved},
             Combination{.name = "what was seen is told before what was not",
                         .addresses = {Verdict::Unresolved, Verdict::Stale, Verdict::NotLooked},
                         .want = Verdict::Stale},
             Combination{.name = "no look is no serving",
                         .addresses = {Verdict::Serving, Verdict::NotLooked},
                         .want = Verdict::NotLooked},
             Combination{.name = "no route at all",
                         .addresses = {Verdict::NotReachableFromHere, Verdict::NotReachableFromHere},
                         .want = Verdict::NotReachableFromHere},
         }) {
        CAPTURE(c.name);
        std::vector<AddressVerdict> addresses;
        for (const Verdict verdict : c.addresses) addresses.push_back(at("192.0.2.7:443", verdict));
        const EndpointVerdict endpoint = deployers::combine("https://example.com", addresses);
        CHECK(endpoint.verdict == c.want);
        CHECK(endpoint.endpoint == "https://example.com");
        CHECK(endpoint.addresses == addresses);
        CHECK(deployers::all_serving({endpoint}) == (c.want == Verdict::Serving));
    }
}

TEST_CASE("verdict: all serving means everybody, and somebody") {
    const EndpointVerdict good = deployers::combine("a", {at("192.0.2.7:443", Verdict::Serving)});
    CHECK_FALSE(deployers::all_serving({}));
    CHECK(deployers::all_serving({good, good}));
    for (const Verdict verdict : kAllVerdicts)
        CHECK(deployers::all_serving({good, {.endpoint = "b", .verdict = verdict}}) ==
              (verdict == Verdict::Serving));
}

TEST_CASE("verdict: that nobody could look says nothing of the service") {
    const auto shows = [](std::vector<Verdict> verdicts) {
        std::vector<AddressVerdict> addresses;
        for (const Verdict verdict : verdicts) addresses.push_back(at("192.0.2.7:443", verdict));
        return deployers::shows_a_fault({deployers::combine("a", {at("192.0.2.1:443", Verdict::Serving)}),
                                         deployers::combine("b", std::move(addresses))});
    };
    CHECK_FALSE(shows({}));
    CHECK_FALSE(shows({Verdict::Serving, Verdict::NotReachableFromHere, Verdict::Unresolved}));
    CHECK_FALSE(shows({Verdict::NotLooked}));
    CHECK(shows({Verdict::Unresolved, Verdict::Stale}));
    CHECK(shows({Verdict::NotLooked, Verdict::Unreachable}));
}

TEST_CASE("verdict: names are read as they are written") {
    for (const Verdict verdict : kAllVerdicts) CHECK(deployers::parse_verdict(to_string(verdict)) == verdict);
    CHECK(to_string(Verdict::NotReachableFromHere) == "not_reachable_from_here");
    // For whoever reads it, a look that could not be taken is one that reached nobody.
    CHECK(to_string(Verdict::NotLooked) == "unreachable");
    CHECK_FALSE(deployers::parse_verdict("Serving"));
    CHECK_FALSE(deployers::parse_verdict(""));
}

TEST_CASE("verdict: words for all of them") {
    const EndpointVerdict web = deployers::combine(
        "https://example.com",
        {at("192.0.2.5:443", Verdict::Serving), at("192.0.2.6:443", Verdict::Serving),
         at("192.0.2.7:443", Verdict::Stale, "still serves the one that expires in 3 days"),
         at("[2001:db8::7]:443", Verdict::NotReachableFromHere, "no route")});
    CHECK(deployers::describe({web}) ==
          "2 of 3 addresses serve what they should; 192.0.2.7:443: still serves the one that expires in 3 "
          "days");
    CHECK(deployers::describe({deployers::combine("https://nowhere.example", {})}) ==
          "https://nowhere.example: its host does not resolve");
    CHECK(deployers::describe({deployers::combine(
              "https://v6.example", {at("[2001:db8::7]:443", Verdict::NotReachableFromHere, "no route")})}) ==
          "0 of 1 address serves what it should; [2001:db8::7]:443: no route");
    const std::vector<AddressVerdict> many(9,
                                           at("192.0.2.7:443", Verdict::Unreachable, "connection refused"));
    CHECK(deployers::describe({deployers::combine("https://example.com", many)}).ends_with("; and 4 more"));
}

struct Told {
    Verdict verdict;
    std::string_view code;
    std::string_view hint;
};

TEST_CASE("verdict: each has its error code and says what to do next") {
    CHECK_FALSE(deployers::error_of({}, "example.com"));
    for (const Told& c : {
             Told{.verdict = Verdict::Stale, .code = "verify/stale", .hint = "renewd deploy example.com"},
             Told{
                 .verdict = Verdict::IncompleteChain, .code = "verify/incomplete-chain", .hint = "fullchain"},
             Told{.verdict = Verdict::Untrusted, .code = "verify/untrusted", .hint = "roots"},
             Told{.verdict = Verdict::NameMismatch, .code = "verify/name-mismatch", .hint = "sni=NAME"},
             Told{.verdict = Verdict::Expired,
                  .code = "verify/expired",
                  .hint = "renewd renew example.com --force"},
             Told{.verdict = Verdict::Foreign, .code = "verify/foreign", .hint = "renewd verify example.com"},
             Told{.verdict = Verdict::HandshakeFailed,
                  .code = "verify/handshake-failed",
                  .hint = "renewd verify example.com"},
             Told{.verdict = Verdict::Unreachable,
                  .code = "verify/unreachable",
                  .hint = "renewd verify example.com"},
             Told{.verdict = Verdict::NotReachableFromHere,
                  .code = "verify/unreachable",
                  .hint = "address=IP"},
             Told{.verdict = Verdict::NotLooked, .code = "verify/unreachable", .hint = "LimitNOFILE"},
             Told{.verdict = Verdict::Unresolved, .code = "verify/unresolved", .hint = "address=IP"},
         }) {
        CAPTURE(c.code);
        const EndpointVerdict good = deployers::combine("a", {at("192.0.2.7:443", Verdict::Serving)});
        CHECK_FALSE(deployers::error_of({good}, "example.com"));
        const auto error = deployers::error_of(
            {good, {.endpoint = "b", .verdict = c.verdict, .addresses = {}}}, "example.com");
        REQUIRE(error);
        CHECK(to_string(error->code) == c.code);
        CHECK(error->step == "verify");
        CHECK(error->hint.find(c.hint) != std::string::npos);
        CHECK_FALSE(error->message.empty());
    }
}

}  // namespace
