// SPDX-License-Identifier: Apache-2.0
// http-01 (RFC 8555 §8.3): the answer is a file below a web server's root, or comes from a listener of our
// own. The latter is open only while something is presented.
#pragma once

#include <memory>
#include <string>

#include "acme/solvers/listen_address.hpp"
#include "acme/solvers/solver.hpp"
#include "base/file.hpp"

namespace acme {

/// Writes `webroot`/.well-known/acme-challenge/TOKEN, readable by everybody. The webroot must exist; the two
/// directories are made where they are missing, and refused where they are symbolic links.
[[nodiscard]] std::unique_ptr<Solver> make_webroot_solver(base::Files& files, std::string webroot);

/// Answers GET and HEAD for presented tokens and 404 for all else. present() opens the port
/// (solver/port-busy, solver/present), the last clean_up() closes it. `listen` as parse_listen takes it; its
/// error comes from present().
[[nodiscard]] std::unique_ptr<Solver> make_listener_solver(const std::string& listen);

}  // namespace acme
