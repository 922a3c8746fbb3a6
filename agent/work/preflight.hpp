// SPDX-License-Identifier: Apache-2.0
// Would a CA issue this certificate now? Tried before anybody is asked for it: a refusal counts against the
// account, and one that comes with a renewal in sixty days comes at night.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/work/keeper.hpp"
#include "agent/work/surroundings.hpp"

namespace agent {

/// One thing that was tried.
struct Trial {
    std::string what{};                  // "www.example.com, http-01"
    std::string text{};                  // how it went, for people
    bool is_note = false;                // worth knowing, and no obstacle
    std::optional<base::Error> error{};  // what would stop an issuance
};

/// The challenges of ours that are up now, for whoever ends the process meanwhile. Thread safe.
class UpNow {
  public:
    /// It counts as up from before it is.
    [[nodiscard]] base::Result<void> present(acme::Solver& solver, const acme::ChallengeTask& task);
    [[nodiscard]] base::Result<void> clean_up(acme::Solver& solver, const acme::ChallengeTask& task);

    [[nodiscard]] bool is_empty() const { return count_ == 0; }

    /// Takes all of them away, as soon as the one that is just being put up is; `tell` is told of each that
    /// cannot be. As long as what it returns is held, nothing is put up.
    [[nodiscard]] std::unique_lock<std::mutex> clear(const std::function<void(const base::Error&)>& tell);

  private:
    std::mutex mutex_;
    std::vector<std::pair<acme::Solver*, acme::ChallengeTask>> tasks_;
    std::atomic<std::size_t> count_{0};  // of them
};

/// CAA for every CA of the list, then every challenge as it would be answered: a token of our own is
/// presented, seen from here the way a CA sees it (http-01, tls-alpn-01: at every address of the name; DNS:
/// as `propagation` says), and taken away again. What depends on the account is tried for every CA of the
/// list. Of names that are not public only CAA is left out. Orders nothing. Blocks for as long as a challenge
/// takes. What is put up is in `keeper` before it is, as that of an order; where there is none (nullptr), it
/// is in `up` alone.
[[nodiscard]] std::vector<Trial> preflight(Surroundings& surroundings, const CertificateConfig& certificate,
                                           Keeper* keeper, UpNow& up);

/// Does the resolver check DNSSEC, so that a broken zone would be noticed? Seen by an answer about one of
/// these names, or about the root, that says so, or that is withheld. Absent: nobody answers.
[[nodiscard]] std::optional<bool> checks_signatures(const base::Dns& dns,
                                                    const std::vector<base::Identifier>& names);

}  // namespace agent
