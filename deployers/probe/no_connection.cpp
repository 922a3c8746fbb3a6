// SPDX-License-Identifier: Apache-2.0
#include "deployers/probe/no_connection.hpp"

#include <cerrno>

#include "base/error.hpp"

namespace deployers {
namespace {

using Kind = Observation::Kind;

/// This machine lacks what a connection takes, and knows nothing of the service.
bool is_shortage(int error, bool is_v6) {
    switch (error) {
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM:
        case EAGAIN:
            return true;
        case EADDRNOTAVAIL:
            return !is_v6;  // every port is taken
        default:
            return false;
    }
}

/// Of EADDRNOTAVAIL: no address of this machine's own goes with an IPv6 address of the internet.
bool is_no_route(int error, bool is_v6) {
    return error == ENETUNREACH || error == EHOSTUNREACH || error == EAFNOSUPPORT ||
           (error == EADDRNOTAVAIL && is_v6);
}

std::string reason(int error) {
    switch (error) {
        case ECONNREFUSED:
            return "connection refused";
        case EHOSTUNREACH:
            return "the host does not answer (no route to host)";
        case ENETUNREACH:
            return "a router or firewall on the way says that its network cannot be reached";
        default:
            return "cannot connect: " + base::errno_text(error);
    }
}

}  // namespace

NoConnection no_connection(int error, bool is_v6, bool at_once) {
    if (is_shortage(error, is_v6))
        return {.kind = Kind::NotLooked, .detail = "this machine could not look: " + base::errno_text(error)};
    if (at_once && is_no_route(error, is_v6))
        return {.kind = Kind::NoRoute,
                .detail = std::string("no route from here to ") + (is_v6 ? "IPv6" : "IPv4") +
                          " addresses like this one"};
    return {.kind = error == ETIMEDOUT ? Kind::TimedOut : Kind::Refused, .detail = reason(error)};
}

}  // namespace deployers
