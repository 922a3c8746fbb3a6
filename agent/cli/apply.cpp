// SPDX-License-Identifier: Apache-2.0
// `renewd apply`: the root helper. systemd starts it as root for one connection to its socket (Accept=yes),
// with the connection as stdin; it reads no configuration and knows no certificate (docs/security.md).
#include "deployers/hosts/apply.hpp"

#include <cstdio>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/cli/command.hpp"
#include "base/local_stream.hpp"

namespace agent {

namespace {

/// The connection, out of the way of what any library may print.
base::Result<base::LocalStream> take_connection() {
    base::Descriptor connection(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
    auto stream = base::LocalStream::adopt(std::move(connection));
    if (!stream) {
        return base::fail(
            base::Code::UsageWrong,
            "renewd apply is started by systemd, once for each connection to /run/renewd/apply.sock",
            "systemctl enable --now renewd-apply.socket");
    }
    const base::Descriptor nowhere(::open("/dev/null", O_RDWR | O_CLOEXEC));
    (void)::dup2(nowhere.number(), STDIN_FILENO);
    (void)::dup2(nowhere.number(), STDOUT_FILENO);
    return stream;
}

void tell_journal(const std::string& text) {
    std::fprintf(stderr, "%s\n", text.c_str());
}

}  // namespace

int apply_command(const Options& options) {
    deployers::ApplyOptions how{.tell = tell_journal};
    for (const std::string& name : options.apply.peers) {
        const auto user = base::user_id(name);
        if (!user) {
            tell(options, user.error());
            return exit_code::kUsage;
        }
        how.peers.push_back(*user);
    }
    auto connection = take_connection();
    if (!connection) {
        tell(options, connection.error());
        return exit_code::kUsage;
    }
    // For the commands that are run, as everywhere; our own files have their modes from birth.
    (void)::umask(S_IWGRP | S_IWOTH);
    base::SystemFiles files;
    deployers::serve(*connection, files, deployers::make_gate(files, options.apply.allow), how);
    return exit_code::kWell;
}

}  // namespace agent
