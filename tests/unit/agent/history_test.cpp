// SPDX-License-Identifier: Apache-2.0
// What happened, as it is kept and as a person reads it.
#include "agent/tell/history.hpp"

#include <ostream>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "tests/unit/agent/fixtures.hpp"

using namespace std::chrono_literals;
using fixtures::kNow;

namespace {

std::string line(base::Seconds ago, const std::string& what, int generation, const std::string& target = "",
                 const std::string& text = "", std::optional<base::Error> error = std::nullopt) {
    return agent::to_line({.at = kNow - ago,
                           .what = what,
                           .generation = generation,
                           .target = target,
                           .text = text,
                           .error = std::move(error)});
}

std::string shown(const std::vector<std::string>& lines, std::size_t width = 80) {
    agent::History history(40);
    history.add("example.com", lines);
    return agent::to_text(history, kNow, width);
}

}  // namespace

TEST_CASE("history: a line that was written is read again, and no other") {
    const base::Error error{.code = base::Code::HostUnreachable,
                            .message = "web1 does not answer",
                            .hint = "look at it",
                            .step = "deploy",
                            .retry_at = kNow};
    const auto read = agent::parse_line(line(0s, "not_deployed", 3, "web", "a remark", error));
    REQUIRE(read);
    CHECK(read->at == kNow);
    CHECK(read->what == "not_deployed");
    CHECK(read->generation == 3);
    CHECK(read->target == "web");
    CHECK(read->text == "a remark");
    CHECK(read->error == error);
    for (const char* torn : {"", "{", "[]", "17", R"({"what":"issued"})", R"({"at":"x","what":"issued"})",
                             R"({"at":"2026-11-21T12:00:00Z"})", R"({"at":7,"what":[]})", "\xff"}) {
        CAPTURE(torn);
        CHECK_FALSE(agent::parse_line(torn));
    }
}

TEST_CASE("history: newest last, one group for each generation, with what was said") {
    const std::string text = shown({
        line(72h, "not_issued", 0, "", "", base::Error{.message = "the CA is on fire", .hint = "wait"}),
        line(48h, "issued", 1, "", "by letsencrypt"),
        line(48h - 2s, "deployed", 1, "web"),
        line(1h, "issued", 2, "", "by letsencrypt"),
    });
    CHECK(text ==
          "example.com, no generation, 3 days ago\n"
          "    18 Nov 12:00:00   not issued      the CA is on fire\n"
          "                                      wait\n"
          "example.com, generation 1, 2 days ago\n"
          "    19 Nov 12:00:00   issued          by letsencrypt\n"
          "    19 Nov 12:00:02   deployed        web\n"
          "example.com, generation 2, 60 min ago\n"
          "    21 Nov 11:00:00   issued          by letsencrypt\n"
          "Times are UTC.\n");
}

TEST_CASE("history: what programs have said is made safe, and cut") {
    std::string output = "renewed: \x1b[31mred\n";
    for (int i = 0; i < 40; ++i) output += "line " + std::to_string(i) + "\n";
    const std::string text = shown({line(1h, "hook", 1, "", output)}, 60);
    CHECK(text.find('\x1b') == std::string::npos);
    CHECK(text.find("?[31mred\n") != std::string::npos);
    CHECK(text.find("line 10\n") != std::string::npos);
    CHECK(text.find("line 11") == std::string::npos);
    CHECK(text.find("…\n") != std::string::npos);
}

TEST_CASE("history: of several certificates the newest are shown, in the order in which they happened") {
    agent::History history(3);
    for (int i = 0; i < 100; ++i) {
        const std::string name = "c" + std::to_string(i);
        history.add(
            name, {line(base::Seconds(1000 - i), "issued", 1), line(base::Seconds(500 - i), "deployed", 1)});
    }
    const auto entries = history.entries();
    REQUIRE(entries.size() == 3);
    CHECK(entries[0].certificate == "c97");
    CHECK(entries[2].certificate == "c99");
    CHECK(entries[2].happening.what == "deployed");
    const nlohmann::json document = agent::to_json(history);
    CHECK(document.size() == 3);
    CHECK(document[2]["certificate"] == "c99");
    CHECK(document[2]["generation"] == 1);
}

TEST_CASE("history: what cannot be read is counted, and nothing is said to be nothing") {
    CHECK(shown({}) == "Nothing has happened yet.\n");
    CHECK(shown({"{", line(1h, "issued", 1)}).find("1 line could not be read.\n") != std::string::npos);
}
