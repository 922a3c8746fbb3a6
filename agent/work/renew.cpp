// SPDX-License-Identifier: Apache-2.0
#include "agent/work/renew.hpp"

#include <spdlog/spdlog.h>

#include "agent/plan/plan.hpp"
#include "agent/plan/retry.hpp"
#include "agent/tell/words.hpp"
#include "base/key.hpp"

namespace agent {

using base::Code;
using base::Result;

namespace {

class Issuance {
  public:
    Issuance(Surroundings& surroundings, const CertificateConfig& certificate, Keeper& keeper)
        : s_(surroundings),
          certificate_(certificate),
          keeper_(keeper),
          ca_(ca_of(surroundings.config, certificate)) {}

    Result<void> run() {
        TRY(check_space());
        order_ = TRY(open_or_begin());
        auto issued = issue_once();
        if (!issued && issued.error().code == Code::CaAccountMissing) {
            TRY(s_.renew_account(ca_));
            issued = issue_once();
        }
        if (!issued && issued.error().code == Code::CaOrderGone) {
            TRY(forget_order_url());
            issued = issue_once();
        }
        if (!issued) return give_up_order(std::move(issued).error());
        return keep(*issued);
    }

  private:
    Result<void> check_space() {
        const std::uint64_t free = TRY(s_.store.free_bytes());
        if (free >= s_.config.agent.min_free_bytes) return {};
        return base::fail(Code::StateNoSpace,
                          s_.config.agent.state_dir + " has " + std::to_string(free / 1024) +
                              " KiB free, and no order is started with less than " +
                              std::to_string(s_.config.agent.min_free_bytes / 1024) + " KiB (agent.min_free)",
                          "free some space; it goes on by itself");
    }

    /// The order of an earlier run, if it is still for the same thing; else a new key, durable before anybody
    /// is asked.
    Result<OpenOrder> open_or_begin() {
        const OrderedFor wanted = wanted_order(certificate_, ca_);
        std::optional<OpenOrder> open = TRY(s_.store.open_order(certificate_.name));
        if (open && open->ordered_for == wanted) return std::move(*open);
        s_.progress.step(certificate_.name, "key", base::to_string(certificate_.key_type));
        const base::PrivateKey key = TRY(base::PrivateKey::generate(certificate_.key_type));
        OpenOrder order{.ordered_for = wanted, .started_at = s_.clock.now(), .key_pem = TRY(key.to_pem())};
        TRY(s_.store.begin_order(certificate_.name, order));
        return order;
    }

    Result<acme::Issued> issue_once() {
        const acme::Account account = TRY(s_.account(ca_));
        order_.account = account.url;
        const acme::IssuanceRequest request{.names = certificate_.names,
                                            .profile = order_.ordered_for.profile,
                                            .key = TRY(base::PrivateKey::parse(order_.key_pem)),
                                            .order_url = order_.url};
        return acme::issue(
            s_.session(ca_), account, request,
            {.solver_for = [this](const base::Identifier& name) { return s_.solver(certificate_, name); },
             .order_placed =
                 [this](const std::string& url) {
                     order_.url = url;
                     return s_.store.order_placed(certificate_.name, order_);
                 },
             .progress =
                 [this](std::string_view step, std::string_view detail) {
                     s_.progress.step(certificate_.name, step, detail);
                 }});
    }

    Result<void> forget_order_url() {
        order_.url.clear();
        return s_.store.order_placed(certificate_.name, order_);
    }

    /// What the CA has refused for good is not asked for again; what may still come is.
    Result<void> give_up_order(base::Error error) {
        const base::ErrorClass error_class = base::class_of(error.code);
        if (error_class == base::ErrorClass::Refused && !order_.url.empty()) TRY(forget_order_url());
        return tl::make_unexpected(std::move(error));
    }

    Result<void> keep(const acme::Issued& issued) {
        const base::Certificate& leaf = issued.chain.front();
        const GenerationRecord generation{.number = TRY(s_.store.next_number(certificate_.name)),
                                          .ordered_for = order_.ordered_for,
                                          .account = order_.account,
                                          .order = issued.order_url,
                                          .sha256 = leaf.sha256(),
                                          .serial = leaf.serial(),
                                          .not_before = leaf.not_before(),
                                          .not_after = leaf.not_after(),
                                          .issued_at = s_.clock.now()};
        TRY(s_.store.complete(certificate_.name, generation, issued.chain));
        TRY(keeper_.change([&](Record& record) {
            record.generations.push_back(generation);
            record.issuance.reset();
            // What is still owed to hooks of earlier generations has been overtaken.
            std::erase_if(record.hooks, [](const PendingHook& hook) { return hook.event != "failed"; });
            record.hooks.push_back({.event = "renewed", .generation = generation.number});
        }));
        s_.progress.step(certificate_.name, "generation", std::to_string(generation.number));
        s_.remember(certificate_.name,
                    {.what = "issued", .generation = generation.number, .text = "by " + ca_.name});
        s_.log.info("{}: generation {} issued by {}, valid until {}", certificate_.name, generation.number,
                    ca_.name, base::format_instant(generation.not_after));
        return {};
    }

    Surroundings& s_;
    const CertificateConfig& certificate_;
    Keeper& keeper_;
    const CaConfig& ca_;
    OpenOrder order_;
};

}  // namespace

Result<void> renew(Surroundings& surroundings, const CertificateConfig& certificate, Keeper& keeper) {
    auto result = Issuance(surroundings, certificate, keeper).run();
    if (result) return result;
    base::Error error = std::move(result).error();
    error = std::move(error).during("order");
    surroundings.log.warn("{}: {}", certificate.name, error.message);
    surroundings.remember(certificate.name, {.what = "not_issued", .error = error});
    const Record before = keeper.record();
    const GenerationRecord* current = before.wanted();
    const Failure failure = count_failure(
        before.issuance, error, Effort::Issuance, surroundings.clock.now(),
        current == nullptr ? std::nullopt : std::optional(current->not_after), surroundings.chance());
    TRY(keeper.change([&](Record& record) {
        record.issuance = failure;
        if (failure.count == 1) {
            record.hooks.push_back({.event = "failed",
                                    .generation = current == nullptr ? 0 : current->number,
                                    .error = std::string(base::to_string(error.code))});
        }
    }));
    return tl::make_unexpected(std::move(error));
}

}  // namespace agent
