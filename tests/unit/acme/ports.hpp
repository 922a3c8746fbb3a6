// SPDX-License-Identifier: Apache-2.0
// Ports of loopback for tests that listen.
#pragma once

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/file.hpp"

namespace tests {

/// A socket on a port of the kernel's choice; the port is taken as long as it lives.
struct TakenPort {
    base::Descriptor socket{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    int port = 0;

    TakenPort() {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t length = sizeof address;
        REQUIRE(::bind(socket.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
        REQUIRE(::listen(socket.number(), 1) == 0);
        REQUIRE(::getsockname(socket.number(), reinterpret_cast<sockaddr*>(&address), &length) == 0);
        port = ntohs(address.sin_port);
    }
};

inline int free_port() {
    return TakenPort().port;
}

}  // namespace tests
