// SPDX-License-Identifier: Apache-2.0
// A real sshd on loopback with keys and a configuration of its own, for as long as a test needs it. Needs
// root, as sshd does.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.hpp"
#include "base/process.hpp"
#include "deployers/hosts/ssh.hpp"
#include "tests/unit/base/temporary_directory.hpp"
#include "tests/unit/deployers/fake_service.hpp"

namespace tests {

/// A port on 127.0.0.1 that nobody listened at a moment ago.
inline int free_port() {
    const base::Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    if (!socket.is_open()) return 0;
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    if (::bind(socket.number(), any, size) != 0 || ::getsockname(socket.number(), any, &size) != 0) return 0;
    return ntohs(address.sin_port);
}

inline bool accepts(int port) {
    const base::Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    return ::connect(socket.number(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
}

/// Runs a program that must succeed; its output.
inline std::string run_or_throw(const std::vector<std::string>& argv) {
    const auto done = base::run({.argv = argv});
    if (!done || !done->ok())
        throw std::runtime_error(argv.front() + ": " + (done ? done->err : done.error().message));
    return done->out;
}

inline std::string make_ssh_key(const std::string& path) {
    run_or_throw({"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", path});
    return slurp(path + ".pub");
}

class Sshd {
  public:
    Sshd() {
        (void)::chmod(directory_.path().c_str(), 0755);
        (void)::mkdir("/run/sshd",
                      0755);  // where sshd locks itself in before a login; packages make it at start
        host_key_ = make_ssh_key(directory_ / "host");
        spill(directory_ / "authorized_keys", make_ssh_key(directory_ / "user"));
        for (int attempt = 0; attempt < 5 && !start(); ++attempt) {
        }
    }

    Sshd(const Sshd&) = delete;
    Sshd& operator=(const Sshd&) = delete;
    ~Sshd() = default;

    /// Root over this sshd, pinned.
    [[nodiscard]] deployers::SshDestination destination() const {
        return {.name = "web1",
                .user = "root",
                .host = "127.0.0.1",
                .port = port_,
                .identity_file = directory_ / "user",
                .host_keys = {host_key_},
                .scratch_directory = directory_ / "scratch 100%h \"of\" \\it"};
    }

    [[nodiscard]] const std::string& path() const { return directory_.path(); }

    /// Are processes of this sshd's logins left? They carry a variable of its own; what they run for an
    /// installation does not, but names `mark` in its arguments.
    [[nodiscard]] bool has_processes(const std::string& mark) const {
        std::error_code ignored;
        for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
            const std::string process = entry.path().string();
            if (slurp(process + "/environ").find("RENEWD_TEST_SSHD=" + path()) != std::string::npos)
                return true;
            if (slurp(process + "/cmdline").find(mark) != std::string::npos) return true;
        }
        return false;
    }

    /// Waits up to `patience` for the last of them to end.
    [[nodiscard]] bool falls_silent(const std::string& mark, base::Milliseconds patience) const {
        base::SystemClock clock;
        const base::Steady until = clock.steady() + patience;
        while (has_processes(mark)) {
            if (clock.steady() > until) return false;
            clock.sleep(base::Milliseconds{50});
        }
        return true;
    }

  private:
    bool start() {
        port_ = free_port();
        spill(directory_ / "config",
              "Port " + std::to_string(port_) + "\nListenAddress 127.0.0.1\nHostKey " +
                  (directory_ / "host") + "\nAuthorizedKeysFile " + (directory_ / "authorized_keys") +
                  "\nUsePAM no\nStrictModes no\nPermitRootLogin yes\nPidFile none\n"
                  "SetEnv RENEWD_TEST_SSHD=" +
                  path() + "\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nMaxStartups 100\n");
        auto started =
            base::Conversation::start({.argv = {"/usr/sbin/sshd", "-D", "-e", "-f", directory_ / "config"},
                                       .deadline = base::Milliseconds{900'000}});
        if (!started) throw std::runtime_error(started.error().message);
        process_ = std::make_unique<base::Conversation>(std::move(started).value());
        base::SystemClock clock;
        for (int i = 0; i < 200; ++i) {
            if (accepts(port_)) return true;
            clock.sleep(base::Milliseconds{20});
        }
        return false;
    }

    TemporaryDirectory directory_;
    std::string host_key_;
    int port_ = 0;
    std::unique_ptr<base::Conversation> process_{};
};

/// One for all tests of the program.
inline const Sshd& sshd() {
    static const Sshd server;
    return server;
}

}  // namespace tests
