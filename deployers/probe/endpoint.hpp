// SPDX-License-Identifier: Apache-2.0
// An address at which a target must be seen serving:
// scheme://host[:port][?address=IP[:port]&sni=NAME&connections=N&key=rsa|ecdsa].
#pragma once

#include <string>
#include <string_view>

#include "base/error.hpp"

namespace deployers {

enum class Scheme { Https, Tls };
enum class KeyChoice { Any, Rsa, Ecdsa };

struct Endpoint {
    std::string text{};  // as configured, for people
    Scheme scheme = Scheme::Https;
    std::string host{};
    int port = 0;
    std::string address{};  // an IP: then DNS is never asked; empty: every address of the host
    int address_port = 0;   // 0: port
    std::string sni{};      // default: the host, unless that is an address
    int connections = 3;    // handshakes in a row that must agree, per address
    KeyChoice key = KeyChoice::Any;
    friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

/// config/wrong-value says what would be accepted; a STARTTLS scheme that is not built yet is
/// config/not-built.
[[nodiscard]] base::Result<Endpoint> parse_endpoint(std::string_view text);

/// The text for an endpoint made up by us ("auto").
[[nodiscard]] std::string to_string(const Endpoint& endpoint);

}  // namespace deployers
