// SPDX-License-Identifier: Apache-2.0
#include "acme/retry.hpp"

#include <limits>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "tests/unit/acme/fakes.hpp"

TEST_CASE("retry: Retry-After in both forms, within a week") {
    struct Case {
        std::string_view value;
        std::optional<base::Seconds> want;
    };

    for (const Case& c : {
             Case{.value = "0", .want = 0s},
             Case{.value = "120", .want = 120s},
             Case{.value = " 120 ", .want = 120s},
             Case{.value = "-5", .want = 0s},
             Case{.value = "3153600000", .want = 7 * 24h},
             Case{.value = "99999999999999999999999999", .want = 7 * 24h},
             Case{.value = "-99999999999999999999999999", .want = 0s},
             Case{.value = "Sat, 21 Nov 2026 12:00:30 GMT", .want = 30s},
             Case{.value = "Sat, 21 Nov 2026 11:00:00 GMT", .want = 0s},
             Case{.value = "Fri, 21 Nov 2126 12:00:00 GMT", .want = 7 * 24h},
             Case{.value = "", .want = std::nullopt},
             Case{.value = "soon", .want = std::nullopt},
             Case{.value = "12 minutes", .want = std::nullopt},
             Case{.value = "1.5", .want = std::nullopt},
             Case{.value = "0x10", .want = std::nullopt},
         }) {
        CAPTURE(c.value);
        CHECK((acme::parse_retry_after(c.value, fakes::kNow) == c.want));
    }
}

TEST_CASE("retry: a date to come back at is measured by the clock that it was written by") {
    struct Case {
        std::string_view retry_after, date;
        std::optional<base::Seconds> want;
    };

    for (const Case& c : {
             Case{"Sat, 21 Nov 2026 15:00:30 GMT", "Sat, 21 Nov 2026 15:00:00 GMT", 30s},
             Case{"Sat, 21 Nov 2026 09:00:30 GMT", "Sat, 21 Nov 2026 09:00:00 GMT", 30s},
             Case{"Sat, 21 Nov 2026 12:00:30 GMT", "", 30s},
             Case{"Sat, 21 Nov 2026 12:00:30 GMT", "yesterday", 30s},
             Case{"30", "Sat, 21 Nov 2026 15:00:00 GMT", 30s},
             Case{"", "Sat, 21 Nov 2026 15:00:00 GMT", std::nullopt},
         }) {
        CAPTURE(c.retry_after);
        CAPTURE(c.date);
        base::HttpResponse answer = fakes::reply(503);
        answer.headers = {{"retry-after", std::string(c.retry_after)}, {"date", std::string(c.date)}};
        CHECK((acme::retry_after_of(answer, fakes::kNow) == c.want));
    }
}

TEST_CASE("retry: the first look is soon, the later ones as the CA asks, within limits") {
    struct Case {
        unsigned look;
        std::optional<base::Seconds> asked;
        base::Milliseconds answered_in;
        base::Milliseconds want;
    };

    constexpr unsigned kMany = std::numeric_limits<unsigned>::max();
    for (const Case& c : {
             Case{.look = 0, .asked = std::nullopt, .answered_in = 0ms, .want = 25ms},
             Case{.look = 0, .asked = std::nullopt, .answered_in = 20ms, .want = 5ms},
             Case{.look = 0, .asked = std::nullopt, .answered_in = 30s, .want = 0ms},
             Case{.look = 0, .asked = std::nullopt, .answered_in = -1h, .want = 25ms},
             Case{.look = 0, .asked = 0s, .answered_in = 20ms, .want = 300ms},
             Case{.look = 0, .asked = 3600s, .answered_in = 30s, .want = 300ms},
             Case{.look = 1, .asked = 0s, .answered_in = 20ms, .want = 1s},
             Case{.look = 1, .asked = 3s, .answered_in = 20ms, .want = 3s},
             Case{.look = 9, .asked = 3600s, .answered_in = 20ms, .want = 60s},
             Case{.look = 1, .asked = std::nullopt, .answered_in = 0ms, .want = 100ms},
             Case{.look = 1, .asked = std::nullopt, .answered_in = 120ms, .want = 240ms},
             Case{.look = 1, .asked = std::nullopt, .answered_in = 30s, .want = 500ms},
             Case{.look = 2, .asked = std::nullopt, .answered_in = 30s, .want = 1s},
             Case{.look = 5, .asked = std::nullopt, .answered_in = 30s, .want = 8s},
             Case{.look = 6, .asked = std::nullopt, .answered_in = 30s, .want = 15s},
             Case{.look = kMany, .asked = std::nullopt, .answered_in = 0ms, .want = 15s},
         }) {
        CAPTURE(c.look);
        CAPTURE(c.answered_in.count());
        CHECK(acme::look_wait(c.look, c.asked, c.answered_in).count() == c.want.count());
    }
}

TEST_CASE("retry: pauses grow and are bounded") {
    CHECK(acme::nonce_pause(1) == 0ms);
    CHECK(acme::nonce_pause(2) == 0ms);
    CHECK(acme::nonce_pause(3) == 25ms);
    CHECK(acme::nonce_pause(5) == 100ms);
    CHECK(acme::nonce_pause(100) == 300ms);
    CHECK(acme::resend_pause(1) == 250ms);
    CHECK(acme::resend_pause(2) == 500ms);
    CHECK(acme::resend_pause(100) == 2s);
}
