// SPDX-License-Identifier: Apache-2.0
// The system's OpenSSH client as the program that leads to a receiver: one connection a deployment.
#include "deployers/hosts/ssh.hpp"

#include <array>
#include <map>
#include <utility>

#include <pwd.h>
#include <unistd.h>

#include "base/encoding.hpp"
#include "base/file.hpp"
#include "deployers/hosts/receiver_host.hpp"

namespace deployers {

namespace {

using base::Code;

/// A host's or a user's name that ssh cannot take for anything else.
bool is_plain(const std::string& text) {
    constexpr std::string_view kAllowed =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:%@+-";
    return !text.starts_with('-') && text.size() <= 255 &&
           text.find_first_not_of(kAllowed) == std::string::npos;
}

base::Result<void> check_destination(const SshDestination& destination) {
    if (!destination.host.empty() && is_plain(destination.host) && is_plain(destination.user) &&
        destination.port >= 0 && destination.port <= 65535 && !destination.identity_file.starts_with('-')) {
        return {};
    }
    return base::fail(Code::ConfigWrongValue, destination.name + ": \"" +
                                                  base::printable(destination.user + "@" + destination.host) +
                                                  "\" is no address for ssh");
}

/// Writes the keys of a pinned host where ssh finds them, and says where.
base::Result<std::string> write_known_hosts(const SshDestination& destination) {
    const std::string lines = TRY(known_hosts_of(destination));
    if (destination.scratch_directory.empty()) {
        return base::fail(Code::InternalUnexpected,
                          destination.name + ": no directory for the keys of a pinned host");
    }
    base::SystemFiles system;
    base::Files& files = destination.files != nullptr ? *destination.files : system;
    TRY(base::make_directories(files, destination.scratch_directory, 0700));
    std::string path =
        destination.scratch_directory + "/known_hosts." + base::sha256_hex(lines).substr(0, 16);
    const auto there = base::read_file(files, path, lines.size());
    if (!there || *there != lines) TRY(base::write_durably(files, path, lines, {.mode = 0600}));
    return path;
}

/// ssh finds the user's own files by the passwd entry; a ProxyCommand of theirs goes by HOME.
std::map<std::string, std::string> environment_of(const SshDestination& destination) {
    if (!destination.host_keys.empty()) return {};
    std::array<char, 16384> room{};
    passwd entry{};
    passwd* found = nullptr;
    if (::getpwuid_r(::geteuid(), &entry, room.data(), room.size(), &found) != 0 || found == nullptr)
        return {};
    return {{"HOME", entry.pw_dir}};
}

base::Result<base::Command> command_for(const SshDestination& destination) {
    TRY(check_destination(destination));
    std::string known_hosts;
    if (!destination.host_keys.empty()) known_hosts = TRY(write_known_hosts(destination));
    return base::Command{.argv = ssh_argv(destination, known_hosts, remote_command(destination.sudo)),
                         .environment = environment_of(destination)};
}

}  // namespace

std::unique_ptr<Host> make_ssh_host(SshDestination destination) {
    const std::string name = destination.name;
    const base::Seconds patience = destination.connect_deadline;
    const auto shared = std::make_shared<const SshDestination>(std::move(destination));
    return make_receiver_host(
        {.name = name,
         .command = [shared] { return command_for(*shared); },
         .explain = [shared](const base::Completed& ended) { return explain_ssh(*shared, ended); },
         .connect_deadline = patience});
}

}  // namespace deployers
