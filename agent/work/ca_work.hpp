// SPDX-License-Identifier: Apache-2.0
// What one certificate has to do with its CAs in one pass: what is to be revoked, the renewal window, the
// order, the records it relies on, and what challenges have left behind.
#pragma once

#include <set>

#include "agent/plan/plan.hpp"
#include "agent/work/keeper.hpp"
#include "agent/work/outlook.hpp"
#include "agent/work/pass.hpp"
#include "agent/work/surroundings.hpp"
#include "agent/work/turns.hpp"

namespace agent {

/// Each kind of work is done at most once, in however many runs. Everything it is made with is borrowed; the
/// outcome is written to. Errors are those of the store alone: what a CA refuses is in the record.
class CaWork {
  public:
    CaWork(Surroundings& surroundings, const CertificateConfig& certificate, const PassOptions& options,
           Outlook& outlook, CertificateOutcome& outcome);

    /// Is there anything to do? Notes what holds the order that is due: what a person who asks for a renewal
    /// is told, and until when a loop need not come back for it.
    [[nodiscard]] bool judge(const Plan& plan);

    /// One run. Both are borrowed until the next.
    void begin(Keeper& keeper, Errand& errand);
    /// What is due before an order, revocations first.
    [[nodiscard]] base::Result<void> revoke_and_ask();
    /// True: there is a new generation. At most one, but for what a limit held that was soon over.
    [[nodiscard]] base::Result<bool> order();
    /// What may be revoked only since the successor was seen everywhere.
    [[nodiscard]] base::Result<void> revoke_replaced();
    [[nodiscard]] base::Result<void> clean_up();

    /// An order was sent, or failed before it could be: no limit held it.
    [[nodiscard]] bool has_tried_to_order() const { return has_tried_to_order_; }

    /// The plan without what waits for a turn, or stands at outcome.gate.
    void drop_what_waits(Plan& plan, const Record& record) const;

  private:
    [[nodiscard]] base::Result<Plan> plan_again();
    void note_hold(const Plan& plan);
    [[nodiscard]] bool may_wait_until(base::Instant until) const;
    [[nodiscard]] bool waits() const;
    [[nodiscard]] bool is_to_revoke_or_ask(const Plan& plan) const;
    [[nodiscard]] bool is_to_order(const Plan& plan) const;
    [[nodiscard]] Places places_to_order() const;
    [[nodiscard]] Turns::Turn take(const Places& places);
    [[nodiscard]] base::Result<void> revoke();
    [[nodiscard]] base::Result<bool> renew_if_due();
    [[nodiscard]] base::Result<bool> renew_once();
    void wait_for_limit(const OrderHold& hold);
    [[nodiscard]] base::Result<void> look_at_records();

    Surroundings& s_;
    const CertificateConfig& certificate_;
    const PassOptions& options_;
    Outlook& outlook_;
    CertificateOutcome& outcome_;
    Keeper* keeper_ = nullptr;
    Errand* errand_ = nullptr;
    bool is_turned_away_ = false;  // in this run
    bool has_asked_ = false;       // and revoked, before the order
    bool has_ordered_ = false;
    bool has_tried_to_order_ = false;
    base::Seconds waited_{0};  // for limits
    std::set<int> tried_;      // to be revoked
};

}  // namespace agent
