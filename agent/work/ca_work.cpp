// SPDX-License-Identifier: Apache-2.0
#include "agent/work/ca_work.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>

#include "agent/plan/standing.hpp"
#include "agent/work/renew.hpp"
#include "agent/work/renewal_window.hpp"
#include "agent/work/residue.hpp"
#include "agent/work/run_hooks.hpp"
#include "agent/work/standing.hpp"
#include "base/patience.hpp"

namespace agent {

using base::Result;

CaWork::CaWork(Surroundings& surroundings, const CertificateConfig& certificate, const PassOptions& options,
               Outlook& outlook, CertificateOutcome& outcome)
    : s_(surroundings), certificate_(certificate), options_(options), outlook_(outlook), outcome_(outcome) {}

bool CaWork::judge(const Plan& plan) {
    note_hold(plan);
    const bool cleans_up = plan.clean_up_at && *plan.clean_up_at <= s_.clock.now();
    return waits() || (options_.may_renew && (is_to_revoke_or_ask(plan) || is_to_order(plan) || cleans_up));
}

void CaWork::begin(Keeper& keeper, Errand& errand) {
    keeper_ = &keeper;
    errand_ = &errand;
    is_turned_away_ = false;
}

Result<void> CaWork::revoke_and_ask() {
    const Plan plan = TRY(plan_again());
    if (!options_.may_renew || has_asked_ || !is_to_revoke_or_ask(plan)) return {};
    const Turns::Turn turn = take(places_at_ca(s_.config.agent, outlook_.first_ca()));
    if (!turn) return {};
    has_asked_ = true;
    TRY(revoke());
    const bool asks = plan.ask_ca_at && *plan.ask_ca_at <= s_.clock.now();
    return asks ? ask_for_renewal_window(s_, *keeper_) : Result<void>{};
}

/// Maybe it is due by what the CA has just said.
Result<bool> CaWork::order() {
    if (!options_.may_renew || has_ordered_ || is_turned_away_) return false;
    const Plan plan = TRY(plan_again());
    note_hold(plan);
    if (!waits() && !is_to_order(plan)) return false;
    const Turns::Turn turn = take(places_to_order());
    if (!turn) return false;
    has_asked_ = has_ordered_ = true;
    const bool has_renewed = TRY(renew_if_due());
    TRY(look_at_records());
    return has_renewed;
}

Result<void> CaWork::revoke_replaced() {
    const Plan plan = TRY(plan_again());
    if (!options_.may_renew || !plan.revoke_at || *plan.revoke_at > s_.clock.now()) return {};
    const Turns::Turn turn = take(places_at_ca(s_.config.agent, outlook_.first_ca()));
    return turn ? revoke() : Result<void>{};
}

Result<void> CaWork::clean_up() {
    const Plan plan = TRY(plan_again());
    if (!options_.may_renew || !plan.clean_up_at || *plan.clean_up_at > s_.clock.now()) return {};
    return clean_up_residue(s_, certificate_, *keeper_, options_.wishes.is_eager());
}

void CaWork::drop_what_waits(Plan& plan, const Record& record) const {
    const base::Instant now = s_.clock.now();
    const base::Instant at_gate = now + kLongestAtGate;
    if (is_turned_away_) {
        plan.renewal = {.at = now + std::chrono::days(1)};
        plan.ask_ca_at.reset();
        plan.revoke_at.reset();
        plan.records_at.reset();
    }
    if (outcome_.gate)
        plan.renewal = {.at = std::min(at_gate, presses_more_at(record, now).value_or(at_gate))};
}

Result<Plan> CaWork::plan_again() {
    return outlook_.plan_for(keeper_->record());
}

void CaWork::note_hold(const Plan& plan) {
    outcome_.held.reset();
    if (options_.may_renew && plan.renewal.held_until) outcome_.held = outlook_.hold();
}

bool CaWork::may_wait_until(base::Instant until) const {
    return until - s_.clock.now() <= options_.limit_patience - waited_;
}

/// For a limit that is soon over.
bool CaWork::waits() const {
    return outcome_.held && may_wait_until(outcome_.held->until);
}

bool CaWork::is_to_revoke_or_ask(const Plan& plan) const {
    const base::Instant now = s_.clock.now();
    return (plan.ask_ca_at && *plan.ask_ca_at <= now) || (plan.revoke_at && *plan.revoke_at <= now);
}

bool CaWork::is_to_order(const Plan& plan) const {
    const base::Instant now = s_.clock.now();
    return plan.renewal_due(now) || (plan.records_at && *plan.records_at <= now);
}

/// On its way an order has to do with DNS providers and somebody's programs, while the CA waits.
Places CaWork::places_to_order() const {
    Places places = places_at_ca(s_.config.agent, outlook_.first_ca());
    std::ranges::move(places_to_prove(s_.config, certificate_), std::back_inserter(places));
    std::ranges::move(places_for_hooks(s_, certificate_, "before_renew"), std::back_inserter(places));
    return places;
}

Turns::Turn CaWork::take(const Places& places) {
    Turns::Turn turn = errand_->take(places);
    is_turned_away_ = is_turned_away_ || turn == nullptr;
    return turn;
}

Result<void> CaWork::revoke() {
    return revoke_due(s_, certificate_, *keeper_, options_.wishes.is_eager(), tried_, outcome_.remarks);
}

Result<bool> CaWork::renew_if_due() {
    bool has_renewed = false;
    while (!s_.stopping) {
        const Plan plan = TRY(plan_again());
        note_hold(plan);
        if (plan.renewal_due(s_.clock.now())) has_renewed = TRY(renew_once()) || has_renewed;
        if (!waits()) break;
        wait_for_limit(*outcome_.held);
    }
    return has_renewed;
}

Result<bool> CaWork::renew_once() {
    outcome_.has_worked = true;
    auto renewed = renew(s_, certificate_, *keeper_, outlook_.wish());
    has_tried_to_order_ = !renewed || !renewed->has_value();
    if (renewed) {
        outlook_.was_held_off(*renewed);
        outcome_.held = *renewed;
        return !renewed->has_value();
    }
    const base::Error& error = renewed.error();
    const bool is_limit =
        error.code == base::Code::CaRateLimited && error.retry_at && *error.retry_at > s_.clock.now();
    if (is_limit) outcome_.held = OrderHold{.until = *error.retry_at, .reason = error.message};
    // What stands in the way of an order is in the record; targets go on with what there is. That an order
    // cannot be read is such a thing, too; without the store nothing may have an effect.
    const bool is_of_the_store = base::to_string(error.code).starts_with("state/");
    if (is_of_the_store && error.code != base::Code::StateCorrupt) return tl::make_unexpected(error);
    return false;
}

void CaWork::wait_for_limit(const OrderHold& hold) {
    waited_ += std::max(base::Seconds(0), hold.until - s_.clock.now());
    base::wait_told(s_.clock, hold.until, [this](base::Seconds left) {
        s_.progress.step(certificate_.name, "waits for a limit of the CA,",
                         std::to_string(left.count()) + " s more");
    });
    s_.progress.step(certificate_.name, "waits for a limit of the CA,", "over");
}

/// After a renewal, whether it is due or not, so that whoever asked for it is told what will stop the next.
Result<void> CaWork::look_at_records() {
    const Plan plan = TRY(plan_again());
    if (!plan.records_at) return {};
    if (*plan.records_at > s_.clock.now() && !outcome_.has_worked) return {};
    TRY(watch_standing_records(s_, certificate_, *keeper_));
    if (!outcome_.has_worked) return {};
    const Record record = keeper_->record();
    if (const auto ending = ending_record(certificate_, record, s_.clock.now()))
        outcome_.remarks.push_back(ending->error.message + "; " + ending->error.hint);
    return {};
}

}  // namespace agent
