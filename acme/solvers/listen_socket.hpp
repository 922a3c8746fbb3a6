// SPDX-License-Identifier: Apache-2.0
// Sockets to listen on: one for each address family, the port shared with nobody, and the reason told where
// one cannot be had.
#pragma once

#include <string_view>
#include <vector>

#include "acme/solvers/listen_address.hpp"
#include "base/file.hpp"

namespace acme {

/// What to do without the port, told where it cannot be had: "webroot = "…"".
struct ListenAdvice {
    std::string_view busy{};    // somebody else has the port
    std::string_view denied{};  // this user may not have it
};

/// One listening socket for an address, or one for each address family of this machine for every address.
/// solver/port-busy names the address; solver/present where it may not, or cannot, be listened on.
[[nodiscard]] base::Result<std::vector<base::Descriptor>> open_listen_sockets(const ListenAddress& where,
                                                                              const ListenAdvice& advice);

}  // namespace acme
