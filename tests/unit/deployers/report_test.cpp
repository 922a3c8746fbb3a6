// SPDX-License-Identifier: Apache-2.0
// An executor's answer: there and back, and answers that are none.
#include <ostream>

#include <doctest/doctest.h>

#include "deployers/hosts/answers.hpp"
#include "deployers/hosts/host.hpp"

namespace {

using deployers::InstallOutcome;
using deployers::InstallReport;

}  // namespace

TEST_CASE("report: there and back") {
    for (const InstallOutcome outcome :
         {InstallOutcome::Installed, InstallOutcome::Unchanged, InstallOutcome::ServiceBroken,
          InstallOutcome::TestFailed, InstallOutcome::WriteFailed, InstallOutcome::Restored,
          InstallOutcome::Committed}) {
        const InstallReport report{
            .outcome = outcome,
            .test_before = {.ran = true, .exit_code = 1, .output = "a \"quoted\" \\ word, ü"},
            .reload = {.ran = true, .exit_code = 124, .output = ""},
            .message = "no room",
            .interrupted_before = true};
        const std::string json = deployers::to_json(report);
        CHECK(json.find('\n') == std::string::npos);
        const auto back = deployers::parse_report(json);
        REQUIRE(back.has_value());
        CHECK(deployers::to_json(*back) == json);
        CHECK(back->outcome == outcome);
        CHECK(back->test_before.output == report.test_before.output);
        CHECK_FALSE(back->test_after.ran);
        CHECK(back->test_after.ok());
        CHECK_FALSE(back->reload.ok());
    }
}

TEST_CASE("report: answers that are none") {
    const std::string good = deployers::to_json({.message = "MESSAGE"});
    const auto with = [&](const std::string& from, const std::string& to) {
        std::string text = good;
        return text.replace(text.find(from), from.size(), to);
    };

    struct Case {
        std::string_view name;
        std::string text;
    };

    for (const Case& c :
         {Case{.name = "nothing", .text = ""}, Case{.name = "no JSON", .text = "{\"version\":1"},
          Case{.name = "a list", .text = "[]"},
          Case{.name = "another version", .text = with("\"version\":1", "\"version\":2")},
          Case{.name = "no outcome", .text = with("outcome", "outcame")},
          Case{.name = "an unknown outcome", .text = with("write-failed", "done")},
          Case{.name = "a number for a text", .text = with("\"MESSAGE\"", "5")},
          Case{.name = "a text for a command", .text = with("{\"ran\":false}", "\"no\"")},
          Case{.name = "a command without its code",
               .text = with("{\"ran\":false}", R"({"ran":true,"output":""})")},
          Case{.name = "an impossible code",
               .text = with("{\"ran\":false}", R"({"ran":true,"exit_code":4096,"output":""})")},
          Case{.name = "an error nobody knows",
               .text = R"({"version":1,"error":"deploy/whim","message":""})"},
          Case{.name = "deep nesting", .text = std::string(60'000, '[')},
          Case{.name = "without end", .text = std::string(100'000, ' ') + good}}) {
        CAPTURE(c.name);
        const auto parsed = deployers::parse_report(c.text);
        REQUIRE_FALSE(parsed.has_value());
        CHECK(base::to_string(parsed.error().code) == "host/protocol");
        CHECK(parsed.error().message.size() < 300);
    }
}

TEST_CASE("report: the other side's own errors, made printable") {
    const auto parsed = deployers::parse_report(
        R"({"version":1,"error":"deploy/unsafe-path","message":"/x\u001b[2J is a link","hint":"h"})");
    REQUIRE_FALSE(parsed.has_value());
    CHECK(base::to_string(parsed.error().code) == "deploy/unsafe-path");
    CHECK(parsed.error().message == "/x?[2J is a link");
    CHECK(parsed.error().hint == "h");
}

TEST_CASE("report: digests in the order of the question") {
    const std::string digest(64, 'a');
    const auto digests =
        deployers::parse_digests(R"({"version":1,"files":["",")" + digest + "\"]}", {"/a", "/b"});
    REQUIRE(digests.has_value());
    CHECK(*digests == std::vector<deployers::FileDigest>{{.path = "/b", .sha256 = digest}});
    for (const std::string& text :
         {std::string(R"({"version":1,"files":[""]})"), std::string(R"({"version":1,"files":["",5]})"),
          std::string(R"({"version":1,"files":["","aa"]})"), std::string("{\"version\":1}")}) {
        CHECK_FALSE(deployers::parse_digests(text, {"/a", "/b"}).has_value());
    }
}
