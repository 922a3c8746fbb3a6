// SPDX-License-Identifier: Apache-2.0
// A machine over SSH, by the system's OpenSSH client; nothing is installed there.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.hpp"
#include "base/process.hpp"
#include "deployers/hosts/host.hpp"

namespace deployers {

struct SshDestination {
    std::string name{};  // as configured, for messages
    std::string user{};  // empty: ssh's own choice
    std::string host{};
    int port = 0;  // 0: ssh's own choice
    std::string identity_file{};
    /// Pinned keys ("ssh-ed25519 AAAA…"): then nothing of the user's ssh set-up is read. Empty: unpinned.
    std::vector<std::string> host_keys{};
    bool sudo = false;                // the remote side runs under `sudo -n`
    std::string scratch_directory{};  // ours, 0700: for the rendered known_hosts of a pinned host
    base::Seconds connect_deadline{10};
    base::Files* files = nullptr;  // for what is written here; nullptr: the system's
};

/// config/wrong-value from its first use if a member could be taken for an option, or a pinned key is none.
[[nodiscard]] std::unique_ptr<Host> make_ssh_host(SshDestination destination);

/// The argv a connection is made with; pure, so that a test can read it. `known_hosts` is the rendered file
/// of a pinned host.
[[nodiscard]] std::vector<std::string> ssh_argv(const SshDestination& destination,
                                                const std::string& known_hosts,
                                                const std::string& remote_command);

/// What is run over there: the fixed script as one argument of /bin/sh, the same text for every host and
/// every installation of one version of renewd.
[[nodiscard]] std::string remote_command(bool sudo);

/// The line for /etc/sudoers that lets `user` run exactly that as root, and nothing else. (What the script is
/// then told to do is another matter: it writes the files and runs the commands of the installation.)
[[nodiscard]] std::string sudoers_line(const std::string& user);

/// The known_hosts file of a pinned host: each key under the host's own name. config/wrong-value.
[[nodiscard]] base::Result<std::string> known_hosts_of(const SshDestination& destination);

/// "SHA256:…" of a key as ssh prints it; empty if it is none.
[[nodiscard]] std::string fingerprint(std::string_view host_key);

/// What it means that ssh ended before the receiver was there: host/unreachable, host/timeout,
/// host/key-changed, host/key-unknown, host/login-refused, host/sudo-refused, host/protocol. Pure.
[[nodiscard]] base::Error explain_ssh(const SshDestination& destination, const base::Completed& ended);

}  // namespace deployers
