// SPDX-License-Identifier: Apache-2.0
#include "base/text.hpp"

#include <cstdint>

#include <doctest/doctest.h>

TEST_CASE("text: pieces between separators, to the last one") {
    std::string_view rest = "one two  three";
    CHECK(base::take_until(rest, ' ') == "one");
    CHECK(base::take_until(rest, ' ') == "two");
    CHECK(base::take_until(rest, ' ').empty());
    CHECK(base::take_until(rest, ' ') == "three");
    CHECK(rest.empty());
    CHECK(base::take_until(rest, ' ').empty());
}

TEST_CASE("text: a number is all of its text or none") {
    CHECK(base::parse_number<int>("-12") == -12);
    CHECK(base::parse_number<unsigned>("0640", 8) == 0640);
    CHECK(base::parse_number<std::uint16_t>("65535") == 65535);
    for (const char* none : {"", " 1", "1 ", "+1", "0x10", "1.5", "65536", "-1"}) {
        CAPTURE(none);
        CHECK_FALSE(base::parse_number<std::uint16_t>(none));
    }
}

TEST_CASE("text: lower case and blanks") {
    CHECK(base::lower("Example.COM \xC3\x84") == "example.com \xC3\x84");
    CHECK(base::trimmed("\t a b  ") == "a b");
    CHECK(base::trimmed("  ").empty());
    CHECK(base::trimmed("\r\na\n", "\r\n") == "a");
}

TEST_CASE("text: what is sealed is read again as it was, or not at all") {
    const std::string text = "first\nsha256 second\n";
    const std::string sealed = base::sealed(text);
    CHECK(base::unsealed(sealed) == text);
    for (std::size_t i = 0; i < sealed.size(); ++i) {
        std::string damaged = sealed;
        damaged[i] = static_cast<char>(damaged[i] ^ 1);
        CHECK_FALSE(base::unsealed(damaged));
        CHECK_FALSE(base::unsealed(sealed.substr(0, i)));
    }
    CHECK_FALSE(base::unsealed(text));
}
