// SPDX-License-Identifier: Apache-2.0
#include "agent/work/permissions.hpp"

#include <doctest/doctest.h>

using namespace std::chrono_literals;

TEST_CASE("permissions: each is good once, for what it was given, and for a quarter of an hour") {
    agent::Permissions permissions;
    const base::Steady now{};
    CHECK_FALSE(permissions.use("www", now));
    permissions.give("www", now);
    permissions.give("mail", now);
    CHECK_FALSE(permissions.use("other", now));
    CHECK(permissions.use("www", now + 15min));
    CHECK_FALSE(permissions.use("www", now + 15min));
    CHECK_FALSE(permissions.use("mail", now + 15min + 1s));
    permissions.give("mail", now);
    permissions.give("mail", now + 10min);
    CHECK(permissions.use("mail", now + 20min));
}
