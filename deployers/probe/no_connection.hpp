// SPDX-License-Identifier: Apache-2.0
// Why there is no connection. Pure.
#pragma once

#include <string>

#include "deployers/probe/verdict.hpp"

namespace deployers {

struct NoConnection {
    Observation::Kind kind = Observation::Kind::Refused;
    std::string detail{};  // for people
};

/// What an errno of socket(2) or connect(2) means. `at_once`: it came before a packet could have gone, from
/// this machine itself; later the same errno is an answer from outside, a firewall's or a router's.
[[nodiscard]] NoConnection no_connection(int error, bool is_v6, bool at_once);

}  // namespace deployers
