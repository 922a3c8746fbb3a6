// SPDX-License-Identifier: Apache-2.0
#include "acme/nonces.hpp"

#include <ostream>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "tests/unit/acme/fakes.hpp"

TEST_CASE("nonces: only what may be one (RFC 8555 §6.5.1)") {
    for (const std::string_view good : {"a", "oFvnlFP1wIhRlYS2jTaXbA", "-_"}) {
        CAPTURE(good);
        CHECK(acme::is_nonce(good));
    }
    for (const std::string& bad :
         {std::string(), std::string("a b"), std::string("a=="), std::string("a+/b"), std::string("a\nb"),
          std::string("a\0b", 3), std::string("\"}"), std::string("n\xc3\xb6"), std::string(1025, 'a')}) {
        CAPTURE(bad);
        CHECK_FALSE(acme::is_nonce(bad));
    }
}

TEST_CASE("nonces: the newest first, each once, at most 128, at most five minutes old") {
    acme::NoncePool pool;
    const base::Steady start{};
    CHECK_FALSE(pool.take(start));
    pool.put("not a nonce", start);
    CHECK_FALSE(pool.take(start));

    for (int i = 0; i < 136; ++i) pool.put("n" + std::to_string(i), start);
    for (int i = 135; i >= 8; --i) CHECK(pool.take(start).value() == "n" + std::to_string(i));
    CHECK_FALSE(pool.take(start));

    pool.put("old", start);
    pool.put("young", start + 200s);
    CHECK(pool.take(start + 301s).value() == "young");
    CHECK_FALSE(pool.take(start + 301s));

    pool.put("gone", start);
    pool.clear();
    CHECK_FALSE(pool.take(start));
}
