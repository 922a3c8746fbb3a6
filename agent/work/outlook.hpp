// SPDX-License-Identifier: Apache-2.0
// What is due for one certificate, as its pass sees it: the planner's word, and what holds an order that the
// planner knows nothing of: the clock, and the ledger of the CA.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/plan/plan.hpp"
#include "agent/work/pass.hpp"
#include "agent/work/renew.hpp"
#include "agent/work/surroundings.hpp"

namespace agent {

/// Of one pass. `certificate` and `options` are borrowed.
class Outlook {
  public:
    Outlook(Surroundings& surroundings, const CertificateConfig& certificate, const PassOptions& options);

    /// Where our clock is doubtful, of the CA that what is held came from, and of the one that would be asked
    /// for more. Blocks for an exchange with each.
    void ask_for_time(const Record& record);

    /// What is asked for without being due must leave the last of a limit alone. To be called once, first.
    [[nodiscard]] base::Result<void> judge_force(const Record& record);

    /// Reads the open orders. hold() and gate() belong to what it gave last.
    [[nodiscard]] base::Result<Plan> plan_for(const Record& record);

    /// The same, as if nobody wanted anything beyond what is due: when it is time again, once all that was
    /// wanted has been tried.
    [[nodiscard]] base::Result<Plan> unasked_plan_for(const Record& record);

    /// What holds the order that is due.
    [[nodiscard]] const std::optional<OrderHold>& hold() const { return hold_; }

    /// Where that one stands with others; nothing: nothing holds it, or it waits by itself.
    [[nodiscard]] const std::optional<Gate>& gate() const { return gate_; }

    /// What held an order only when it was about to be sent: the plan may have thought better of it.
    void was_held_off(std::optional<OrderHold> hold) { held_off_ = std::move(hold); }

    /// The CA that is asked for a new order before any other.
    [[nodiscard]] const std::string& first_ca() const;

    [[nodiscard]] const OrderWish& wish() const { return wish_; }

  private:
    [[nodiscard]] base::Result<Plan> plan_as_wished(const Record& record, const Wishes& wishes);
    [[nodiscard]] base::Result<std::vector<OpenOrder>> open_orders() const;
    [[nodiscard]] std::optional<OrderHold> hold_of_ledger(const Record& record,
                                                          const std::vector<OpenOrder>& orders) const;

    Surroundings& s_;
    const CertificateConfig& certificate_;
    const PassOptions& options_;
    OrderWish wish_;
    std::optional<OrderHold> hold_{};
    std::optional<Gate> gate_{};
    std::optional<OrderHold> held_off_{};
};

}  // namespace agent
