// SPDX-License-Identifier: Apache-2.0
// Authorizations (RFC 8555 §7.5): every challenge is presented, then every one is answered, at once; what was
// presented is remembered, so that it goes away however the flow ends.
#pragma once

#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "acme/order.hpp"
#include "acme/solvers/solver.hpp"
#include "acme/types.hpp"

namespace acme {

/// What solvers hold for this flow. Not cleaned up by a destructor: a test that "kills" renewd throws through
/// the flow, and a dead process cleans nothing up.
class Presented {
  public:
    explicit Presented(const Flow& flow) : flow_(flow) {}

    /// To be called before present(): a half presented challenge is cleaned up, too. Thread safe.
    void add(Solver& solver, const ChallengeTask& task);
    /// A solver that cannot clean up is told about (progress) and changes nothing else.
    void clean_up();

  private:
    const Flow& flow_;
    std::mutex mutex_;
    std::vector<std::pair<Solver*, ChallengeTask>> tasks_;
};

/// Fetches the authorizations of a pending order, presents all challenges that are open, and answers them.
/// Afterwards it is the CA's turn; says how long the CA took to take the answers. ca/order-gone where one of
/// them can not become valid any more; solver/none, solver/present….
[[nodiscard]] base::Result<base::Milliseconds> answer_challenges(const Flow& flow, const Order& order,
                                                                 Presented& presented);

/// Which names failed, and why, by the authorizations; nothing if none did.
[[nodiscard]] std::optional<base::Error> find_failures(const Flow& flow, const Order& order);

}  // namespace acme
