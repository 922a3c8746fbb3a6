// SPDX-License-Identifier: Apache-2.0
// The serialised installation: there and back, and everything a hostile one may try.
#include <functional>
#include <ostream>

#include <doctest/doctest.h>

#include "base/encoding.hpp"
#include "deployers/installation.hpp"
#include "deployers/limits.hpp"

namespace {

using deployers::Installation;

Installation example() {
    return {.id = "example.com/web",
            .staged = {{.path = "/v/1-0123abcd/key",
                        .content = base::Secret(std::string("secret\nbytes\0more", 17)),
                        .owner = "root",
                        .group = "ssl-cert",
                        .mode = 0640}},
            .published = {{.path = "/etc/a file.conf",
                           .content = base::Secret("line\n"),
                           .owner = "0",
                           .group = "www-data",
                           .mode = 0644},
                          {.path = "/etc/empty", .content = base::Secret("")}},
            .known = {{{.path = "/etc/a file.conf", .sha256 = std::string(64, 'a')}}, {}},
            .versions = "/v",
            .versions_kept = {"1-0123abcd"},
            .test = {"nginx", "-t", ""},
            .reload = {"systemctl", "reload", "nginx"},
            .command_deadline = base::Seconds{20},
            .deadline = base::Seconds{100}};
}

/// Everything of it as one text, secrets too: tests may.
std::string describe(const Installation& installation) {
    return deployers::to_bundle(installation).reveal();
}

}  // namespace

TEST_CASE("bundle: there and back") {
    Installation installation = example();
    const std::string bundle = deployers::to_bundle(installation).reveal();
    CHECK(
        bundle.starts_with("renewd-bundle 1\nid example.com/web\ndeadline 100\ncommand-deadline 20\ntest "
                           "3\nnginx\n-t\n\nreload 3\n"));
    const auto back = deployers::parse_bundle(bundle);
    REQUIRE(back.has_value());
    CHECK(describe(*back) == bundle);
    CHECK(back->published[0].path == "/etc/a file.conf");
    CHECK(back->published[1].content.reveal() == "");
    CHECK(back->known.size() == 2);
    CHECK(back->test == installation.test);
}

TEST_CASE("bundle: cut anywhere, or changed anywhere, it is refused or the same") {
    Installation installation = example();
    const std::string bundle = deployers::to_bundle(installation).reveal();
    for (std::size_t at = 0; at < bundle.size(); ++at) {
        CAPTURE(at);
        CHECK_FALSE(deployers::parse_bundle(bundle.substr(0, at)).has_value());
        for (const char other : {'\n', '9', ' ', '\0', '\xff'}) {
            std::string changed = bundle;
            changed[at] = other;
            const auto parsed = deployers::parse_bundle(changed);
            if (parsed) CHECK(describe(*parsed) == changed);
        }
    }
    CHECK_FALSE(deployers::parse_bundle(bundle + "x").has_value());
}

TEST_CASE("bundle: hostile ones") {
    const std::string digest = base::sha256_hex("");
    const auto bundle = [&](const std::string& published, const std::string& middle = "known 0\nstaged 0\n") {
        return "renewd-bundle 1\nid x\ndeadline 10\ncommand-deadline 10\ntest 0\nreload 0\nrestart "
               "0\nversions \nkept 0\n" +
               middle + "published 1\n" + digest + " " + published + "\nbytes 0\n";
    };
    CHECK(deployers::parse_bundle(bundle("0 0600 root root /etc/x")).has_value());

    struct Case {
        std::string_view name;
        std::string text, code;
    };

    for (const Case& c : {
             Case{.name = "nothing", .text = "", .code = "host/protocol"},
             Case{.name = "another version", .text = "renewd-bundle 2\n", .code = "host/protocol"},
             Case{.name = "a path upwards",
                  .text = bundle("0 0600 root root /etc/../x"),
                  .code = "deploy/unsafe-path"},
             Case{.name = "a relative path",
                  .text = bundle("0 0600 root root x"),
                  .code = "deploy/unsafe-path"},
             Case{.name = "no path", .text = bundle("0 0600 root root"), .code = "deploy/unsafe-path"},
             Case{.name = "a path with a tab",
                  .text = bundle("0 0600 root root /etc/\tx"),
                  .code = "deploy/unsafe-path"},
             Case{.name = "an owner that is an option",
                  .text = bundle("0 0600 -R root /etc/x"),
                  .code = "config/wrong-value"},
             Case{.name = "an owner with a colon",
                  .text = bundle("0 0600 a:b root /etc/x"),
                  .code = "config/wrong-value"},
             Case{.name = "a set-user-id mode",
                  .text = bundle("0 4755 root root /etc/x"),
                  .code = "host/protocol"},
             Case{.name = "a mode that is no number",
                  .text = bundle("0 u+sx root root /etc/x"),
                  .code = "host/protocol"},
             Case{.name = "a negative size",
                  .text = bundle("-1 0600 root root /etc/x"),
                  .code = "host/protocol"},
             Case{.name = "a size beyond all bounds",
                  .text = bundle("99999999999999999999 0600 root root /etc/x"),
                  .code = "host/protocol"},
             Case{.name = "more files than there are",
                  .text = bundle("0 0600 root root /etc/x", "known 0\nstaged 64\n"),
                  .code = "host/protocol"},
             Case{.name = "millions of sets",
                  .text = bundle("0 0600 root root /etc/x", "known 1000000000\nstaged 0\n"),
                  .code = "host/protocol"},
             Case{.name = "a digest that is none",
                  .text = bundle("0 0600 root root /etc/x", "known 1\nset 1\nzz /etc/x\nstaged 0\n"),
                  .code = "config/wrong-value"},
             Case{.name = "larger than any",
                  .text = std::string(deployers::kBundleMax + 1, 'x'),
                  .code = "host/protocol"},
         }) {
        CAPTURE(c.name);
        const auto parsed = deployers::parse_bundle(c.text);
        REQUIRE_FALSE(parsed.has_value());
        CHECK(base::to_string(parsed.error().code) == c.code);
    }
}

TEST_CASE("installation: the rules") {
    struct Case {
        std::string_view name, words;
        std::function<void(Installation&)> spoil;
    };

    for (const Case& c : {
             Case{.name = "nothing",
                  .words = "no file",
                  .spoil = [](Installation& i) { i.published.clear(); }},
             Case{.name = "a newline in the id",
                  .words = "name an installation",
                  .spoil = [](Installation& i) { i.id = "a\nb"; }},
             Case{.name = "a newline in a word",
                  .words = "control character",
                  .spoil = [](Installation& i) { i.test = {"a", "b\nc"}; }},
             Case{.name = "no program",
                  .words = "names no program",
                  .spoil = [](Installation& i) { i.reload = {""}; }},
             Case{.name = "an option for timeout(1)",
                  .words = "no program",
                  .spoil = [](Installation& i) { i.reload = {"-k"}; }},
             Case{.name = "a variable for env(1)",
                  .words = "no program",
                  .spoil = [](Installation& i) { i.restart = {"LD_PRELOAD=/x"}; }},
             Case{.name = "a version elsewhere",
                  .words = "name of a version",
                  .spoil = [](Installation& i) { i.versions_kept = {"../x"}; }},
             Case{.name = "a digest of somebody else's file",
                  .words = "/etc/shadow is in a known set, and no file of this target",
                  .spoil =
                      [](Installation& i) {
                          i.known[0].push_back({.path = "/etc/shadow", .sha256 = std::string(64, 'a')});
                      }},
             Case{.name = "no time",
                  .words = "deadline",
                  .spoil = [](Installation& i) { i.deadline = base::Seconds{0}; }},
             Case{.name = "days",
                  .words = "deadline",
                  .spoil = [](Installation& i) { i.command_deadline = base::Seconds{86400}; }},
             Case{.name = "a huge file",
                  .words = "larger than",
                  .spoil =
                      [](Installation& i) {
                          i.published[0].content = base::Secret(std::string(deployers::kFileMax + 1, 'x'));
                      }},
         }) {
        CAPTURE(c.name);
        Installation installation = example();
        installation.staged.clear();
        REQUIRE(deployers::check(installation).has_value());
        c.spoil(installation);
        const auto checked = deployers::check(installation);
        REQUIRE_FALSE(checked.has_value());
        CHECK(checked.error().message.find(c.words) != std::string::npos);
    }
}

TEST_CASE("installation: names of versions") {
    for (const std::string_view name : {"1-0123abcd", "123456789-ffffffff"})
        CHECK(deployers::is_version_name(name));
    for (const std::string_view name : {"", "-", "1-", "-0123abcd", "1-0123ABCD", "1-0123abc", "1-0123abcde",
                                        "1234567890-0123abcd", "x-0123abcd", "1-0123abcd/", ".."}) {
        CAPTURE(name);
        CHECK_FALSE(deployers::is_version_name(name));
    }
}
