// SPDX-License-Identifier: Apache-2.0
#include "agent/work/renewal_window.hpp"

#include <ostream>

#include <doctest/doctest.h>

#include "tests/unit/agent/fixtures.hpp"

using namespace std::chrono_literals;
using agent::next_suggestion;
using agent::Suggestion;
using fixtures::kNow;

namespace {

acme::RenewalAnswer window(base::Seconds start, base::Seconds end) {
    return {.window = acme::RenewalWindow{.start = kNow + start, .end = kNow + end}, .ask_again = 6h};
}

}  // namespace

TEST_CASE("renewal window: an instant is drawn once, and again only when the window changes") {
    const Suggestion first = next_suggestion(std::nullopt, 3, window(10h, 20h), kNow, 0.25);
    CHECK(first.at == kNow + 9000s + 10h);
    CHECK(first.ask_again == kNow + 6h);
    const Suggestion same = next_suggestion(first, 3, window(10h, 20h), kNow + 6h, 0.9);
    CHECK(same.at == first.at);
    const Suggestion moved = next_suggestion(same, 3, window(-10h, -5h), kNow + 12h, 0.5);
    CHECK(moved.at == kNow - 7h - 30min);
    const Suggestion renewed = next_suggestion(moved, 4, window(-10h, -5h), kNow + 12h, 0.0);
    CHECK(renewed.generation == 4);
    CHECK(renewed.at == kNow - 10h);
}

TEST_CASE("renewal window: a question without an answer keeps what is known, and is asked later and later") {
    const Suggestion known = next_suggestion(std::nullopt, 3, window(10h, 20h), kNow, 0.5);
    const base::Result<acme::RenewalAnswer> silence =
        base::fail(base::Code::CaUnreachable, "the CA does not answer");
    Suggestion next = known;
    for (const base::Seconds wait : {60s, 120s, 240s}) {
        next = next_suggestion(next, 3, silence, kNow, 0.1);
        CHECK(next.at == known.at);
        CHECK(next.ask_again == kNow + wait);
    }
    for (int i = 0; i < 20; ++i) next = next_suggestion(next, 3, silence, kNow, 0.1);
    CHECK(next.ask_again == kNow + 6h);
    const base::Result<acme::RenewalAnswer> nonsense =
        base::fail(base::Code::CaProtocol, "an end before its start");
    CHECK(next_suggestion(known, 3, nonsense, kNow, 0.1).ask_again == kNow + 6h);
    CHECK(next_suggestion(next, 3, window(10h, 20h), kNow, 0.1).failures == 0);
    const base::Result<acme::RenewalAnswer> busy = base::Failure(
        base::Error{.code = base::Code::CaServerError, .message = "busy", .retry_at = kNow + 2h});
    CHECK(next_suggestion(known, 3, busy, kNow, 0.1).ask_again == kNow + 2h);
}

TEST_CASE("renewal window: a CA that offers none any more is believed") {
    const Suggestion known = next_suggestion(std::nullopt, 3, window(10h, 20h), kNow, 0.5);
    const Suggestion next = next_suggestion(known, 3, acme::RenewalAnswer{.ask_again = 24h}, kNow, 0.5);
    CHECK_FALSE(next.at);
    CHECK(next.ask_again == kNow + 24h);
}
