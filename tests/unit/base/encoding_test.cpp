// SPDX-License-Identifier: Apache-2.0
// Digests and encodings against published vectors, and what a stranger's text may not do to a terminal.
#include "base/encoding.hpp"

#include <ostream>
#include <vector>

#include <doctest/doctest.h>

#include "base/digest.hpp"

using base::base64url;
using base::parse_base64url;
using base::printable;

TEST_CASE("encoding: hex keeps every byte") {
    CHECK(base::hex("") == "");
    CHECK(base::hex(std::string_view("\x00\x7f\x80\xff", 4)) == "007f80ff");
}

TEST_CASE("encoding: SHA-256 gives the vectors of FIPS 180-2 appendix B") {
    CHECK(base::sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(base::sha256_hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK(base::sha256("abc").size() == 32);
    base::Sha256 pieces;
    for (const std::string_view piece : {"a", "", "bc"}) pieces.add(piece);
    CHECK(std::move(pieces).hex() == base::sha256_hex("abc"));
}

TEST_CASE("encoding: base64url goes there and back") {
    struct Case {
        std::string_view bytes;
        std::string_view text;
    };

    for (const Case& c : std::vector<Case>{
             // RFC 4648 §10, without padding
             {"", ""},
             {"f", "Zg"},
             {"fo", "Zm8"},
             {"foo", "Zm9v"},
             {"foob", "Zm9vYg"},
             {"fooba", "Zm9vYmE"},
             {"foobar", "Zm9vYmFy"},
             {{"\x03\xec\xff\xe0\xc1", 5}, "A-z_4ME"},  // RFC 7515 appendix C
             {{"\x00\x00", 2}, "AAA"},
             {{"\xff\xfe\xfd", 3}, "__79"},
         }) {
        CAPTURE(c.text);
        CHECK(base64url(c.bytes) == c.text);
        CHECK(parse_base64url(c.text) == std::string(c.bytes));
    }
}

TEST_CASE("encoding: what is no base64url is not read as some") {
    for (const std::string_view text :
         {"A", "Zm9vY", "Zg==", "Zm 8", "Zm+v", "Zm/v", "Zm9v\n", "Zh", "Zm9", "Z\xc3\xa4"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_base64url(text).has_value());
    }
}

TEST_CASE("encoding: a token is of the base64url alphabet and bounded") {
    CHECK(base::is_base64url("evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA", 255));
    CHECK(base::is_base64url("a_b-0", 5));
    CHECK_FALSE(base::is_base64url("a_b-0", 4));
    for (const std::string_view text :
         {std::string_view(""), std::string_view("../x"), std::string_view("a/b"), std::string_view("."),
          std::string_view("%2e"), std::string_view("a\nb"), std::string_view("a\0b", 3),
          std::string_view("a=")}) {
        CAPTURE(text);
        CHECK_FALSE(base::is_base64url(text, 255));
    }
}

TEST_CASE("encoding: a stranger's text cannot move the cursor or forge a line") {
    struct Case {
        std::string_view name;
        std::string_view text;
        std::string_view want;
    };

    for (const Case& c : std::vector<Case>{
             {"plain", "all is well", "all is well"},
             {"UTF-8 is kept", "Zürich 東京 🦀", "Zürich 東京 🦀"},
             {"escape sequence", "\x1b[2Jgone", "?[2Jgone"},
             {"line breaks and tabs", "a\r\nb\tc", "a??b?c"},
             {"NUL and DEL", {"a\0b\x7f", 4}, "a?b?"},
             {"C1 control",
              "a\xc2\x9b"
              "b",
              "a?b"},
             {"right-to-left override",
              "a\xe2\x80\xae"
              "b",
              "a?b"},
             {"line separator",
              "a\xe2\x80\xa8"
              "b",
              "a?b"},
             {"lone continuation byte", "a\x80z", "a?z"},
             {"overlong slash", "\xc0\xaf", "??"},
             {"surrogate", "\xed\xa0\x80", "???"},
             {"beyond Unicode", "\xf4\x90\x80\x80", "????"},
             {"cut off in the middle", "a\xe6\x9d", "a??"},
         }) {
        CAPTURE(c.name);
        CHECK(printable(c.text) == c.want);
    }
}

TEST_CASE("encoding: long text is cut between characters") {
    CHECK(printable("abcdef", 6) == "abcdef");
    CHECK(printable("abcdefg", 6) == "abcdef…");
    CHECK(printable("aää", 4) == "aä…");
    CHECK(printable(std::string(600, 'x')).size() == 512 + std::string_view("…").size());
}
