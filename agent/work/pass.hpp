// SPDX-License-Identifier: Apache-2.0
// One pass over certificates: asks the planner what is due, does it, and asks again, until nothing is due
// that has not been tried.
#pragma once

#include <exception>
#include <optional>
#include <string>
#include <vector>

#include "agent/plan/gate.hpp"
#include "agent/plan/ledger.hpp"
#include "agent/plan/plan.hpp"
#include "agent/work/revoke.hpp"
#include "agent/work/surroundings.hpp"

namespace agent {

struct PassOptions {
    Wishes wishes{};
    std::vector<std::string> only_targets{};  // of deploy and verify; empty: all
    std::string order_at{};                   // the CA to order at, this once; empty: as the list says
    bool may_renew = true;                    // `deploy` and `verify` never order
    bool may_deploy = true;                   // `verify` never writes
    base::Seconds limit_patience{0};  // in all, for limits of the CA; more is told instead of waited for
    base::Seconds wait{60};           // for another renewd that is at work on a certificate
    base::Seconds sleeps_for{0};      // after this, until the next; 0: somebody is there at any instant
    std::optional<RevocationWish> revocation{};  // of every generation that is held now
};

struct CertificateOutcome {
    std::string name{};
    std::optional<OrderHold> held{};      // a renewal that was asked for, by a limit of the CA
    std::optional<base::Instant> next{};  // when something is due again; absent where that is not known
    std::optional<base::Instant> pressing_at{};  // as the function; absent: nobody could look
    /// Of what is due besides and was not done: the places that had no turn left, per step.
    std::vector<Places> waits_for{};
    std::optional<Gate> gate{};  // that the order stands at, which is due and not in `next`
    /// Something that is wanted beyond what is due has not been tried: it is held, or there was no turn.
    bool is_wish_left = false;
    std::vector<std::string> remarks{};  // for people
    std::optional<Hold> hold{};  // what holds back the deployment to `held_target`, one of those asked for
    std::string held_target{};
    bool has_worked = false;  // something was issued or deployed, or was tried
    /// Of the store, state/locked, or internal/unexpected; everything else is in the record.
    std::optional<base::Error> error{};
};

/// The state could not be read or written; that another renewd is at work on it is no such thing.
[[nodiscard]] bool is_let_down_by_the_state(const CertificateOutcome& outcome);
/// What no code of ours expects (internal/unexpected): the trouble of the one certificate that was being
/// worked on.
[[nodiscard]] base::Error error_of_bug(const std::exception& bug);

/// Works on these certificates, at most agent.jobs at once, those whose time is shortest first: where a limit
/// of the CA leaves room for few, it is theirs. Blocks until all are done; outcomes in the order
/// asked for.
[[nodiscard]] std::vector<CertificateOutcome> run_pass(Surroundings& surroundings,
                                                       const std::vector<std::string>& certificates,
                                                       const PassOptions& options);

/// What run_pass() begins with: what is due, and how pressing it is. Nothing is done; where there is
/// something to do, it is due at once.
[[nodiscard]] CertificateOutcome judge_only(Surroundings& surroundings, const CertificateConfig& certificate,
                                            const PassOptions& options);

/// The same as run_pass() for one, on the calling thread, with the turn it was called up with. It waits for
/// no other: what it gets no turn for is left to a later call.
[[nodiscard]] CertificateOutcome run_pass_on(Surroundings& surroundings, const CertificateConfig& certificate,
                                             const PassOptions& options, Turns::Turn turn = nullptr);

}  // namespace agent
