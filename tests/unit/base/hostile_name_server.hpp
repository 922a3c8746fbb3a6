// SPDX-License-Identifier: Apache-2.0
// A name server that answers as a test says, over UDP and TCP: all that no decent server would send.
#pragma once

#include <array>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/dns.hpp"
#include "tests/unit/base/name_servers.hpp"

namespace tests {

/// The local ports of every UDP socket that this process has open.
inline std::vector<int> udp_ports_of_this_process() {
    std::vector<int> ports;
    for (int number = 0; number < 256; ++number) {
        sockaddr_in where{};
        socklen_t size = sizeof(where);
        int kind = 0;
        socklen_t kind_size = sizeof(kind);
        if (::getsockopt(number, SOL_SOCKET, SO_TYPE, &kind, &kind_size) != 0 || kind != SOCK_DGRAM) continue;
        if (::getsockname(number, reinterpret_cast<sockaddr*>(&where), &size) != 0) continue;
        if (where.sin_family == AF_INET) ports.push_back(ntohs(where.sin_port));
    }
    return ports;
}

class HostileNameServer {
  public:
    /// The messages that go back for one that came; over TCP they follow one another, each as it is: `framed`
    /// puts the length in front.
    using Answers = std::function<std::vector<std::string>(const std::string& message, bool over_tcp)>;

    struct Place {
        std::string address = "127.0.0.1";
        bool is_open_over_tcp = true;  // else connections are refused
    };

    explicit HostileNameServer(Answers answers) : HostileNameServer(std::move(answers), Place{}) {}

    HostileNameServer(Answers answers, Place place) : answers_(std::move(answers)), place_(std::move(place)) {
        // The same port for both, which the kernel gives for one only.
        for (int attempt = 0; attempt < 100 && udp_ < 0; ++attempt) {
            tcp_ = bound_socket(place_.address, 0, SOCK_STREAM);
            sockaddr_storage where{};
            socklen_t size = sizeof(where);
            ::getsockname(tcp_, reinterpret_cast<sockaddr*>(&where), &size);
            // Both families have it at the same place.
            port_ = ntohs(reinterpret_cast<const sockaddr_in*>(&where)->sin_port);
            udp_ = bound_socket(place_.address, port_, SOCK_DGRAM);
            if (udp_ < 0) ::close(tcp_);
        }
        if (udp_ < 0) throw std::runtime_error("no port to be had");
        if (place_.is_open_over_tcp && ::listen(tcp_, 8) != 0) throw std::runtime_error("no port to be had");
        if (::pipe(stop_.data()) != 0) throw std::runtime_error("no pipe to be had");
        thread_ = std::thread([this] { serve(); });
    }

    HostileNameServer(const HostileNameServer&) = delete;
    HostileNameServer& operator=(const HostileNameServer&) = delete;

    ~HostileNameServer() {
        ::close(stop_[1]);
        thread_.join();
        for (const int socket : {udp_, tcp_, stop_[0]}) ::close(socket);
    }

    [[nodiscard]] base::DnsServer server() const { return {.address = place_.address, .port = port_}; }

    [[nodiscard]] static std::string framed(const std::string& message) {
        return {static_cast<char>(message.size() >> 8U), static_cast<char>(message.size() & 0xFFU)};
    }

  private:
    void serve() const {
        for (;;) {
            const int tcp = place_.is_open_over_tcp ? tcp_ : -1;
            std::array<pollfd, 3> waiting{{{stop_[0], POLLIN, 0}, {udp_, POLLIN, 0}, {tcp, POLLIN, 0}}};
            if (::poll(waiting.data(), waiting.size(), -1) < 0 || waiting[0].revents != 0) return;
            if (waiting[1].revents != 0) answer_datagram();
            if (waiting[2].revents != 0) answer_connection();
        }
    }

    void answer_datagram() const {
        std::array<char, 4096> buffer{};
        sockaddr_storage from{};
        socklen_t size = sizeof(from);
        auto* const peer = reinterpret_cast<sockaddr*>(&from);
        const ssize_t got = ::recvfrom(udp_, buffer.data(), buffer.size(), 0, peer, &size);
        if (got < 0) return;
        for (const auto& answer : answers_({buffer.data(), static_cast<std::size_t>(got)}, false)) {
            ::sendto(udp_, answer.data(), answer.size(), MSG_NOSIGNAL, peer, size);
        }
    }

    void answer_connection() const {
        const int connection = ::accept4(tcp_, nullptr, nullptr, SOCK_CLOEXEC);
        if (connection < 0) return;
        std::array<char, 4096> buffer{};
        const ssize_t got = ::recv(connection, buffer.data(), buffer.size(), 0);
        if (got > 2) {
            for (const auto& answer : answers_({&buffer[2], static_cast<std::size_t>(got) - 2}, true)) {
                ::send(connection, answer.data(), answer.size(), MSG_NOSIGNAL);
            }
        }
        ::close(connection);
    }

    Answers answers_;
    Place place_;
    int udp_ = -1;
    int tcp_ = -1;
    std::uint16_t port_ = 0;
    std::array<int, 2> stop_{-1, -1};
    std::thread thread_;
};

}  // namespace tests
