// SPDX-License-Identifier: Apache-2.0
#include "agent/work/outlook.hpp"

#include <set>

namespace agent {

using base::Result;

Outlook::Outlook(Surroundings& surroundings, const CertificateConfig& certificate, const PassOptions& options)
    : s_(surroundings),
      certificate_(certificate),
      options_(options),
      wish_{.by_hand = options.wishes.by_hand,
            .over_limit = options.wishes.over_limit,
            .ca = options.order_at} {}

void Outlook::ask_for_time(const Record& record) {
    std::set<std::string> cas{first_ca()};
    if (record.wanted() != nullptr) cas.insert(record.wanted()->ordered_for.ca);
    for (const std::string& name : cas) {
        const auto ca = s_.config.cas.find(name);
        if (ca != s_.config.cas.end()) s_.ask_for_time(ca->second);
    }
}

Result<void> Outlook::judge_force(const Record& record) {
    const bool may_be_forced =
        options_.wishes.renew_now && record.wanted() != nullptr && TRY(open_orders()).empty();
    const base::Instant now = s_.clock.now();
    wish_.is_forced = may_be_forced &&
                      plan(certificate_, record, {.now = now, .wishes = {.by_hand = true}}).renewal.at > now;
    return {};
}

Result<Plan> Outlook::plan_for(const Record& record) {
    return plan_as_wished(record, options_.wishes);
}

Result<Plan> Outlook::unasked_plan_for(const Record& record) {
    return plan_as_wished(record, {});
}

Result<Plan> Outlook::plan_as_wished(const Record& record, const Wishes& wishes) {
    const std::vector<OpenOrder> orders = TRY(open_orders());
    Plan made = plan(certificate_, record,
                     {.now = s_.clock.now(),
                      .verify_every = s_.config.agent.verify_every,
                      .has_open_order = !orders.empty(),
                      .sleeps_for = options_.sleeps_for,
                      .wishes = wishes,
                      .plan_by = s_.right_time(record)});
    hold_.reset();
    gate_.reset();
    if (made.renewal.held_until) {
        hold_ = OrderHold{.until = *made.renewal.held_until, .reason = record.issuance->error.message};
    } else if (options_.may_renew && made.renewal_due(s_.clock.now())) {
        hold_ = hold_of_clock(s_.clock_watch().judge(record, first_ca()), record, s_.clock.now());
        if (!hold_) {
            hold_ = hold_of_ledger(record, orders);
            if (hold_ && !hold_->gate.empty())
                gate_ = Gate{.name = hold_->gate,
                             .opens_at = hold_->until,
                             .behind = places_at_ca(s_.config.agent, first_ca())};
        }
        if (!hold_ && held_off_ && held_off_->until > s_.clock.now()) hold_ = held_off_;
        if (hold_) made.renewal.held_until = hold_->until;
    }
    return made;
}

const std::string& Outlook::first_ca() const {
    return wish_.ca.empty() ? certificate_.ca.front() : wish_.ca;
}

/// One that cannot be read waits as well: for a person, who is told when it is to be gone on with.
Result<std::vector<OpenOrder>> Outlook::open_orders() const {
    auto orders = s_.store.open_orders(certificate_.name);
    if (!orders && orders.error().code == base::Code::StateCorrupt) return std::vector{OpenOrder{}};
    return wanted_orders(certificate_, TRY(std::move(orders)));
}

/// An order that was placed is counted already. Where another CA may be asked it is up to renew().
std::optional<OrderHold> Outlook::hold_of_ledger(const Record& record,
                                                 const std::vector<OpenOrder>& orders) const {
    if (options_.wishes.over_limit || is_any_placed(orders)) return std::nullopt;
    const base::Instant now = s_.clock.now();
    const base::Error limit{.code = base::Code::CaRateLimited};
    const bool has_choice = wish_.ca.empty();
    if (has_choice && may_ask_another_ca(certificate_, record, limit, record.ca_failures, now))
        return std::nullopt;
    const CaConfig& ca = s_.config.cas.at(first_ca());
    return s_.ledgers().hold(ca, order_wished(certificate_, record, ca.name, wish_, now));
}

}  // namespace agent
