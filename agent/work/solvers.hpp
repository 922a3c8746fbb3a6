// SPDX-License-Identifier: Apache-2.0
// From what the configuration says about a solver to the solver.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "acme/solvers/dns_persist_01.hpp"
#include "acme/solvers/solver.hpp"
#include "agent/config/config.hpp"
#include "base/clock.hpp"
#include "base/dns.hpp"
#include "base/file.hpp"
#include "base/http.hpp"

namespace agent {

/// What solvers work with; all borrowed for as long as they live.
struct SolverEffects {
    base::Files& files;
    base::Transport& transport;
    const base::Dns& dns;
    base::Clock& clock;
    const Config& config;
    /// What a person should know although it is well.
    std::function<void(const std::string&)> tell{};
};

/// How the records of the user's are read: from the authoritative servers, of private names from the
/// resolver. `dns` is borrowed.
[[nodiscard]] acme::TxtReader txt_reader(const base::Dns& dns, const Config& config);

/// Touches nothing yet. An error is one of its provider's (config/…, plugin/…).
[[nodiscard]] base::Result<std::unique_ptr<acme::Solver>> make_solver(const SolverConfig& solver,
                                                                      const SolverEffects& effects);
/// The same, but never nothing: one that cannot be made says why when it is to present something.
[[nodiscard]] std::unique_ptr<acme::Solver> make_solver_or_excuse(const SolverConfig& solver,
                                                                  const SolverEffects& effects);

}  // namespace agent
