// SPDX-License-Identifier: Apache-2.0
#include "agent/work/renew.hpp"

#include <algorithm>
#include <variant>

#include <spdlog/spdlog.h>

#include "acme/renewal_info.hpp"
#include "agent/plan/plan.hpp"
#include "agent/plan/retry.hpp"
#include "agent/tell/status.hpp"
#include "agent/tell/words.hpp"
#include "agent/work/preflight.hpp"
#include "agent/work/residue.hpp"
#include "base/key.hpp"
#include "base/request.hpp"

namespace agent {

using base::Code;
using base::Result;

namespace {

class Issuance {
  public:
    Issuance(Surroundings& surroundings, const CertificateConfig& certificate, Keeper& keeper,
             const CaConfig& ca)
        : s_(surroundings), certificate_(certificate), keeper_(keeper), ca_(ca) {}

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

    /// The order of an earlier run, if it is still for the same thing; else a new key, or the user's own
    /// request, durable before anybody is asked.
    Result<OpenOrder> open_or_begin() {
        const OrderedFor wanted = wanted_order(certificate_, ca_.name);
        std::optional<OpenOrder> open = TRY(s_.store.open_order(certificate_.name));
        is_resumed_ = open && open->ordered_for == wanted;
        if (is_resumed_) return std::move(*open);
        s_.progress.step(certificate_.name, "key", key_words(certificate_));
        OpenOrder order{.ordered_for = wanted, .started_at = s_.clock.now()};
        if (certificate_.request) {
            order.request_der = certificate_.request->der;
        } else {
            order.key_pem = TRY(TRY(base::PrivateKey::generate(certificate_.key_type)).to_pem());
        }
        TRY(s_.store.begin_order(certificate_.name, order));
        return order;
    }

    [[nodiscard]] Result<std::variant<base::PrivateKey, base::Request>> key_or_request() const {
        if (order_.request_der.empty()) return TRY(base::PrivateKey::parse(order_.key_pem));
        return TRY(base::parse_request(order_.request_der));
    }

    Result<acme::Issued> issue_once() {
        const acme::Account account = TRY(s_.account(ca_));
        const bool may_have_lost_order = is_resumed_ && order_.url.empty() && order_.account.empty();
        order_.account = account.url;
        const acme::IssuanceRequest request{.names = certificate_.names,
                                            .profile = order_.ordered_for.profile,
                                            .key = TRY(key_or_request()),
                                            .replaces = replaced_by_this(account.url),
                                            .preferred_chain = ca_.preferred_chain,
                                            .order_url = order_.url,
                                            .may_have_lost_order = may_have_lost_order};
        return acme::issue(
            s_.session(ca_), account, request,
            {.solver_for = [this](const base::Identifier& name) { return s_.solver(certificate_, name); },
             .order_placed =
                 [this](const std::string& url) {
                     order_.url = url;
                     return s_.store.order_placed(certificate_.name, order_);
                 },
             .left_behind =
                 [this](const acme::ChallengeTask& task, const base::Error& error) {
                     remember_residue(s_, certificate_, keeper_, task, error);
                 },
             .progress =
                 [this](std::string_view step, std::string_view detail) {
                     s_.progress.step(certificate_.name, step, detail);
                 }});
    }

    /// RFC 9773 §5: the same account's, for at least one of the names.
    [[nodiscard]] std::string replaced_by_this(const std::string& account) const {
        const Record record = keeper_.record();
        const GenerationRecord* current = record.wanted();
        if (current == nullptr || current->account != account) return {};
        const auto& before = current->ordered_for.names;
        const bool shares_a_name = std::ranges::any_of(certificate_.names, [&](const base::Identifier& name) {
            return std::ranges::find(before, name.value) != before.end();
        });
        return shares_a_name ? current->renewal_id : std::string{};
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

    /// A disk that is full or fails for a moment: each try writes new files. After the last one nothing is
    /// lost either, for the order's URL is on disk, and the next run fetches the same certificate again.
    Result<void> write(const GenerationRecord& generation, const base::Chain& chain) {
        constexpr int kTries = 5;
        base::Milliseconds pause{500};
        for (int tried = 1;; ++tried) {
            auto written = s_.store.complete(certificate_.name, generation, chain);
            if (written || tried == kTries) return written;
            s_.log.error("{}: the certificate has been issued, and cannot be written: {}; trying again",
                         certificate_.name, written.error().message);
            s_.clock.sleep(pause);
            pause *= 2;
        }
    }

    Result<void> keep(const acme::Issued& issued) {
        const base::Certificate& leaf = issued.chain.front();
        const GenerationRecord generation{.number = TRY(s_.store.next_number(certificate_.name)),
                                          .ordered_for = order_.ordered_for,
                                          .account = order_.account,
                                          .order = issued.order_url,
                                          .renewal_id = acme::renewal_id(leaf),
                                          .sha256 = leaf.sha256(),
                                          .serial = leaf.serial(),
                                          .not_before = leaf.not_before(),
                                          .not_after = leaf.not_after(),
                                          .issued_at = s_.clock.now()};
        TRY(write(generation, issued.chain));
        TRY(keeper_.change([&](Record& record) {
            record.generations.push_back(generation);
            note_issued(record, generation.number);
        }));
        s_.progress.step(certificate_.name, "generation", std::to_string(generation.number));
        s_.remember(certificate_.name,
                    {.what = "issued", .generation = generation.number, .text = "by " + ca_.name});
        for (const std::string& remark : issued.remarks) {
            s_.log.warn("{}: {}", certificate_.name, remark);
            s_.remember(certificate_.name,
                        {.what = "remark", .generation = generation.number, .text = remark});
        }
        s_.log.info("{}: generation {} issued by {}, valid until {}", certificate_.name, generation.number,
                    ca_.name, base::format_instant(generation.not_after));
        return {};
    }

    Surroundings& s_;
    const CertificateConfig& certificate_;
    Keeper& keeper_;
    const CaConfig& ca_;
    OpenOrder order_;
    bool is_resumed_ = false;  // an earlier run has begun it
};

}  // namespace

namespace {

/// From the first CA of the list; from the next where the first keeps failing and time is short. At most once
/// each for one call, and so for one step of the backoff.
Result<void> renew_somewhere(Surroundings& s, const CertificateConfig& certificate, Keeper& keeper,
                             int& ca_failures) {
    auto result = Issuance(s, certificate, keeper, s.config.cas.at(certificate.ca.front())).run();
    if (result) return result;
    base::Error error = std::move(std::move(result).error()).during("order");
    ca_failures = is_of_the_ca(error) ? keeper.record().ca_failures + 1 : 0;
    for (std::size_t i = 1; i < certificate.ca.size(); ++i) {
        if (!may_ask_another_ca(certificate, keeper.record(), error, ca_failures, s.clock.now())) break;
        const CaConfig& other = s.config.cas.at(certificate.ca[i]);
        s.log.warn("{}: {}; now {} is asked", certificate.name, error.message, other.name);
        s.remember(certificate.name, {.what = "turned_to", .text = other.name, .error = error});
        auto elsewhere = check_caa_for(s, certificate, other);
        if (elsewhere) elsewhere = Issuance(s, certificate, keeper, other).run();
        if (elsewhere) return elsewhere;
        error.message += "; " + elsewhere.error().message;
    }
    return tl::make_unexpected(std::move(error));
}

}  // namespace

Result<void> renew(Surroundings& surroundings, const CertificateConfig& certificate, Keeper& keeper) {
    int ca_failures = 0;
    auto result = renew_somewhere(surroundings, certificate, keeper, ca_failures);
    if (result) return result;
    base::Error error = std::move(result).error();
    surroundings.log.warn("{}: {}", certificate.name, error.message);
    surroundings.remember(certificate.name, {.what = "not_issued", .error = error});
    const Record before = keeper.record();
    const GenerationRecord* current = before.wanted();
    const Failure failure = count_failure(
        before.issuance, error, Effort::Issuance, surroundings.clock.now(),
        current == nullptr ? std::nullopt : std::optional(current->not_after), surroundings.chance());
    TRY(keeper.change([&](Record& record) {
        record.issuance = failure;
        record.ca_failures = ca_failures;
        if (failure.count == 1) {
            record.hooks.push_back({.event = "failed",
                                    .generation = current == nullptr ? 0 : current->number,
                                    .error = std::string(base::to_string(error.code))});
        }
    }));
    return tl::make_unexpected(std::move(error));
}

}  // namespace agent
