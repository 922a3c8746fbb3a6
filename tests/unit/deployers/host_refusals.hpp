// SPDX-License-Identifier: Apache-2.0
// What every host must refuse or survive: bad commands, what cannot be written, paths that others could turn.
#pragma once

#include <filesystem>
#include <string>

#include <doctest/doctest.h>

#include "base/error.hpp"
#include "deployers/hosts/host.hpp"
#include "tests/unit/deployers/fake_service.hpp"
#include "tests/unit/deployers/host_under_test.hpp"

namespace tests {

inline void survives_bad_commands(const MakeHost& make_host) {
    const FakeService service;
    service.hold("1");
    Installation installation = service.installation("2", {"1"});
    installation.command_deadline = base::Seconds{1};
    SUBCASE("one that takes too long fails with 124") {
        service.be("slow");
        const auto session = install(make_host, installation);
        CHECK(session->report().outcome == InstallOutcome::ServiceBroken);
        CHECK(session->report().test_before.exit_code == 124);
    }
    SUBCASE("one that is not there fails with 127") {
        installation.test = {"/nowhere/to be found"};
        const auto session = install(make_host, installation);
        CHECK(session->report().outcome == InstallOutcome::ServiceBroken);
        CHECK(session->report().test_before.exit_code == 127);
        CHECK(session->report().test_before.output.find("/nowhere/to be found") != std::string::npos);
    }
    SUBCASE("one that floods is cut short, and what a terminal would obey is taken out") {
        installation.reload = {"/bin/sh", "-c",
                               R"(printf '\033[2J\007"\\ end\n'; yes | head -c 300000; exit 3)"};
        const auto session = install(make_host, installation);
        CHECK(session->report().reload.exit_code == 3);
        CHECK(session->report().reload.output.size() < 9000);
        CHECK(session->report().reload.output.find("\"\\ end; y; y") != std::string::npos);
        CHECK(session->report().reload.output.find('\033') == std::string::npos);
        REQUIRE(session->commit().has_value());
    }
    SUBCASE("words arrive as they are, and nothing of ours is inherited") {
        const std::string show = R"(printf '%s|' "$@"; umask; env | cut -d= -f1 | sort | tr '\n' ' '; )"
                                 R"(ls /proc/self/fd | tr '\n' ' ')";
        installation.reload = {"/bin/sh", "-c",  show, "me", "a b", "", "$(touch /tmp/x)`id`",
                               "*",       "'\"", "-n"};
        const auto session = install(make_host, installation);
        CHECK(session->report().reload.output.starts_with(
            "a b||$(touch /tmp/x)`id`|*|'\"|-n|0022; LANG PATH PWD "));
        CHECK(session->report().reload.output.ends_with("0 1 2 3 "));
        REQUIRE(session->commit().has_value());
    }
    SUBCASE("an installation without any is written and that is all") {
        installation.test = installation.reload = installation.restart = {};
        const auto session = install(make_host, installation);
        CHECK(session->report().outcome == InstallOutcome::Installed);
        CHECK_FALSE(session->report().test_after.ran);
        CHECK_FALSE(session->report().reload.ran);
        CHECK(service.log() == "");
        const auto restored = session->restore();
        REQUIRE(restored.has_value());
        CHECK_FALSE(restored->reload.ran);
        CHECK(slurp(service.key()) == "key 1");
    }
}

inline void says_what_cannot_be_written(const MakeHost& make_host) {
    const FakeService service;
    Installation installation = service.installation("1");
    const auto refusal = [&] {
        const auto session = install(make_host, installation);
        CHECK(session->report().outcome == InstallOutcome::WriteFailed);
        CHECK(service.names().empty());
        return session->report().message;
    };
    SUBCASE("a directory below one that is not there") {
        installation.published[1].path = service.tls() + "/a/b/key";
        const std::string message = refusal();
        CHECK(message.find("the directory " + service.tls() + "/a for ") != std::string::npos);
        CHECK(message.find("does not exist") != std::string::npos);
    }
    SUBCASE("an owner nobody has heard of") {
        installation.published[1].owner = "nosuchuser";
        CHECK(refusal().find("nosuchuser") != std::string::npos);
        CHECK(service.log() == "");
    }
    SUBCASE("a group nobody has heard of") {
        installation.published[0].group = "nosuchgroup";
        CHECK(refusal().find("nosuchgroup") != std::string::npos);
    }
    SUBCASE("an owner by number, and one by name") {
        installation.published[0].owner = "daemon";
        installation.published[1].owner = "12345";
        installation.published[1].group = "daemon";
        installation.published[1].mode = 0440;
        const auto session = install(make_host, installation);
        CHECK(session->report().outcome == InstallOutcome::Installed);
        CHECK(attributes(service.cert()) == "0644 1:0");
        CHECK(attributes(service.key()) == "0440 12345:1");
        REQUIRE(session->commit().has_value());
        CHECK(install(make_host, installation)->report().outcome == InstallOutcome::Unchanged);
    }
}

inline void refuses_unsafe_paths(const MakeHost& make_host) {
    const FakeService service;
    const Installation installation = service.installation("1");
    const auto refusal = [&] {
        const auto session = make_host()->install(installation);
        REQUIRE_FALSE(session.has_value());
        CHECK(base::to_string(session.error().code) == "deploy/unsafe-path");
        CHECK(service.log() == "");
        return session.error().message;
    };
    SUBCASE("a link in place of a file") {
        spill(service.path() + "/elsewhere", "precious");
        std::filesystem::create_symlink(service.path() + "/elsewhere", service.key());
        CHECK(refusal().find(service.key() + " is a symbolic link") != std::string::npos);
        CHECK(slurp(service.path() + "/elsewhere") == "precious");
    }
    SUBCASE("a directory in place of a file") {
        std::filesystem::create_directory(service.cert());
        CHECK(refusal().find("regular file") != std::string::npos);
    }
    SUBCASE("a directory that others may write to") {
        (void)::chmod(service.tls().c_str(), 0775);
        CHECK(refusal().find(service.tls()) != std::string::npos);
    }
    SUBCASE("a directory above that belongs to somebody") {
        (void)!::chown(service.path().c_str(), 12345, 0);
        CHECK(refusal().find("12345") != std::string::npos);
        (void)!::chown(service.path().c_str(), 0, 0);
    }
    SUBCASE("a link above that belongs to somebody") {
        std::filesystem::rename(service.tls(), service.path() + "/real");
        std::filesystem::create_directory_symlink("real", service.tls());
        (void)!::lchown(service.tls().c_str(), 12345, 0);
        CHECK(refusal().find(service.tls()) != std::string::npos);
    }
    SUBCASE("but root's own link is followed") {
        std::filesystem::rename(service.tls(), service.path() + "/real");
        std::filesystem::create_directory_symlink(service.path() + "/real/../real", service.tls());
        CHECK(install(make_host, installation)->report().outcome == InstallOutcome::Installed);
        CHECK(slurp(service.path() + "/real/key") == "key 1");
    }
}

}  // namespace tests
