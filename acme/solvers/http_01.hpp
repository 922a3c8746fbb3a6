// SPDX-License-Identifier: Apache-2.0
// http-01 (RFC 8555 §8.3): the answer is a file below a web server's root, or comes from a listener of our
// own. The latter is open only while something is presented.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "acme/solvers/solver.hpp"
#include "base/error.hpp"
#include "base/file.hpp"

namespace acme {

/// Writes `webroot`/.well-known/acme-challenge/TOKEN, readable by everybody. The webroot must exist; the two
/// directories are made where they are missing, and refused where they are symbolic links.
[[nodiscard]] std::unique_ptr<Solver> make_webroot_solver(base::Files& files, std::string webroot);

/// Where the listener listens. An empty address is every address of both families.
struct ListenAddress {
    std::string address{};
    std::uint16_t port = 0;
    friend bool operator==(const ListenAddress&, const ListenAddress&) = default;
};

/// "*:80", "192.0.2.1:80" or "[2001:db8::1]:80"; config/wrong-value otherwise. Pure.
[[nodiscard]] base::Result<ListenAddress> parse_listen(std::string_view text);

/// Answers GET and HEAD for presented tokens and 404 for all else. present() opens the port
/// (solver/port-busy, solver/present), the last clean_up() closes it. `listen` as parse_listen takes it; its
/// error comes from present().
[[nodiscard]] std::unique_ptr<Solver> make_listener_solver(const std::string& listen);

}  // namespace acme
