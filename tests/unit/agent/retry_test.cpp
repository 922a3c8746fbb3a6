// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/retry.hpp"

#include <functional>
#include <ostream>

#include <doctest/doctest.h>

#include "agent/plan/plan.hpp"
#include "tests/unit/agent/fixtures.hpp"

using namespace std::chrono_literals;
using agent::Effort;
using base::Code;
using fixtures::kNow;

TEST_CASE("retry: the steps of each class, in the middle of their jitter") {
    struct Case {
        std::string_view name;
        Effort effort;
        Code code;
        int count;
        base::Seconds delay;
    };

    for (const Case& c : {
             Case{"unreachable, first", Effort::Issuance, Code::CaUnreachable, 1, 60s},
             Case{"unreachable, third", Effort::Issuance, Code::CaUnreachable, 3, 375s},
             Case{"unreachable, for ever", Effort::Issuance, Code::CaUnreachable, 1000, 6h},
             Case{"unreadable, third", Effort::Issuance, Code::CaProtocol, 3, 375s},
             Case{"too large, first", Effort::Issuance, Code::NetTooLarge, 1, 60s},
             Case{"refused, first", Effort::Issuance, Code::CaValidationFailed, 1, 1min},
             Case{"refused, second", Effort::Issuance, Code::CaIdentifierRefused, 2, 10min},
             Case{"refused, third", Effort::Issuance, Code::CaRefused, 3, 100min},
             Case{"refused, fourth", Effort::Issuance, Code::CaRefused, 4, 6h},
             Case{"refused, daily", Effort::Issuance, Code::CaRefused, 5, 24h},
             Case{"only a person can mend it", Effort::Issuance, Code::CaTermsNotAgreed, 1, 24h},
             Case{"a person has to lift the pause", Effort::Issuance, Code::CaPaused, 1, 24h},
             Case{"deployment, first", Effort::Deployment, Code::HostUnreachable, 1, 30s},
             Case{"deployment, for ever", Effort::Deployment, Code::HostKeyChanged, 1000, 15min},
         }) {
        CAPTURE(c.name);
        const base::Error error{.code = c.code};
        CHECK(agent::next_attempt({.effort = c.effort, .error = &error, .count = c.count, .now = kNow}) -
                  kNow ==
              c.delay);
    }
}

TEST_CASE("retry: jitter spreads by a quarter either way, and never into the past") {
    const base::Error error{.code = Code::CaUnreachable};
    CHECK(agent::next_attempt({.error = &error, .now = kNow, .chance = 0.0}) - kNow == 45s);
    CHECK(agent::next_attempt({.error = &error, .now = kNow, .chance = 0.999}) - kNow == 74s);
}

TEST_CASE("retry: what little lifetime is left shortens the wait") {
    struct Case {
        std::string_view name;
        base::Seconds left;
        base::Seconds delay;
    };

    for (const Case& c : {
             Case{"a twelfth of it", 48h, 4h},
             Case{"not more often than every ten minutes", 1h, 10min},
             Case{"where these would be too long: half of it", 8min, 4min},
             Case{"just before the end", 20s, 1min},
             Case{"after the end", -1h, 10min},
         }) {
        CAPTURE(c.name);
        const base::Error error{.code = Code::CaRefused};
        CHECK(agent::next_attempt({.error = &error, .count = 9, .now = kNow, .expiry = kNow + c.left}) -
                  kNow ==
              c.delay);
    }
}

TEST_CASE("retry: an instant that the CA names is kept to, up to seven days") {
    struct Case {
        std::string_view name;
        Code code;
        base::Seconds asked;
        base::Seconds delay;
    };

    for (const Case& c : {
             Case{"a limit, exactly", Code::CaRateLimited, 7min, 7min},
             Case{"a limit in the past", Code::CaRateLimited, -1h, 30s},
             Case{"a century", Code::CaRateLimited, 100 * 8766h, 7 * 24h},
             Case{"an overloaded server: not before", Code::CaServerError, 1h, 1h},
             Case{"an overloaded server: not sooner than ours", Code::CaServerError, 1s, 60s},
             Case{"an overloaded server: a day at most", Code::CaServerError, 48h, 24h},
             Case{"an order that the CA is at work on: as it wants", Code::CaOrderPending, 20min, 20min},
             Case{"an order that the CA is at work on: an hour at most", Code::CaOrderPending, 72h, 1h},
         }) {
        CAPTURE(c.name);
        const base::Error error{.code = c.code, .retry_at = kNow + c.asked};
        CHECK(agent::next_attempt({.error = &error, .now = kNow}) - kNow == c.delay);
    }
}

TEST_CASE("retry: a CA that asks for more time than is left is not waited for to the end") {
    struct Case {
        std::string_view name;
        Code code;
        base::Seconds left;  // of 160 hours; 168 are asked for
        bool has_another_ca;
        base::Seconds delay;
    };

    for (const Case& c : {
             Case{"a limit: until the last twentieth", Code::CaRateLimited, 80h, false, 72h},
             Case{"a limit in it: a quarter of what is left", Code::CaRateLimited, 8h, false, 2h},
             Case{"a limit at the end", Code::CaRateLimited, 6min, false, 3min},
             Case{"a limit after it", Code::CaRateLimited, -5h, false, 10min},
             Case{"another CA: until it may be asked", Code::CaRateLimited, 80h, true, 40h + 1s},
             Case{"another CA was asked, too", Code::CaRateLimited, 20h, true, 12h},
             Case{"an overloaded server", Code::CaServerError, 80h, false, 400min},
             Case{"an overloaded server, at the end", Code::CaServerError, 6min, false, 3min},
             Case{"an overloaded server, with another CA", Code::CaServerError, 44h, true, 220min},
             Case{"an overloaded server, just before another's turn", Code::CaServerError, 41h, true,
                  1h + 1s},
             Case{"an order that the CA is at work on", Code::CaOrderPending, 80h, false, 1h},
         }) {
        CAPTURE(c.name);
        const base::Error error{.code = c.code, .retry_at = kNow + 168h};
        CHECK(agent::next_attempt({.error = &error,
                                   .now = kNow,
                                   .expiry = kNow + c.left,
                                   .lifetime = 160h,
                                   .has_another_ca = c.has_another_ca}) -
                  kNow ==
              c.delay);
    }
}

TEST_CASE("retry: failures of one code are counted on, another code begins anew") {
    const auto first = agent::count_failure(std::nullopt, {.code = Code::CaUnreachable}, {.now = kNow});
    CHECK(first.count == 1);
    const auto second = agent::count_failure(first, {.code = Code::CaUnreachable}, {.now = kNow + 60s});
    CHECK(second.count == 2);
    CHECK(second.since == kNow);
    const auto other = agent::count_failure(second, {.code = Code::CaRefused}, {.now = kNow + 120s});
    CHECK(other.count == 1);
    CHECK(other.since == kNow + 120s);
}

TEST_CASE("retry: an instant that no right clock can have written is now") {
    const auto believed = [](base::Seconds in, bool has_instant) {
        agent::Failure failure = fixtures::failure(base::Code::CaRateLimited, 1, 60s, in);
        if (has_instant) failure.error.retry_at = failure.next_attempt;
        return agent::believed_attempt(failure, kNow) - kNow;
    };
    CHECK(believed(-60s, false) == -60s);
    CHECK(believed(30h, false) == 30h);
    CHECK(believed(31h, false) == 0s);
    CHECK(believed(7 * 24h, true) == 7 * 24h);
    CHECK(believed(90 * 24h, true) == 0s);
}

TEST_CASE("retry: what has failed is tried again at once when somebody may have mended it") {
    struct Case {
        std::string_view name;
        std::function<void(agent::Record&)> bend;
        bool is_due;  // once the configuration has been read again
    };

    const auto fails_to_deploy = [](base::Code code, int installed) {
        return [=](agent::Record& record) {
            record.targets[0].installed = installed;
            record.targets[0].failure = fixtures::failure(code);
        };
    };
    for (const Case& c : {
             Case{"well", [](auto&) {}, false},
             Case{"a failed test", fails_to_deploy(base::Code::DeployTestFailed, 2), true},
             Case{"a host that was not reached", fails_to_deploy(base::Code::HostUnreachable, 2), true},
             Case{"in place, and a failed reload", fails_to_deploy(base::Code::DeployReloadFailed, 3), true},
             Case{"a refused order",
                  [](auto& r) {
                      r.generations.clear();
                      r.issuance = fixtures::failure(base::Code::CaRefused);
                  },
                  true},
             Case{"an order that the CA was too busy for",
                  [](auto& r) {
                      r.generations.clear();
                      r.issuance = fixtures::failure(base::Code::CaServerError);
                  },
                  false},
             Case{"a hook",
                  [](auto& r) {
                      r.hooks = {{.event = "served", .failure = fixtures::failure(base::Code::HookFailed)}};
                  },
                  true},
             Case{"a challenge that is left",
                  [](auto& r) {
                      r.residue = {
                          {.solver = "dns", .failure = fixtures::failure(base::Code::DnsUnreachable)}};
                  },
                  true},
             Case{"a revocation",
                  [](auto& r) {
                      r.revocations = {{.generation = 2,
                                        .reason = "superseded",
                                        .failure = fixtures::failure(base::Code::ConfigMissing)}};
                  },
                  true},
         }) {
        CAPTURE(c.name);
        agent::Record record = fixtures::well();
        c.bend(record);
        const auto next = [&](agent::Wishes wishes) {
            return agent::plan(fixtures::certificate(), record,
                               {.now = kNow, .verify_every = 1h, .wishes = wishes})
                .next();
        };
        CHECK(next({}) > kNow);
        CHECK((next({.mended = true}) <= kNow) == c.is_due);
    }
}
