// SPDX-License-Identifier: Apache-2.0
#include "acme/solvers/listen_socket.hpp"

#include <cerrno>
#include <cstring>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/identifier.hpp"
#include "base/text.hpp"

namespace acme {
namespace {

using base::Code;
using base::Result;

constexpr int kBacklog = SOMAXCONN;  // whoever finds no room in it tries again a second later, if at all

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t length = 0;
    std::string text{};  // "[::]:80"
    std::string port{};
};

/// `bytes` as base::address_bytes gives them: 4 or 16.
SocketAddress socket_address(const std::string& bytes, const std::string& text, std::uint16_t port) {
    SocketAddress address{.port = std::to_string(port)};
    if (bytes.size() == 4) {
        sockaddr_in v4{};
        v4.sin_family = AF_INET;
        v4.sin_port = htons(port);
        std::memcpy(&v4.sin_addr, bytes.data(), bytes.size());
        std::memcpy(&address.storage, &v4, sizeof v4);
        address.length = sizeof v4;
        address.text = text + ":" + address.port;
    } else {
        sockaddr_in6 v6{};
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(port);
        std::memcpy(&v6.sin6_addr, bytes.data(), bytes.size());
        std::memcpy(&address.storage, &v6, sizeof v6);
        address.length = sizeof v6;
        address.text = "[" + text + "]:" + address.port;
    }
    return address;
}

/// Nothing where this machine does not have the address family.
struct Opened {
    base::Descriptor socket{};
    int error = 0;

    [[nodiscard]] bool has_no_such_family() const { return error == EAFNOSUPPORT || error == EADDRNOTAVAIL; }
};

Opened open_one(const SocketAddress& where) {
    const int family = where.storage.ss_family;
    Opened opened{.socket = base::Descriptor(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0))};
    const int number = opened.socket.number();
    const int on = 1;
    const bool listening =
        opened.socket.is_open() && ::setsockopt(number, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        (family != AF_INET6 || ::setsockopt(number, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0) &&
        ::bind(number, reinterpret_cast<const sockaddr*>(&where.storage), where.length) == 0 &&
        ::listen(number, kBacklog) == 0;
    if (!listening) opened.error = errno;
    return opened;
}

base::Failure not_opened(const SocketAddress& where, int error, const ListenAdvice& advice) {
    switch (error) {
        case EADDRINUSE:
            return base::fail(Code::SolverPortBusy,
                              where.text + " is in use by another program, so the CA would ask that one",
                              std::string(advice.busy) + "; `ss -ltnp` shows who has it");
        case EACCES:
            return base::fail(
                Code::SolverPresent, "this user may not listen on " + where.text,
                "ports below 1024 need CAP_NET_BIND_SERVICE (systemd: AmbientCapabilities=); or " +
                    std::string(advice.denied));
        case EADDRNOTAVAIL:
            return base::fail(Code::SolverPresent, where.text + " is no address of this machine",
                              "listen = \"*:" + where.port + "\" takes all that it has");
        default:
            return base::fail(Code::SolverPresent,
                              "cannot listen on " + where.text + ": " + base::errno_text(error));
    }
}

}  // namespace

Result<ListenAddress> parse_listen(std::string_view text) {
    const auto wrong = [text](const char* why) {
        return base::fail(Code::ConfigWrongValue, "listen = \"" + std::string(text) + "\": " + why,
                          R"(write "*:80" for every address, "192.0.2.1:80" or "[2001:db8::1]:80" for one)");
    };
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return wrong("the port is missing");
    std::string_view address = text.substr(0, colon);
    const std::string_view port = text.substr(colon + 1);
    ListenAddress listen;
    listen.port = base::parse_number<std::uint16_t>(port).value_or(0);
    if (listen.port == 0) return wrong("the port is a number from 1 to 65535");
    if (address == "*") return listen;
    const bool bracketed = address.starts_with('[') && address.ends_with(']');
    if (bracketed) address = address.substr(1, address.size() - 2);
    const std::string bytes = base::address_bytes(address);
    if (bytes.empty()) return wrong("an IP address is wanted before the port, or *");
    if ((bytes.size() == 16) != bracketed)
        return wrong("an IPv6 address is written in brackets, an IPv4 address without");
    listen.address = address;
    return listen;
}

Result<std::vector<base::Descriptor>> open_listen_sockets(const ListenAddress& where,
                                                          const ListenAdvice& advice) {
    std::vector<base::Descriptor> sockets;
    if (!where.address.empty()) {
        const SocketAddress one =
            socket_address(base::address_bytes(where.address), where.address, where.port);
        Opened opened = open_one(one);
        if (opened.error != 0) return not_opened(one, opened.error, advice);
        sockets.push_back(std::move(opened.socket));
        return sockets;
    }
    int missing = 0;
    for (const char* any : {"::", "0.0.0.0"}) {
        const SocketAddress one = socket_address(base::address_bytes(any), any, where.port);
        Opened opened = open_one(one);
        if (opened.error == 0) {
            sockets.push_back(std::move(opened.socket));
        } else if (opened.has_no_such_family()) {
            missing = opened.error;
        } else {
            return not_opened(one, opened.error, advice);
        }
    }
    if (sockets.empty()) {
        return base::fail(Code::SolverPresent, "cannot listen on *:" + std::to_string(where.port) + ": " +
                                                   base::errno_text(missing));
    }
    return sockets;
}

}  // namespace acme
