// SPDX-License-Identifier: Apache-2.0
// What an account has used of its CA's limits, as tables: no clock, no disk, no network.
#include "agent/plan/ledger.hpp"

#include <algorithm>
#include <ostream>

#include <doctest/doctest.h>

#include "tests/unit/agent/fixtures.hpp"

using namespace std::chrono_literals;
using agent::Ledger;
using agent::OrderAhead;
using base::Code;
using fixtures::generation;
using fixtures::kNow;

namespace {

const auto kLimits = agent::limits_of("https://acme-v02.api.letsencrypt.org/directory");

OrderAhead order_for(std::initializer_list<const char*> names) {
    OrderAhead order{.life_left = 0.1};
    for (const char* name : names) order.names.push_back({.type = base::IdentifierType::Dns, .value = name});
    return order;
}

/// An order from its sending to its certificate.
void issue(Ledger& ledger, OrderAhead order, base::Instant now = kNow) {
    agent::count_order(ledger, kLimits, order, now);
    agent::count_placed(ledger, kLimits, order, now);
    agent::count_issued(ledger, kLimits, order, now);
}

std::string limit_of(const Ledger& ledger, const OrderAhead& order, base::Instant now = kNow) {
    const auto hold = agent::hold_of(ledger, kLimits, order, now);
    return hold ? hold->limit : "";
}

base::Error refusal(const std::string& words, base::Seconds wait, Code code = Code::CaRateLimited) {
    return {.code = code,
            .message = "the CA letsencrypt says: rateLimited \"" + words + "\"",
            .retry_at = kNow + wait};
}

int left(const Ledger& ledger, const OrderAhead& order, std::string_view id, base::Instant now = kNow) {
    for (const agent::LimitLeft& each : agent::limits_left(ledger, kLimits, order.names, now)) {
        if (each.limit->id == id) return each.left;
    }
    return -1;
}

}  // namespace

TEST_CASE("limit bucket: so many at once, and one comes back after the other") {
    constexpr agent::CaLimit kFive{.most = 5, .per = 500s};
    agent::LimitInstant bucket{};
    for (int i = 0; i < 5; ++i) {
        CHECK(agent::in_use(kFive, bucket, kNow) == i);
        CHECK(agent::free_at(kFive, bucket) <= kNow);
        bucket = agent::take_one(kFive, bucket, kNow);
    }
    CHECK(agent::in_use(kFive, bucket, kNow) == 5);
    CHECK((agent::free_at(kFive, bucket) == kNow + 100s));
    CHECK((agent::free_at(kFive, bucket, /*kept_back=*/1) == kNow + 200s));
    CHECK(agent::in_use(kFive, bucket, kNow + 99s) == 5);
    CHECK(agent::in_use(kFive, bucket, kNow + 100s) == 4);
    CHECK(agent::in_use(kFive, bucket, kNow + 500s) == 0);
    CHECK((agent::free_at(kFive, agent::bucket_free_at(kFive, kNow + 77s)) == kNow + 77s));
    // 1,500 in three hours: one comes back in 7.2 s, and that is not rounded away.
    constexpr agent::CaLimit kStaging{.most = 1500, .per = 3h};
    for (int i = 0; i < 1500; ++i)
        bucket = agent::take_one(kStaging, i == 0 ? agent::LimitInstant{} : bucket, kNow);
    CHECK((bucket == agent::LimitInstant(kNow + 3h)));
}

TEST_CASE("ledger: each limit holds the order that would break it, until one comes back") {
    Ledger ledger;
    const OrderAhead same = order_for({"a.example", "b.example"});
    for (int i = 0; i < 5; ++i) {
        CHECK(limit_of(ledger, same) == "");
        issue(ledger, same);
    }
    const auto hold = agent::hold_of(ledger, kLimits, same, kNow);
    REQUIRE(hold);
    CHECK(hold->limit == "same-names");
    CHECK((hold->until == kNow + 120'960s));
    CHECK(hold->reason == "the limit of 5 certificates for the same names in 7 days is used up");
    CHECK(limit_of(ledger, same, hold->until) == "");
    CHECK(limit_of(ledger, order_for({"a.example"})) == "");  // another set

    Ledger domain;
    for (int i = 0; i < 50; ++i) issue(domain, order_for({("n" + std::to_string(i) + ".a.example").c_str()}));
    CHECK(limit_of(domain, order_for({"new.a.example"})) == "registered-domain");
    CHECK(limit_of(domain, order_for({"new.b.example"})) == "");

    Ledger orders;
    for (int i = 0; i < 300; ++i) issue(orders, order_for({("n" + std::to_string(i) + ".example").c_str()}));
    const auto full = agent::hold_of(orders, kLimits, order_for({"one.example"}), kNow);
    REQUIRE(full);
    CHECK(full->limit == "new-orders");
    CHECK((full->until == kNow + 36s));
}

TEST_CASE(
    "ledger: what is held by the same thing until the same instant stands at one gate, nothing else does") {
    const auto gate_of = [](const Ledger& ledger, const OrderAhead& order) {
        const auto hold = agent::hold_of(ledger, kLimits, order, kNow);
        REQUIRE(hold);
        return hold->gate;
    };
    const OrderAhead one = order_for({"one.example"});
    const OrderAhead other = order_for({"other.example"});
    OrderAhead early = one;
    early.life_left = 0.5;  // some are left for others
    Ledger orders;
    for (int i = 0; i < 300; ++i) issue(orders, order_for({("n" + std::to_string(i) + ".example").c_str()}));
    CHECK(gate_of(orders, one) == gate_of(orders, other));
    CHECK(gate_of(orders, one) != gate_of(orders, early));
    Ledger domains;
    for (int i = 0; i < 50; ++i) {
        issue(domains, order_for({("n" + std::to_string(i) + ".a.example").c_str()}));
        issue(domains, order_for({("n" + std::to_string(i) + ".b.example").c_str()}));
    }
    CHECK(gate_of(domains, order_for({"x.a.example"})) == gate_of(domains, order_for({"y.a.example"})));
    CHECK(gate_of(domains, order_for({"x.a.example"})) != gate_of(domains, order_for({"x.b.example"})));
    Ledger told;
    told.set_learned({.until = kNow + 1h, .words = "slowly"});
    OrderAhead pressing = one;
    pressing.latest = kNow + 10min;  // waits no longer than that, and so by itself
    CHECK(gate_of(told, one) == gate_of(told, other));
    CHECK_FALSE(gate_of(told, one).empty());
    CHECK(gate_of(told, pressing).empty());
}

TEST_CASE("ledger: what the CA spares") {
    struct Case {
        std::string_view name;
        bool is_renewal, is_suggested;
        int new_orders, domain, same_names;
    };

    for (const Case& c :
         {Case{"a new certificate", false, false, 299, 49, 4}, Case{"a renewal", true, false, 300, 50, 4},
          Case{"a renewal in the CA's own window", true, true, 300, 50, 5},
          Case{"other names, in the CA's own window", false, true, 300, 50, 5}}) {
        CAPTURE(c.name);
        Ledger ledger;
        OrderAhead order = order_for({"a.example"});
        order.is_renewal = c.is_renewal;
        order.is_suggested = c.is_suggested;
        issue(ledger, order);
        CHECK(left(ledger, order, "new-orders") == c.new_orders);
        CHECK(left(ledger, order, "registered-domain") == c.domain);
        CHECK(left(ledger, order, "same-names") == c.same_names);
    }
}

TEST_CASE("ledger: by hand, the fifth certificate with the same names is told before it is ordered") {
    Ledger ledger;
    OrderAhead forced = order_for({"a.example"});
    forced.is_forced = true;
    forced.is_renewal = true;
    for (int i = 0; i < 4; ++i) {
        CHECK(limit_of(ledger, forced) == "");
        issue(ledger, forced);
    }
    const auto hold = agent::hold_of(ledger, kLimits, forced, kNow);
    REQUIRE(hold);
    CHECK(hold->reason ==
          "it would be the 5th of at most 5 certificates for the same names in 7 days, and the last one is "
          "kept "
          "for need");
    CHECK((hold->until == kNow + 120'960s));
    // What is due may have it.
    OrderAhead due = forced;
    due.is_forced = false;
    CHECK(limit_of(ledger, due) == "");
}

TEST_CASE("ledger: where few are left, what has a long life yet leaves them to others") {
    Ledger ledger;
    for (int i = 0; i < 270; ++i) issue(ledger, order_for({("n" + std::to_string(i) + ".example").c_str()}));
    OrderAhead far = order_for({"far.example"});
    far.life_left = 0.9;
    CHECK(limit_of(ledger, far) == "new-orders");
    far.life_left = 0.3;
    CHECK(limit_of(ledger, far) == "");
}

TEST_CASE(
    "ledger: an order that comes to nothing costs no certificate; one too many is counted, never too few") {
    OrderAhead order = order_for({"a.example"});
    const auto counts = [&](auto what) {
        Ledger ledger;
        agent::count_order(ledger, kLimits, order, kNow);
        what(ledger);
        return std::tuple(left(ledger, order, "new-orders"), left(ledger, order, "same-names"),
                          left(ledger, order, "failed-validations"));
    };
    CHECK(counts([](Ledger&) {}) == std::tuple(299, 4, 5));  // killed before the answer
    CHECK(counts([&](Ledger& l) { agent::take_back(l, kLimits, order, kNow); }) == std::tuple(300, 5, 5));
    CHECK(counts([&](Ledger& l) { agent::count_unissued(l, kLimits, order, kNow); }) ==
          std::tuple(299, 5, 5));
    CHECK(counts([&](Ledger& l) {
              agent::count_placed(l, kLimits, order, kNow);
              agent::count_unissued(l, kLimits, order, kNow);
              agent::count_failed(l, kLimits, {"a.example"}, kNow);
          }) == std::tuple(299, 5, 4));
    CHECK(counts([&](Ledger& l) { agent::count_issued(l, kLimits, order, kNow); }) == std::tuple(299, 4, 5));
}

TEST_CASE("ledger: a certificate counts from when it is issued, not from when it was ordered") {
    Ledger ledger;
    OrderAhead order = order_for({"a.example"});
    agent::count_order(ledger, kLimits, order, kNow);
    agent::count_issued(ledger, kLimits, order, kNow + 40h);  // resumed two days later
    CHECK(left(ledger, order, "same-names", kNow + 40h) == 4);
    CHECK(left(ledger, order, "same-names", kNow + 40h + 33h) == 4);
    CHECK(left(ledger, order, "same-names", kNow + 40h + 34h) == 5);

    // All that were ordered together come back as late as the first of them was issued.
    Ledger many;
    std::vector<OrderAhead> orders;
    orders.reserve(50);
    for (int i = 0; i < 50; ++i)
        orders.push_back(order_for({("n" + std::to_string(i) + ".a.example").c_str()}));
    for (OrderAhead& each : orders) agent::count_order(many, kLimits, each, kNow);
    for (const OrderAhead& each : orders) agent::count_issued(many, kLimits, each, kNow + 50s);
    CHECK((agent::hold_of(many, kLimits, order_for({"new.a.example"}), kNow)->until == kNow + 50s + 12'096s));
    // One of them given back is one, and not the time that has passed since.
    agent::count_unissued(many, kLimits, orders.front(), kNow + 1h);
    CHECK(left(many, orders.front(), "registered-domain", kNow + 1h) == 1);
    CHECK(limit_of(many, order_for({"new.a.example"}), kNow + 1h) == "");
}

TEST_CASE("ledger: failures are counted by name, and forgotten with a success where the CA forgets them") {
    Ledger ledger;
    const OrderAhead order = order_for({"*.a.example", "b.example"});
    for (int i = 0; i < 5; ++i) agent::count_failed(ledger, kLimits, {"a.example"}, kNow);
    CHECK(limit_of(ledger, order) == "failed-validations");
    CHECK(limit_of(ledger, order_for({"b.example"})) == "");
    CHECK(limit_of(ledger, order, kNow + 12min) == "");
    CHECK(left(ledger, order, "failures-in-a-row") == 1147);
    issue(ledger, order, kNow + 12min);
    CHECK(left(ledger, order, "failures-in-a-row", kNow + 12min) == 1152);
}

TEST_CASE("ledger: a refusal teaches the limit that it speaks of, for whatever it holds") {
    struct Case {
        std::string_view name, words;
        const char* limit;
        bool holds_same_names, holds_same_domain, holds_others;
    };

    for (const Case& c : {
             Case{"orders",
                  "too many new orders (300) from this account in the last 3h0m0s, retry after 2026-11-21",
                  "new-orders", true, true, true},
             Case{"domain",
                  "too many certificates (50) already issued for \"a.example\" in the last 168h0m0s",
                  "registered-domain", true, true, false},
             Case{"names",
                  "too many certificates (5) already issued for this exact set of identifiers in the last "
                  "168h",
                  "same-names", true, false, false},
             Case{"failures", "too many failed authorizations (5) for \"www.a.example\" in the last 1h0m0s",
                  "failed-validations", true, false, false},
         }) {
        CAPTURE(c.name);
        Ledger ledger;
        const OrderAhead order = order_for({"www.a.example", "www.b.example"});
        agent::learn_refusal(ledger, kLimits, order, refusal(std::string(c.words), 50min), kNow);
        CHECK(limit_of(ledger, order) == c.limit);
        CHECK(ledger.learned().empty());
        const auto holds = [&](const OrderAhead& other) { return !limit_of(ledger, other).empty(); };
        CHECK(holds(order) == c.holds_same_names);
        CHECK(holds(order_for({"mx.a.example"})) == c.holds_same_domain);
        CHECK(holds(order_for({"mx.c.example"})) == c.holds_others);
        CHECK((agent::hold_of(ledger, kLimits, order, kNow)->until == kNow + 50min));
    }
}

TEST_CASE(
    "ledger: of a CA without known limits the account waits for at most an hour, the names until told") {
    Ledger ledger;
    const OrderAhead order = order_for({"a.example"});
    const OrderAhead other = order_for({"b.example"});
    agent::learn_refusal(ledger, {}, order, refusal("slowly please", 5h), kNow);
    const auto until = [&](const OrderAhead& one) {
        const auto hold = agent::hold_of(ledger, {}, one, kNow);
        return hold ? hold->until - kNow : 0s;
    };
    CHECK((until(order) == 5h));
    CHECK((until(other) == 1h));

    Ledger about_names;
    agent::learn_refusal(about_names, {}, order, refusal("too many for a.example", 5h), kNow);
    CHECK(agent::hold_of(about_names, {}, order, kNow).has_value());
    CHECK_FALSE(agent::hold_of(about_names, {}, other, kNow).has_value());

    Ledger busy;
    agent::learn_refusal(busy, {}, order, refusal("overloaded", 5min, Code::CaServerError), kNow);
    CHECK((agent::hold_of(busy, {}, other, kNow)->until == kNow + 5min));
    Ledger nothing;
    agent::learn_refusal(nothing, {}, order, refusal("now", 0s), kNow);
    agent::learn_refusal(nothing, {}, order, refusal("no", 1h, Code::CaIdentifierRefused), kNow);
    CHECK_FALSE(agent::hold_of(nothing, {}, order, kNow).has_value());
}

TEST_CASE(
    "ledger: many renewals at once go in line, a long line is not joined; what is urgent or new stands in "
    "none") {
    Ledger ledger;
    OrderAhead order = order_for({"a.example"});
    order.life_left = 0.3;
    for (int i = 0; i < 60; ++i) CHECK((agent::take_turn(ledger, order, kNow) == kNow));
    CHECK((agent::take_turn(ledger, order, kNow) == kNow + 1s));
    CHECK_FALSE(agent::hold_of(ledger, {}, order, kNow).has_value());
    for (int i = 0; i < 60; ++i) (void)agent::take_turn(ledger, order, kNow);
    const auto hold = agent::hold_of(ledger, {}, order, kNow);
    REQUIRE(hold);
    CHECK(hold->limit == "pace");
    CHECK((hold->until > kNow + 1min));
    order.life_left = 0.05;
    CHECK_FALSE(agent::hold_of(ledger, {}, order, kNow).has_value());
    order.life_left = agent::urgency_rank(agent::Record{}, kNow);  // nothing has been issued yet
    CHECK_FALSE(agent::hold_of(ledger, {}, order, kNow).has_value());
    CHECK((agent::turn_of(ledger, order, kNow) == kNow));
    order.life_left = 0.3;
    order.is_paced = false;
    CHECK_FALSE(agent::hold_of(ledger, {}, order, kNow).has_value());
}

TEST_CASE("ledger: an order whose answer was lost, or could not be read, may have been placed") {
    for (const Code code : {Code::CaUnreachable, Code::CaServerError, Code::CaProtocol, Code::NetTooLarge})
        CHECK(agent::may_be_placed({.code = code}));
    for (const Code code : {Code::CaRateLimited, Code::CaRefused, Code::CaPaused, Code::NetUntrusted})
        CHECK_FALSE(agent::may_be_placed({.code = code}));
}

TEST_CASE("ledger: another account begins anew, but for what is counted for all accounts") {
    Ledger ledger;
    ledger.belong_to("https://ca.test/acct/1");
    const OrderAhead order = order_for({"a.example"});
    issue(ledger, order);
    ledger.belong_to("https://ca.test/acct/1");
    CHECK(left(ledger, order, "new-orders") == 299);
    ledger.belong_to("https://ca.test/acct/2");
    CHECK(left(ledger, order, "new-orders") == 300);
    CHECK(left(ledger, order, "same-names") == 4);
}

TEST_CASE("ledger: what has come back is forgotten, and what a clock years ahead has left behind") {
    Ledger ledger;
    issue(ledger, order_for({"a.example"}));
    const OrderAhead later = order_for({"b.example"});
    for (int i = 0; i < 5; ++i) issue(ledger, later, kNow + 24h * 365 * 5);
    ledger.set_learned({.until = kNow + 24h * 365, .words = "for ever"});
    ledger.prune(kLimits, kNow);
    CHECK(limit_of(ledger, later) == "");
    CHECK(ledger.learned().empty());
    CHECK(left(ledger, order_for({"a.example"}), "same-names") == 4);
    ledger.prune(kLimits, kNow + 35h);
    CHECK(ledger.buckets().empty());
}

TEST_CASE("ledger: a CA's wish that we wait ends when little is left of what is held") {
    Ledger ledger;
    OrderAhead order = order_for({"a.example"});
    agent::learn_refusal(ledger, {}, order, refusal("slowly please", 168h), kNow);
    CHECK(agent::hold_of(ledger, {}, order, kNow + 2h)->until == kNow + 168h);
    order.latest = kNow + 72h;
    CHECK(agent::hold_of(ledger, {}, order, kNow + 2h)->until == kNow + 72h);
    CHECK_FALSE(agent::hold_of(ledger, {}, order, kNow + 72h));
}

TEST_CASE("ledger: what an order is, by configuration and record") {
    agent::CertificateConfig config = fixtures::certificate();
    agent::Record record = fixtures::well();
    record.generations = {generation(3, 45 * 24h)};
    OrderAhead order = agent::order_ahead(config, record, "letsencrypt", kNow);
    CHECK(order.is_renewal);
    CHECK_FALSE(order.is_suggested);
    CHECK(order.life_left == doctest::Approx(0.5));
    CHECK_FALSE(agent::order_ahead(config, record, "zerossl", kNow).is_renewal);
    CHECK_FALSE(agent::order_ahead(config, record, "letsencrypt", kNow + 24h * 80).is_renewal);

    record.generations[0].renewal_id = "aki.serial";
    record.suggestion = agent::Suggestion{.generation = 3, .start = kNow - 1h, .end = kNow + 1h, .at = kNow};
    CHECK(agent::order_ahead(config, record, "letsencrypt", kNow).is_suggested);
    CHECK_FALSE(agent::order_ahead(config, record, "letsencrypt", kNow + 2h).is_suggested);

    config.names.push_back({.type = base::IdentifierType::Dns, .value = "other.example.com"});
    order = agent::order_ahead(config, record, "letsencrypt", kNow);
    CHECK_FALSE(order.is_renewal);
    CHECK(order.is_suggested);

    CHECK(agent::urgency_rank({}, kNow) == doctest::Approx(0.1));
    record.generations[0].revoked_at = kNow;
    CHECK(agent::urgency_rank(record, kNow) == 0);
    CHECK(agent::pressing_at(record, kNow) == base::Instant{});
}

TEST_CASE("ledger: time is short from the last tenth of a life on") {
    CHECK(agent::pressing_at({}, kNow) == kNow);
    agent::Record record = fixtures::well();
    for (const auto& [age, life] :
         {std::pair(24h * 60, 24h * 90), std::pair(80h, 160h), std::pair(24h * 100, 24h * 90)}) {
        record.generations = {generation(3, age, life)};
        const base::Instant at = agent::pressing_at(record, kNow);
        CHECK(at == kNow - age + life * 9 / 10);
        CHECK(agent::urgency_rank(record, at) == doctest::Approx(0.1));
    }
}

TEST_CASE("ledger: an order presses more from a third, a quarter, a tenth and a twentieth of its life on") {
    agent::Record record = fixtures::well();
    const agent::GenerationRecord& current = *record.wanted();
    const base::Seconds life = current.not_after - current.not_before;
    base::Instant now = current.not_before;
    std::vector<double> left;
    while (const auto next = agent::presses_more_at(record, now)) {
        CHECK(*next > now);
        now = *next;
        left.push_back(static_cast<double>((current.not_after - now).count() + 1) /
                       static_cast<double>(life.count()));
    }
    REQUIRE(left.size() == 4);
    CHECK(left[0] == doctest::Approx(1.0 / 3));
    CHECK(left[1] == doctest::Approx(0.25));
    CHECK(left[2] == doctest::Approx(0.1));
    CHECK(left[3] == doctest::Approx(0.05));
    record.generations.clear();
    CHECK_FALSE(agent::presses_more_at(record, now));  // never issued: that does not change
}

TEST_CASE("ledger: generations are the proof of past orders") {
    agent::Record record = fixtures::well();
    record.generations = {generation(2, 24h * 60), generation(3, 24h)};
    const auto past = agent::past_orders(record, kNow - 8 * 24h);
    REQUIRE(past.size() == 1);
    CHECK((past[0].at == kNow - 24h));
    CHECK(past[0].ca == "letsencrypt");
    CHECK(past[0].order.is_renewal);
    CHECK(past[0].order.names.front().value == "example.com");
}
