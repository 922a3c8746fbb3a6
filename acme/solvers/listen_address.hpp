// SPDX-License-Identifier: Apache-2.0
// Where a solver that answers by itself listens.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace acme {

/// An empty address is every address of both families.
struct ListenAddress {
    std::string address{};
    std::uint16_t port = 0;
    friend bool operator==(const ListenAddress&, const ListenAddress&) = default;
};

/// "*:80", "192.0.2.1:443" or "[2001:db8::1]:80"; config/wrong-value otherwise. Pure.
[[nodiscard]] base::Result<ListenAddress> parse_listen(std::string_view text);

}  // namespace acme
