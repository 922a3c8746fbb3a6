// SPDX-License-Identifier: Apache-2.0
// The texts of an SSH connection, and what ssh's own words mean.
#include <algorithm>
#include <ostream>

#include <doctest/doctest.h>

#include "deployers/hosts/receiver_script.hpp"
#include "deployers/hosts/ssh.hpp"

namespace {

using deployers::SshDestination;

// The fingerprint is what ssh-keygen -lf says of this key.
constexpr std::string_view kKey =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB";

SshDestination pinned() {
    return {.name = "web1",
            .user = "deploy",
            .host = "web1.example.com",
            .port = 2222,
            .identity_file = "/k",
            .host_keys = {std::string(kKey)}};
}

bool has_option(const std::vector<std::string>& argv, const std::string& option) {
    for (std::size_t i = 1; i < argv.size(); ++i) {
        if (argv[i - 1] == "-o" && argv[i] == option) return true;
    }
    return false;
}

bool has(const std::vector<std::string>& argv, const std::string& word) {
    return std::ranges::find(argv, word) != argv.end();
}

}  // namespace

TEST_CASE("ssh: options that always hold") {
    SshDestination unpinned = pinned();
    unpinned.host_keys.clear();
    for (const SshDestination& destination : {pinned(), unpinned}) {
        const auto argv = deployers::ssh_argv(destination, "/s/known_hosts", "COMMAND");
        for (const char* option :
             {"BatchMode=yes", "StrictHostKeyChecking=yes", "ForwardAgent=no", "ClearAllForwardings=yes",
              "RequestTTY=no", "PermitLocalCommand=no", "ControlMaster=no", "ControlPath=none",
              "IdentitiesOnly=yes", "UpdateHostKeys=no", "ConnectTimeout=10", "ServerAliveInterval=5"}) {
            CAPTURE(std::string_view(option));
            CHECK(has_option(argv, option));
        }
        CHECK(argv.front() == "ssh");
        CHECK(std::vector<std::string>(argv.end() - 3, argv.end()) ==
              std::vector<std::string>{"--", "web1.example.com", "COMMAND"});
        CHECK(has(argv, "2222"));
        CHECK(has(argv, "deploy"));
    }
}

TEST_CASE("ssh: with pinned keys the user's own files are not read, without they are") {
    const auto argv = deployers::ssh_argv(pinned(), "/s/known_hosts", "COMMAND");
    CHECK(has(argv, "-F"));
    CHECK(has_option(argv, "UserKnownHostsFile=\"/s/known_hosts\""));
    CHECK(has_option(argv, "GlobalKnownHostsFile=/dev/null"));
    CHECK(has_option(argv, "HostKeyAlias=web1.example.com"));
    const auto unpinned = deployers::ssh_argv({.name = "w", .host = "h"}, "", "COMMAND");
    CHECK_FALSE(has(unpinned, "-F"));
    CHECK_FALSE(has(unpinned, "-l"));
    CHECK_FALSE(has(unpinned, "-p"));
    CHECK(std::ranges::none_of(unpinned, [](const std::string& word) {
        return word.find("KnownHosts") != std::string::npos || word.starts_with("HostKeyAlias") ||
               word.starts_with("Identit");
    }));
}

TEST_CASE("ssh: the remote command is one fixed text, and nothing in it needs more than single quotes") {
    const std::string script(deployers::receiver_script());
    CHECK(script.find('\'') == std::string::npos);
    CHECK(script.size() < 32'000);
    CHECK(deployers::remote_command(false) == "/bin/sh -c '" + script + "' renewd");
    CHECK(deployers::remote_command(true) == "sudo -n /bin/sh -c '" + script + "' renewd");
    const std::string line = deployers::sudoers_line("deploy");
    CHECK(line.starts_with("deploy ALL=(root) NOPASSWD: /bin/sh -c umask 077?export PATH\\=/usr/sbin\\:"));
    CHECK(line.ends_with(" renewd"));
    CHECK(line.find('\n') == std::string::npos);
}

TEST_CASE("ssh: pinned keys") {
    SshDestination destination = pinned();
    destination.host_keys.emplace_back("ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTY= root@web1");
    CHECK(deployers::known_hosts_of(destination).value() ==
          "web1.example.com " + std::string(kKey) +
              "\nweb1.example.com ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTY=\n");
    for (const char* key : {"", "ssh-ed25519", "ssh-ed25519 ", "ssh-ed25519 not\nbase64aaaaaaaaaaaaaaaa",
                            "* ssh-ed25519 AAAAC3NzaC1lZDI1NTE5", "@revoked * AAAA"}) {
        CAPTURE(std::string_view(key));
        destination.host_keys = {key};
        const auto lines = deployers::known_hosts_of(destination);
        REQUIRE_FALSE(lines.has_value());
        CHECK(base::to_string(lines.error().code) == "config/wrong-value");
        CHECK(deployers::fingerprint(key) == "");
    }
    CHECK(deployers::fingerprint(kKey) == "SHA256:ycecTFElO4tMaWgqfHQDEUjUete0Tsl0wmvU/kkDXFc");
}

TEST_CASE("ssh: an address that could be an option is none") {
    for (const char* host : {"", "-oProxyCommand=x", "a b", "a;b", "$(x)"}) {
        CAPTURE(std::string_view(host));
        const auto done = deployers::make_ssh_host({.name = "w", .host = host})
                              ->inspect({.id = "a/b", .published = {{.path = "/x"}}});
        REQUIRE_FALSE(done.has_value());
        CHECK(base::to_string(done.error().code) == "config/wrong-value");
    }
}

TEST_CASE("ssh: what its words mean") {
    struct Case {
        std::string_view words, code;
    };

    for (const Case& c : {
             Case{.words = "ssh: connect to host h port 22: Connection refused", .code = "host/unreachable"},
             Case{.words = "ssh: connect to host h port 22: No route to host", .code = "host/unreachable"},
             Case{.words = "ssh: connect to host h port 22: Network is unreachable",
                  .code = "host/unreachable"},
             Case{.words = "ssh: connect to host h port 22: Connection timed out",
                  .code = "host/unreachable"},
             Case{.words = "ssh: Could not resolve hostname h: Name or service not known",
                  .code = "host/unreachable"},
             Case{.words = "kex_exchange_identification: Connection closed by remote host",
                  .code = "host/unreachable"},
             Case{.words = "Connection timed out during banner exchange", .code = "host/timeout"},
             Case{.words = "Timeout, server h not responding.", .code = "host/timeout"},
             Case{.words = "No ED25519 host key is known for h and you have requested strict checking.\nHost "
                           "key verification failed.",
                  .code = "host/key-unknown"},
             Case{.words =
                      "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
                  .code = "host/key-changed"},
             Case{.words = "u@h: Permission denied (publickey).", .code = "host/login-refused"},
             Case{.words = "Received disconnect from h: 2: Too many authentication failures",
                  .code = "host/login-refused"},
             Case{.words = "sudo: a password is required", .code = "host/sudo-refused"},
             Case{.words = "Sorry, user deploy is not allowed to execute '/bin/sh' as root on web1.",
                  .code = "host/sudo-refused"},
             Case{.words = "/bin/sh: 1: sudo: not found", .code = "host/sudo-refused"},
             Case{.words = "This account is currently not available.", .code = "host/protocol"},
             Case{.words = "", .code = "host/timeout"},
         }) {
        CAPTURE(c.words);
        const base::Error error =
            deployers::explain_ssh(pinned(), {.exit_code = 255, .err = std::string(c.words) + "\n"});
        CHECK(base::to_string(error.code) == c.code);
        CHECK(error.message.starts_with("web1"));
        CHECK(error.message.find("nothing was sent") != std::string::npos);
    }
    CHECK(base::to_string(deployers::explain_ssh(pinned(), {.timed_out = true}).code) == "host/timeout");
}
