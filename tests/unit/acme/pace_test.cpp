// SPDX-License-Identifier: Apache-2.0
#include "acme/pace.hpp"

#include <ostream>

#include <doctest/doctest.h>

#include "tests/unit/acme/fakes.hpp"

using acme::Pace;

namespace {

constexpr base::Steady kStart{1h};

}  // namespace

TEST_CASE("pace: limits are known of Let's Encrypt, and of nobody who only looks like it") {
    CHECK(acme::has_known_rates("https://acme-v02.api.letsencrypt.org/directory"));
    CHECK(acme::has_known_rates("https://acme-staging-v02.api.letsencrypt.org:443/directory"));
    for (const std::string_view other :
         {"https://ca.test/dir", "http://acme-v02.api.letsencrypt.org/directory",
          "https://api.letsencrypt.org.ca.test/dir", "https://ca.test/x.api.letsencrypt.org", ""}) {
        CAPTURE(other);
        CHECK_FALSE(acme::has_known_rates(other));
    }
}

TEST_CASE("pace: a burst at once, then as many a second as the CA has published, each kind for itself") {
    Pace pace(/*is_careful=*/true);
    CHECK(pace.wait(Pace::Kind::Nonce, kStart) == 0ms);
    CHECK(pace.take(Pace::Kind::Nonce, 20, kStart) == 8);
    CHECK(pace.take(Pace::Kind::Nonce, 1, kStart) == 0);
    CHECK(pace.take(Pace::Kind::Other, 500, kStart) == 100);
    CHECK(pace.wait(Pace::Kind::Nonce, kStart) == 67ms);
    CHECK(pace.take(Pace::Kind::Nonce, 20, kStart + 67ms) == 1);
    CHECK(pace.take(Pace::Kind::Other, 500, kStart + 125ms) == 25);
    CHECK(pace.take(Pace::Kind::Nonce, 20, kStart + 1h) == 8);  // no more than a burst is saved up
}

TEST_CASE("pace: another CA is asked freely until it has complained once") {
    Pace pace(/*is_careful=*/false);
    CHECK(pace.take(Pace::Kind::Other, 5'000, kStart) == 5'000);
    CHECK(pace.wait(Pace::Kind::Other, kStart) == 0ms);
    pace.complained();
    CHECK(pace.take(Pace::Kind::Other, 5'000, kStart) == 100);
    CHECK(pace.wait(Pace::Kind::Other, kStart) == 5ms);
}
