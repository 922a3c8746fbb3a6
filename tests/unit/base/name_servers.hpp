// SPDX-License-Identifier: Apache-2.0
// Real name servers on loopback for as long as a test needs them: Knot with zones of the test's own, and
// Unbound as the resolver that checks DNSSEC. On port 53, where the servers of a zone are asked, each at an
// address that nobody else uses; that needs root.
#pragma once

#include <array>
#include <chrono>
#include <fstream>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.hpp"
#include "base/dns.hpp"
#include "base/process.hpp"
#include "tests/unit/base/temporary_directory.hpp"

namespace tests {

/// A socket of this kind bound to the address (of IPv4 or IPv6), or -1.
inline int bound_socket(const std::string& address, std::uint16_t port, int kind) {
    const bool is_ipv6 = address.find(':') != std::string::npos;
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    ::inet_pton(AF_INET, address.c_str(), &v4.sin_addr);
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    ::inet_pton(AF_INET6, address.c_str(), &v6.sin6_addr);
    const auto* where = is_ipv6 ? reinterpret_cast<const sockaddr*>(&v6) : reinterpret_cast<sockaddr*>(&v4);
    const int socket = ::socket(where->sa_family, kind | SOCK_CLOEXEC, 0);
    const int on = 1;
    if (kind == SOCK_STREAM) ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (::bind(socket, where, is_ipv6 ? sizeof(v6) : sizeof(v4)) == 0) return socket;
    ::close(socket);
    return -1;
}

/// An address 127.53.x.y whose port 53 nobody had a moment ago.
inline std::string free_loopback() {
    static std::mt19937 random(std::random_device{}());
    for (int attempt = 0; attempt < 100; ++attempt) {
        const auto host = random();
        std::string address =
            "127.53." + std::to_string((host >> 8U) % 256) + "." + std::to_string(1 + host % 250);
        const int udp = bound_socket(address, 53, SOCK_DGRAM);
        const int tcp = bound_socket(address, 53, SOCK_STREAM);
        if (udp >= 0) ::close(udp);
        if (tcp >= 0) ::close(tcp);
        if (udp >= 0 && tcp >= 0) return address;
    }
    throw std::runtime_error("no port 53 to be had on loopback: these tests need root");
}

/// A program in the foreground, killed when it goes.
class NameServerProcess {
  public:
    NameServerProcess() = default;
    NameServerProcess(const NameServerProcess&) = delete;
    NameServerProcess& operator=(const NameServerProcess&) = delete;

    ~NameServerProcess() { stop(); }

    void start(std::vector<std::string> arguments, const std::string& log) {
        std::vector<char*> argv;
        argv.reserve(arguments.size() + 1);
        for (std::string& argument : arguments) argv.push_back(argument.data());
        argv.push_back(nullptr);
        std::array<char*, 1> environment{nullptr};
        posix_spawn_file_actions_t actions{};
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
        ::posix_spawn_file_actions_adddup2(&actions, 1, 2);
        const int outcome =
            ::posix_spawn(&child_, argv[0], &actions, nullptr, argv.data(), environment.data());
        ::posix_spawn_file_actions_destroy(&actions);
        if (outcome != 0) throw std::runtime_error(arguments[0] + " cannot be started: is it installed?");
    }

    void stop() {
        if (child_ < 0) return;
        ::kill(child_, SIGKILL);  // nothing of it is kept
        ::waitpid(child_, nullptr, 0);
        child_ = -1;
    }

  private:
    pid_t child_ = -1;
};

/// Waits until the server answers for this name.
inline void wait_until_it_answers(const base::DnsServer& server, const std::string& name,
                                  const std::string& log) {
    const base::Dns dns({server}, base::Milliseconds(200));
    base::SystemClock clock;
    const base::Steady until = clock.steady() + base::Seconds(15);
    while (clock.steady() < until) {
        const auto answer = dns.ask_server(server, name, base::DnsType::Soa);
        if (answer && (answer->rcode == 0 || answer->rcode == 3)) return;
        clock.sleep(base::Milliseconds(20));
    }
    std::ifstream file(log);
    throw std::runtime_error("a name server for " + name +
                             " did not come up: " + std::string(std::istreambuf_iterator<char>(file), {}));
}

struct KnotZone {
    std::string name{};     // "example.test"
    std::string records{};  // zone file without SOA; "@" is the apex
    std::string options{};  // lines of the zone's configuration: "acl: [ key ]"
};

/// knotd with these zones, which anybody on loopback may change. `sections` go in front of its zones.
class Knot {
  public:
    explicit Knot(std::vector<KnotZone> zones, std::string address = free_loopback(),
                  const std::string& sections = {})
        : address_(std::move(address)) {
        std::ofstream conf(directory_ / "knot.conf");
        conf << "server:\n  rundir: " << directory_.path() << "\n  listen: " << address_
             << "@53\n  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n  pidfile: pid\n"
             << "log:\n- target: stdout\n  any: info\ndatabase:\n  storage: " << directory_.path() << "\n"
             << sections << "acl:\n- id: anybody\n  address: 127.0.0.0/8\n  action: update\nzone:\n";
        for (const KnotZone& zone : zones) {
            std::ofstream(directory_ / (zone.name + ".zone"))
                << "$TTL 60\n@ SOA ns1." << zone.name << ". admin." << zone.name << ". 1 3600 600 86400 60\n"
                << zone.records << "\n";
            conf << "- domain: " << zone.name << "\n  storage: " << directory_.path()
                 << "\n  zonefile-sync: -1\n  zonefile-load: whole\n  journal-content: none\n";
            conf << (zone.options.empty() ? "  acl: anybody\n" : zone.options);
        }
        conf.close();
        process_.start({"/usr/sbin/knotd", "-c", directory_ / "knot.conf"}, directory_ / "log");
        for (const KnotZone& zone : zones) wait_until_it_answers(server(), zone.name, directory_ / "log");
    }

    [[nodiscard]] const std::string& address() const { return address_; }

    [[nodiscard]] base::DnsServer server() const { return {.address = address_}; }

    /// A line of nsupdate(1): "add name.example.test. 60 TXT value".
    void change(const std::string& zone, const std::string& line) const {
        const auto done =
            base::run({.argv = {"knsupdate", "-v"},
                       .input = "server " + address_ + " 53\nzone " + zone + ".\n" + line + "\nsend\n"});
        if (!done || !done->ok() || !done->err.empty()) {
            throw std::runtime_error("knsupdate: " + (done ? done->err + done->out : done.error().message));
        }
    }

    void stop() { process_.stop(); }

  private:
    TemporaryDirectory directory_;
    std::string address_;
    NameServerProcess process_;
};

/// Unbound, which knows nothing but these zones, each with the server that has it, and trusts nobody for the
/// zones in `anchors` (lines "name. DS …").
class Unbound {
  public:
    Unbound(const std::vector<std::pair<std::string, std::string>>& zones,
            const std::vector<std::string>& anchors = {}) {
        std::ofstream conf(directory_ / "unbound.conf");
        conf << "server:\n  interface: " << address_ << "\n  port: 53\n  directory: \"" << directory_.path()
             << "\"\n  chroot: \"\"\n  username: \"\"\n  pidfile: \"\"\n  use-syslog: no\n"
             << "  do-not-query-localhost: no\n  num-threads: 1\n  do-daemonize: no\n"
             << "  access-control: 127.0.0.0/8 allow\n  module-config: \"validator iterator\"\n"
             << "  local-zone: \"test.\" nodefault\n";
        for (const std::string& anchor : anchors) conf << "  trust-anchor: \"" << anchor << "\"\n";
        conf << "remote-control:\n  control-enable: no\n";
        for (const auto& [zone, server] : zones) {
            conf << "stub-zone:\n  name: " << zone << ".\n  stub-addr: " << server << "@53\n";
        }
        conf.close();
        process_.start({"/usr/sbin/unbound", "-d", "-c", directory_ / "unbound.conf"}, directory_ / "log");
        const base::Dns dns({server()}, base::Milliseconds(200));
        base::SystemClock clock;
        const base::Steady until = clock.steady() + base::Seconds(15);
        while (clock.steady() < until) {
            if (dns.ask_server(server(), "localhost", base::DnsType::A)) return;
            clock.sleep(base::Milliseconds(20));
        }
        std::ifstream file(directory_ / "log");
        throw std::runtime_error("unbound did not come up: " +
                                 std::string(std::istreambuf_iterator<char>(file), {}));
    }

    [[nodiscard]] base::DnsServer server() const { return {.address = address_}; }

  private:
    TemporaryDirectory directory_;
    std::string address_ = free_loopback();
    NameServerProcess process_;
};

}  // namespace tests
