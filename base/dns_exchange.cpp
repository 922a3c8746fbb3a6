// SPDX-License-Identifier: Apache-2.0
#include "base/dns_exchange.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>

#include <netdb.h>
#include <netinet/in.h>
#include <openssl/rand.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/file.hpp"
#include "base/openssl.hpp"
#include "base/outward.hpp"

namespace base {

namespace {

constexpr int kForeignMax = 100;  // datagrams that are no answer; whoever sends more will not stop
constexpr std::size_t kDatagramMax = 4096;

struct Address {
    sockaddr_storage storage{};
    socklen_t length = 0;

    [[nodiscard]] const sockaddr* plain() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

/// getaddrinfo because it knows zones ("fe80::1%eth0"); it asks nobody for an address.
std::optional<Address> address_of(const DnsServer& server) {
    addrinfo hints{};
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    hints.ai_socktype = SOCK_DGRAM;
    addrinfo* found = nullptr;
    const std::string port = std::to_string(server.port);
    if (::getaddrinfo(server.address.c_str(), port.c_str(), &hints, &found) != 0) return std::nullopt;
    const std::unique_ptr<addrinfo, Deleter<::freeaddrinfo>> owner(found);
    Address address;
    if (found->ai_addrlen > sizeof(address.storage)) return std::nullopt;
    std::memcpy(&address.storage, found->ai_addr, found->ai_addrlen);
    address.length = found->ai_addrlen;
    return address;
}

Failure silent(const DnsServer& server, std::string_view protocol) {
    return fail(Code::DnsUnreachable,
                to_string(server) + " does not answer over " + std::string(protocol) + " in time");
}

Failure out_of_reach(const DnsServer& server, std::string_view protocol, int error) {
    return fail(Code::DnsUnreachable, to_string(server) + " cannot be reached over " + std::string(protocol) +
                                          ": " + errno_text(error));
}

/// A socket that is connected, or connecting: the kernel then lets nobody else's packets in.
Result<Descriptor> open_socket(const DnsServer& server, int kind, std::string_view protocol) {
    const std::optional<Address> address = address_of(server);
    if (!address) return fail(Code::DnsUnreachable, server.address + " is no IP address");
    if (!outward("ask", server.address)) return out_of_reach(server, protocol, ENETUNREACH);
    Descriptor socket(::socket(address->storage.ss_family, kind | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket.is_open()) return out_of_reach(server, protocol, errno);
    if (::connect(socket.number(), address->plain(), address->length) != 0 && errno != EINPROGRESS) {
        return out_of_reach(server, protocol, errno);
    }
    return socket;
}

/// False when `until` has come.
bool wait_for(const Descriptor& socket, short events, Steady until) {
    const SystemClock clock;
    for (;;) {
        const auto left = std::chrono::ceil<Milliseconds>(until - clock.steady()).count();
        if (left <= 0) return false;
        pollfd poll{.fd = socket.number(), .events = events, .revents = 0};
        const int ready = ::poll(&poll, 1, static_cast<int>(std::min<long long>(left, 3'600'000)));
        if (ready > 0) return true;
        if (ready < 0 && errno != EINTR) return false;
    }
}

bool is_to_be_repeated(int error) {
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

/// One TCP conversation: its socket, whom it is with, and how long it may take.
class TcpConversation {
  public:
    TcpConversation(const DnsServer& server, Descriptor socket, Steady until)
        : server_(server), socket_(std::move(socket)), until_(until) {}

    Result<void> connected() {
        if (!wait_for(socket_, POLLOUT, until_)) return silent(server_, "TCP");
        int error = 0;
        socklen_t size = sizeof(error);
        if (::getsockopt(socket_.number(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
        if (error != 0) return out_of_reach(server_, "TCP", error);
        return {};
    }

    Result<void> send(std::string_view bytes) {
        while (!bytes.empty()) {
            const ssize_t sent = ::send(socket_.number(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent > 0) {
                bytes.remove_prefix(static_cast<std::size_t>(sent));
            } else if (!is_to_be_repeated(errno)) {
                return out_of_reach(server_, "TCP", errno);
            } else if (!wait_for(socket_, POLLOUT, until_)) {
                return silent(server_, "TCP");
            }
        }
        return {};
    }

    Result<std::string> receive(std::size_t size) {
        std::string bytes(size, '\0');
        for (std::size_t have = 0; have < size;) {
            if (!wait_for(socket_, POLLIN, until_)) return silent(server_, "TCP");
            const ssize_t got = ::recv(socket_.number(), bytes.data() + have, size - have, 0);
            if (got > 0) {
                have += static_cast<std::size_t>(got);
            } else if (got == 0) {
                return fail(Code::DnsFailed,
                            to_string(server_) + " closes the TCP connection before its answer is complete");
            } else if (!is_to_be_repeated(errno)) {
                return out_of_reach(server_, "TCP", errno);
            }
        }
        return bytes;
    }

  private:
    const DnsServer& server_;
    Descriptor socket_;
    Steady until_;
};

/// Local addresses that the world has no way back to.
bool is_confined(const in6_addr& address) {
    return IN6_IS_ADDR_LINKLOCAL(&address) || (address.s6_addr[0] & 0xFEU) == 0xFCU;  // RFC 4193 §3.1
}

}  // namespace

std::uint16_t random_dns_id() {
    std::array<unsigned char, 2> bytes{};
    // Without randomness this process has no TLS either; the source port is left to tell answers apart.
    if (RAND_bytes(bytes.data(), bytes.size()) != 1) return 0;
    return static_cast<std::uint16_t>((bytes[0] << 8U) | bytes[1]);
}

Result<std::string> exchange_over_udp(const DnsServer& server, std::string_view message, Steady until,
                                      const std::function<bool(std::string_view)>& is_answer) {
    const Descriptor socket = TRY(open_socket(server, SOCK_DGRAM, "UDP"));
    if (::send(socket.number(), message.data(), message.size(), MSG_NOSIGNAL) < 0) {
        return out_of_reach(server, "UDP", errno);
    }
    std::array<char, kDatagramMax> buffer{};
    int foreign = 0;
    while (foreign < kForeignMax && wait_for(socket, POLLIN, until)) {
        const ssize_t size = ::recv(socket.number(), buffer.data(), buffer.size(), 0);
        if (size < 0 && is_to_be_repeated(errno)) continue;
        if (size < 0) return out_of_reach(server, "UDP", errno);
        const std::string_view datagram(buffer.data(), static_cast<std::size_t>(size));
        if (is_answer(datagram)) return std::string(datagram);
        ++foreign;
    }
    if (foreign == 0) return silent(server, "UDP");
    return fail(Code::DnsFailed, to_string(server) + " sends what is no answer to the question");
}

Result<std::string> exchange_over_tcp(const DnsServer& server, std::string_view message, Steady until) {
    TcpConversation conversation(server, TRY(open_socket(server, SOCK_STREAM, "TCP")), until);
    TRY(conversation.connected());
    std::string framed;  // RFC 1035 §4.2.2: two bytes of length in front
    framed += static_cast<char>(message.size() >> 8U);
    framed += static_cast<char>(message.size() & 0xFFU);
    framed += message;
    TRY(conversation.send(framed));
    const std::string length = TRY(conversation.receive(2));
    const std::size_t size = (static_cast<std::size_t>(static_cast<unsigned char>(length[0])) << 8U) |
                             static_cast<unsigned char>(length[1]);
    return conversation.receive(size);
}

bool has_route(const DnsServer& server) {
    const Result<Descriptor> socket = open_socket(server, SOCK_DGRAM, "UDP");
    if (!socket) return false;
    const std::optional<Address> there = address_of(server);
    if (!there || there->storage.ss_family != AF_INET6) return true;
    sockaddr_in6 here{};
    socklen_t size = sizeof(here);
    if (::getsockname(socket->number(), reinterpret_cast<sockaddr*>(&here), &size) != 0) return true;
    sockaddr_in6 peer{};
    std::memcpy(&peer, &there->storage, sizeof(peer));
    const bool is_global = (peer.sin6_addr.s6_addr[0] & 0xE0U) == 0x20U;  // 2000::/3
    return !(is_global && is_confined(here.sin6_addr));
}

}  // namespace base
