// SPDX-License-Identifier: Apache-2.0
#include "agent/tell/words.hpp"

#include <ostream>

#include <doctest/doctest.h>

#include "agent/config/config.hpp"
#include "agent/config/nearest.hpp"
#include "tests/unit/agent/fixtures.hpp"

using namespace std::chrono_literals;
using fixtures::kNow;

TEST_CASE("words: times as people say them") {
    struct Case {
        base::Seconds from_now;
        std::string_view words;
    };

    for (const Case& c :
         {Case{0s, "now"}, Case{1s, "in 1 s"}, Case{119s, "in 119 s"}, Case{2min, "in 2 min"},
          Case{119min, "in 119 min"}, Case{5h, "in 5 h"}, Case{47h, "in 47 h"}, Case{48h, "in 2 days"},
          Case{21 * 24h, "in 21 days"}, Case{-4min, "4 min ago"}, Case{-3 * 24h, "3 days ago"}}) {
        CAPTURE(c.from_now.count());
        CHECK(agent::relative(kNow + c.from_now, kNow) == c.words);
    }
    CHECK(agent::day_words(kNow) == "21 Nov");
    CHECK(agent::counted(1, "certificate") == "1 certificate");
    CHECK(agent::counted(83000, "certificate") == "83,000 certificates");
}

TEST_CASE("words: columns are counted and cut by characters, never inside one") {
    CHECK(agent::columns("grün") == 4);
    CHECK(agent::padded("grün", 6) == "grün  ");
    CHECK(agent::cut_middle("a-very-long-name.example.com", 11) == "a-ver…e.com");
    CHECK(agent::cut_middle("short", 11) == "short");
    CHECK(agent::columns(agent::cut_middle("ééééééééééééé", 7)) == 7);
}

TEST_CASE("words: durations, sizes and names of the configuration") {
    CHECK(agent::parse_duration("90s") == 90s);
    CHECK(agent::parse_duration("15m") == 15min);
    CHECK(agent::parse_duration("30d") == 30 * 24h);
    CHECK(agent::parse_size("8MiB") == 8U * 1024 * 1024);
    for (const char* wrong : {"", "90", "s", "-1s", "1.5h", "1 h", "99999999999999d", "3w"}) {
        CAPTURE(std::string(wrong));
        CHECK_FALSE(agent::parse_duration(wrong));
    }
    for (const char* wrong : {"", "MiB", "8MB", "-8MiB", "99999999999GiB"})
        CHECK_FALSE(agent::parse_size(wrong));
    for (const char* right : {"example.com", "*.example.com", "a", "0-9._x"})
        CHECK(agent::check_certificate_name(right));
    for (const char* wrong :
         {"", "..", ".hidden", "a/b", "../x", "Upper", "a b", "a\nb", "-x", "_wildcard.x"}) {
        CAPTURE(std::string(wrong));
        CHECK_FALSE(agent::check_certificate_name(wrong));
    }
    CHECK_FALSE(agent::check_certificate_name(std::string(201, 'a')));
}

TEST_CASE("words: where ssh connects to") {
    struct Case {
        std::string_view text;
        std::string_view user, host;
        int port;
    };

    for (const Case& c : {Case{"deploy@web1.example.com:2222", "deploy", "web1.example.com", 2222},
                          Case{"web1", "", "web1", 0}, Case{"ssh://root@192.0.2.1", "root", "192.0.2.1", 0},
                          Case{"x@[2001:db8::1]:22", "x", "2001:db8::1", 22}}) {
        CAPTURE(c.text);
        const auto host = agent::parse_ssh_destination(c.text);
        REQUIRE(host);
        CHECK(host->user == c.user);
        CHECK(host->host == c.host);
        CHECK(host->port == c.port);
    }
    // A host that begins with "-" would be an option of ssh's.
    for (const char* wrong : {"", "user@", "-oProxyCommand=x", "a@-x", "-l@host", "host:0", "host:x",
                              "host:70000", "a b", "host;id", "[::1"}) {
        CAPTURE(std::string(wrong));
        CHECK_FALSE(agent::parse_ssh_destination(wrong));
    }
}

TEST_CASE("words: did you mean") {
    CHECK(agent::nearest("endpoint", {"endpoints", "deployer", "mode"}) == "endpoints");
    CHECK(agent::nearest("kez_type", {"key_type", "names"}) == "key_type");
    CHECK(agent::nearest("xyzzy", {"endpoints", "deployer"}).empty());
}
