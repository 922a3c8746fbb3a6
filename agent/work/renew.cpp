// SPDX-License-Identifier: Apache-2.0
#include "agent/work/renew.hpp"

#include <algorithm>
#include <utility>

#include <spdlog/spdlog.h>

#include "agent/plan/plan.hpp"
#include "agent/plan/retry.hpp"
#include "agent/work/caa_check.hpp"
#include "agent/work/run_hooks.hpp"

namespace agent {

using base::Code;
using base::Result;

namespace {

/// A CA that is asked in this run.
struct Turn {
    const CaConfig* ca = nullptr;
    bool is_placed = false;  // it has an order of ours, which may lead to a certificate yet
};

/// One CA after the other, each at most once for one call, and so for one step of the backoff: those first
/// that have an order of ours, for a new one elsewhere would be a second certificate; then the list, the next
/// one where the one before keeps failing and time is short.
class Issuances {
  public:
    Issuances(Surroundings& surroundings, const CertificateConfig& certificate, Keeper& keeper,
              const OrderWish& wish)
        : s_(surroundings),
          certificate_(certificate),
          keeper_(keeper),
          wish_(wish),
          ca_failures_(keeper.record().ca_failures) {}

    Result<void> run() {
        const auto turns = turns_in_order();
        if (!turns) return tl::make_unexpected(base::Error(turns.error()).during("order"));
        for (const Turn& turn : *turns) {
            const bool is_next = first_ && !turn.is_placed;
            if (is_next && !is_time_for_another_ca(keeper_.record(), *first_, ca_failures_, s_.clock.now()))
                break;
            if (is_next) tell_turn(*turn.ca);
            auto issued = ask(turn);
            if (issued) return issued;
            note(*turn.ca, std::move(issued).error());
        }
        return tl::make_unexpected(std::move(told_));
    }

    /// What holds the order, where nobody was asked.
    [[nodiscard]] const std::optional<OrderHold>& held() const { return held_; }

    [[nodiscard]] int ca_failures() const { return ca_failures_; }

  private:
    [[nodiscard]] Result<std::vector<Turn>> turns_in_order() const {
        const auto open = wanted_orders(certificate_, TRY(s_.store.open_orders(certificate_.name)));
        const auto turn_of = [&](const std::string& name) {
            const CaConfig& ca = s_.config.cas.at(name);
            const bool is_placed = std::ranges::any_of(
                open, [&](const OpenOrder& order) { return is_at(order, ca) && !order.url.empty(); });
            return Turn{.ca = &ca, .is_placed = is_placed};
        };
        if (!wish_.ca.empty()) return std::vector{turn_of(wish_.ca)};
        std::vector<std::string> names = certificate_.ca;
        for (const OpenOrder& order : open) {
            const std::string& name = order.ordered_for.ca;
            const bool is_listed = std::ranges::find(certificate_.ca, name) != certificate_.ca.end();
            if (!is_listed && turn_of(name).is_placed) names.push_back(name);  // named for once
        }
        std::vector<Turn> turns;
        turns.reserve(names.size());
        for (const bool is_placed : {true, false}) {
            for (const std::string& name : names) {
                const Turn turn = turn_of(name);
                if (turn.is_placed == is_placed) turns.push_back(turn);
            }
        }
        return turns;
    }

    void tell_turn(const CaConfig& ca) {
        s_.log.warn("{}: {}; now {} is asked", certificate_.name, told_.message, ca.name);
        s_.remember(certificate_.name, {.what = "turned_to", .text = ca.name, .error = first_});
    }

    Result<void> ask(const Turn& turn) {
        held_.reset();
        const bool is_new_elsewhere = !turn.is_placed && turn.ca->name != certificate_.ca.front();
        if (is_new_elsewhere) TRY(check_caa(*turn.ca));
        Issuance issuance(s_, certificate_, keeper_, *turn.ca, wish_);
        auto issued = issuance.run();
        if (!first_) held_ = issuance.held();  // else something was asked
        return issued;
    }

    /// That we cannot look is no refusal.
    Result<void> check_caa(const CaConfig& ca) {
        auto checked = check_caa_for(s_, certificate_, ca);
        if (checked || is_refused_by_caa(checked.error())) return checked;
        s_.log.warn("{}: CAA could not be looked at, and {} is asked all the same: {}", certificate_.name,
                    ca.name, checked.error().message);
        return {};
    }

    void note(const CaConfig& ca, base::Error error) {
        error = std::move(error).during("order");
        if (!first_) {
            first_ = told_ = error;
            const bool is_first = ca.name == certificate_.ca.front();
            if (!wish_.ca.empty() && !is_first) return;  // says nothing of the list
            if (is_of_the_ca(error)) {
                ++ca_failures_;
            } else if (is_first && error.code != Code::CaOrderPending) {
                ca_failures_ = 0;
            }
            return;
        }
        const std::string both = told_.message + "; " + error.message;
        // Neither is a reason to leave the other alone for longer than it wants.
        if (!error.retry_at || (told_.retry_at && *error.retry_at < *told_.retry_at))
            told_.retry_at = error.retry_at;
        // What comes next depends on the order that a CA is at work on.
        if (error.code == Code::CaOrderPending) told_ = std::move(error);
        told_.message = both;
    }

    Surroundings& s_;
    const CertificateConfig& certificate_;
    Keeper& keeper_;
    const OrderWish& wish_;
    int ca_failures_;
    std::optional<base::Error> first_{};  // of the CA that was asked first
    base::Error told_{};                  // of all
    std::optional<OrderHold> held_{};
};

}  // namespace

Result<std::optional<OrderHold>> renew(Surroundings& surroundings, const CertificateConfig& certificate,
                                       Keeper& keeper, const OrderWish& wish) {
    Issuances issuances(surroundings, certificate, keeper, wish);
    auto result = ask_hooks(surroundings, certificate, keeper.record(), "before_renew");
    if (result)
        result = issuances.run();
    else
        result.error().message += "; nothing was asked of a CA, and it is tried again later";
    if (result) return std::optional<OrderHold>{};
    if (issuances.held()) return issuances.held();
    base::Error error = std::move(result).error();
    surroundings.log.warn("{}: {}", certificate.name, error.message);
    surroundings.remember(certificate.name, {.what = "not_issued", .error = error});
    const Record before = keeper.record();
    const GenerationRecord* current = before.wanted();
    RetryInput input{.now = surroundings.clock.now(),
                     .has_another_ca = certificate.ca.size() > 1,
                     .chance = surroundings.chance()};
    if (current != nullptr) {
        input.expiry = current->not_after;
        input.lifetime = current->not_after - current->not_before;
    }
    const Failure failure = count_failure(before.issuance, error, input);
    TRY(keeper.change([&](Record& record) {
        record.issuance = failure;
        record.ca_failures = issuances.ca_failures();
        if (failure.count == 1) {
            record.hooks.push_back({.event = "failed",
                                    .generation = current == nullptr ? 0 : current->number,
                                    .error = std::string(base::to_string(error.code))});
        }
    }));
    return tl::make_unexpected(std::move(error));
}

}  // namespace agent
