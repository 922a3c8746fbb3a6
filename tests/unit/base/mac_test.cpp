// SPDX-License-Identifier: Apache-2.0
#include "base/mac.hpp"

#include <ostream>

#include <doctest/doctest.h>

#include "base/encoding.hpp"

TEST_CASE("mac: the second vector of RFC 4231") {
    const base::Secret key("Jefe");
    constexpr std::string_view kData = "what do ya want for nothing?";
    CHECK(base::hex(base::hmac(base::MacDigest::Sha256, key, kData)) ==
          "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    CHECK(base::hex(base::hmac(base::MacDigest::Sha384, key, kData)) ==
          "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649");
    CHECK(base::hex(base::hmac(base::MacDigest::Sha512, key, kData)) ==
          "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
          "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737");
}
