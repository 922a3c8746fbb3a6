// SPDX-License-Identifier: Apache-2.0
#include "deployers/probe/no_connection.hpp"

#include <cerrno>
#include <ostream>
#include <string_view>

#include <doctest/doctest.h>

using Kind = deployers::Observation::Kind;

TEST_CASE(
    "no connection: no route is what this machine says at once; from outside it is an answer like others") {
    struct Case {
        std::string_view name;
        int error;
        bool is_v6, at_once;
        Kind want;
        std::string_view says;
    };

    constexpr std::string_view kNoIpv4 = "no route from here to IPv4 addresses like this one";
    constexpr std::string_view kNoIpv6 = "no route from here to IPv6 addresses like this one";
    constexpr std::string_view kShort = "this machine could not look: ";
    for (const Case& c : {
             Case{"no route in the table", ENETUNREACH, false, true, Kind::NoRoute, kNoIpv4},
             Case{"a router's net-unreachable", ENETUNREACH, false, false, Kind::Refused,
                  "a router or firewall on the way says that its network cannot be reached"},
             Case{"the same for IPv6", ENETUNREACH, true, false, Kind::Refused, "a router or firewall"},
             Case{"an unreachable route", EHOSTUNREACH, false, true, Kind::NoRoute, kNoIpv4},
             Case{"a router's host-unreachable", EHOSTUNREACH, false, false, Kind::Refused,
                  "the host does not answer (no route to host)"},
             Case{"no IPv6 in the kernel", EAFNOSUPPORT, true, true, Kind::NoRoute, kNoIpv6},
             Case{"no IPv6 address of our own", EADDRNOTAVAIL, true, true, Kind::NoRoute, kNoIpv6},
             Case{"every port taken", EADDRNOTAVAIL, false, true, Kind::NotLooked, kShort},
             Case{"the same, said otherwise", EAGAIN, false, true, Kind::NotLooked, kShort},
             Case{"no descriptor", EMFILE, false, true, Kind::NotLooked, kShort},
             Case{"none in the whole system", ENFILE, true, true, Kind::NotLooked, kShort},
             Case{"no buffers", ENOBUFS, false, true, Kind::NotLooked, kShort},
             Case{"no memory", ENOMEM, false, false, Kind::NotLooked, kShort},
             Case{"refused", ECONNREFUSED, false, false, Kind::Refused, "connection refused"},
             Case{"gave up", ETIMEDOUT, false, false, Kind::TimedOut, "cannot connect: "},
             Case{"forbidden by a firewall here", EPERM, false, true, Kind::Refused, "cannot connect: "},
         }) {
        CAPTURE(c.name);
        const deployers::NoConnection seen = deployers::no_connection(c.error, c.is_v6, c.at_once);
        CAPTURE(seen.detail);
        CHECK(seen.kind == c.want);
        CHECK(seen.detail.starts_with(c.says));
    }
}
