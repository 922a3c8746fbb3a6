// SPDX-License-Identifier: Apache-2.0
#include "agent/work/issuance.hpp"

#include <algorithm>
#include <utility>

#include <spdlog/spdlog.h>

#include "acme/renewal_info.hpp"
#include "agent/plan/plan.hpp"
#include "agent/plan/suggestion.hpp"
#include "agent/tell/key_words.hpp"
#include "agent/work/residue.hpp"
#include "agent/work/standing.hpp"

namespace agent {

using base::Code;
using base::Result;

bool is_at(const OpenOrder& order, const CaConfig& ca) {
    const OrderedFor& what = order.ordered_for;
    return what.ca == ca.name && (what.directory.empty() || what.directory == ca.directory);
}

OrderAhead order_wished(const CertificateConfig& certificate, const Record& record, const std::string& ca,
                        const OrderWish& wish, base::Instant now) {
    OrderAhead order = order_ahead(certificate, record, ca, now);
    order.is_forced = wish.is_forced;
    order.is_paced = !wish.by_hand;
    return order;
}

Result<void> Issuance::run() {
    std::optional<OpenOrder> open = TRY(order_of_earlier_run());
    // One that was placed has its room already.
    if (!open || open->url.empty()) TRY(check_space());
    TRY(check_clock());
    order_ = open ? std::move(*open) : TRY(begin_order());
    auto issued = issue_once();
    if (!issued && issued.error().code == Code::CaAccountMissing) {
        TRY(renew_account());
        issued = issue_once();
    }
    if (!issued && issued.error().code == Code::CaOrderGone) {
        TRY(forget_order_url());
        issued = issue_once();
    }
    s_.clock_watch().hear(ca_.name, s_.session(ca_).seen_date());
    if (!issued) return give_up_order(std::move(issued).error());
    s_.ledgers().issued(ca_, counted_.value_or(ahead()));
    return keep(*issued);
}

Result<void> Issuance::check_space() {
    const std::uint64_t free = TRY(s_.store.free_bytes());
    if (free >= s_.config.agent.min_free_bytes) return {};
    return base::fail(Code::StateNoSpace,
                      s_.config.agent.state_dir + " has " + std::to_string(free / 1024) +
                          " KiB free, and no order is started with less than " +
                          std::to_string(s_.config.agent.min_free_bytes / 1024) + " KiB (agent.min_free)",
                      "free some space; it goes on by itself");
}

/// Before anything is begun: what is due only because the clock is wrong must leave nothing behind. What
/// the CA is asked for is what the order would ask for next.
Result<void> Issuance::check_clock() {
    ClockVerdict verdict = s_.clock_watch().judge(keeper_.record(), ca_.name);
    if (verdict.ask_first) {
        auto heard = s_.hear_time(ca_);
        if (!heard) {
            settle_count(heard.error());
            return heard;
        }
        verdict = s_.clock_watch().judge(keeper_.record(), ca_.name);
    }
    held_ = hold_of_clock(verdict, keeper_.record(), s_.clock.now());
    if (!held_) return {};
    return tl::make_unexpected(clock_error(verdict));
}

/// At this CA, if it is still for the same thing.
Result<std::optional<OpenOrder>> Issuance::order_of_earlier_run() const {
    auto open = wanted_orders(certificate_, TRY(s_.store.open_orders(certificate_.name)));
    const auto ours = std::ranges::find_if(open, [&](const auto& order) { return is_at(order, ca_); });
    return ours == open.end() ? std::optional<OpenOrder>{} : std::optional(std::move(*ours));
}

/// A new key, or the user's own request, durable before anybody is asked.
Result<OpenOrder> Issuance::begin_order() {
    OrderedFor wanted = wanted_order(certificate_, ca_.name);
    wanted.directory = ca_.directory;
    s_.progress.step(certificate_.name, "key", key_words(certificate_));
    OpenOrder order{.ordered_for = std::move(wanted), .started_at = s_.clock.now()};
    if (certificate_.request) {
        order.request_der = certificate_.request->der;
    } else {
        key_ = TRY(base::PrivateKey::generate(certificate_.key_type));
        order.key_pem = TRY(key_->to_pem());
    }
    TRY(s_.store.begin_order(certificate_.name, order));
    return order;
}

Result<std::variant<base::PrivateKey, base::Request>> Issuance::key_or_request() const {
    if (!order_.request_der.empty()) return TRY(base::parse_request(order_.request_der));
    return key_ ? *key_ : TRY(base::PrivateKey::parse(order_.key_pem));
}

Result<void> Issuance::renew_account() {
    const acme::Account account = TRY(s_.renew_account(ca_));
    if (account.url != order_.account)
        s_.remember(certificate_.name,
                    {.what = "account_lost",
                     .text = ca_.name + " has lost our account " + order_.account + ", which is now " +
                             account.url + "; records that name the old one are wrong"});
    return {};
}

Result<acme::Issued> Issuance::issue_once() {
    counted_.reset();
    auto opened = s_.account(ca_);
    if (!opened) {
        settle_count(opened.error());
        return tl::make_unexpected(std::move(opened).error());
    }
    const acme::Account& account = *opened;
    order_.account = account.url;
    // Without the record an order could only fail, and count against the account.
    if (order_.url.empty()) {
        auto found = find_standing_records(s_, certificate_, ca_, account.url);
        if (!found) settle_count(found.error());
        TRY(std::move(found));
    }
    const acme::IssuanceRequest request{.names = certificate_.names,
                                        .profile = order_.ordered_for.profile,
                                        .key = TRY(key_or_request()),
                                        .replaces = replaced_by_this(account.url),
                                        .preferred_chain = ca_.preferred_chain,
                                        .order_url = order_.url,
                                        .may_have_lost_order = order_.is_asked_for};
    auto issued = acme::issue(
        s_.session(ca_), account, request,
        {.solver_for = [this](const base::Identifier& name) { return s_.solver(certificate_, name); },
         .about_to_order = [this](bool names_what_it_replaces) -> Result<void> {
             TRY(count(names_what_it_replaces));
             return note_asked_for();
         },
         .order_placed =
             [this](const std::string& url) {
                 order_.url = url;
                 order_.is_asked_for = false;
                 auto kept = s_.store.order_placed(certificate_.name, order_);
                 if (counted_) s_.ledgers().placed(ca_, *counted_);
                 s_.remember(certificate_.name, {.what = "ordered", .text = "at " + ca_.name});
                 return kept;
             },
         .about_to_present = [this](const auto& tasks) -> Result<void> {
             return wish_.by_hand ? expect_residue_of_command(s_, certificate_, keeper_, tasks)
                                  : expect_residue(s_, certificate_, keeper_, tasks);
         },
         .taken_away = [this](const auto& task) { forget_residue(s_, certificate_, keeper_, task); },
         .left_behind =
             [this](const acme::ChallengeTask& task, const base::Error& error) {
                 remember_residue(s_, certificate_, keeper_, task, error);
             },
         .names_failed = [this](const auto& names) { s_.ledgers().failed(ca_, names); },
         .progress = [this](std::string_view step,
                            std::string_view detail) { s_.progress.step(certificate_.name, step, detail); }});
    if (!issued) settle_count(issued.error());
    return issued;
}

OrderAhead Issuance::ahead() const {
    return order_wished(certificate_, keeper_.record(), ca_.name, wish_, s_.clock.now());
}

/// Counted before it is sent, and not sent where a limit holds it.
Result<void> Issuance::count(bool names_what_it_replaces) {
    const bool was_asked = counted_.has_value();  // and refused, for what it named
    if (was_asked) s_.ledgers().taken_back(ca_, *counted_);
    counted_.reset();
    OrderAhead order = ahead();
    order.is_suggested = order.is_suggested && names_what_it_replaces;
    const Admission admission = s_.ledgers().admit(ca_, order_.account, order, wish_.over_limit);
    if (const auto* hold = std::get_if<OrderHold>(&admission)) {
        if (!was_asked) held_ = *hold;
        base::Error error{.code = Code::CaRateLimited,
                          .message = "nothing was asked of " + ca_.name + ": " + hold->reason,
                          .step = "order",
                          .retry_at = hold->until};
        return tl::make_unexpected(std::move(error));
    }
    counted_ = std::move(order);
    const base::Seconds turn = std::get<base::Seconds>(admission);
    if (turn > base::Seconds(0)) {
        s_.progress.step(certificate_.name, "order", "waits its turn");
        s_.clock.sleep(turn);
    }
    return {};
}

/// Durable before newOrder is sent: whoever comes after a killed run looks for the order first.
Result<void> Issuance::note_asked_for() {
    if (std::exchange(order_.is_asked_for, true)) return {};
    return s_.store.order_placed(certificate_.name, order_);
}

/// What has become of a count whose order has not led to a certificate.
void Issuance::settle_count(const base::Error& error) {
    if (held_) return;
    const bool is_placed = !order_.url.empty();
    if (!is_placed) s_.ledgers().refused(ca_, ahead(), error);
    if (!counted_) return;
    const bool is_over = base::class_of(error.code) == base::ErrorClass::Refused ||
                         base::class_of(error.code) == base::ErrorClass::Configuration ||
                         error.code == Code::CaOrderGone;
    if (!is_placed && !may_be_placed(error)) {
        s_.ledgers().taken_back(ca_, *counted_);
    } else if (!is_placed || is_over) {  // if it was placed after all, nobody will finish it
        s_.ledgers().unissued(ca_, *counted_);
    }
}

/// RFC 9773 §5: the same account's, for at least one of the names.
std::string Issuance::replaced_by_this(const std::string& account) const {
    const Record record = keeper_.record();
    const GenerationRecord* current = record.wanted();
    if (current == nullptr || current->account != account) return {};
    const auto& before = current->ordered_for.names;
    const bool shares_a_name = std::ranges::any_of(certificate_.names, [&](const base::Identifier& name) {
        return std::ranges::find(before, name.value) != before.end();
    });
    return shares_a_name ? current->renewal_id : std::string{};
}

Result<void> Issuance::forget_order_url() {
    order_.url.clear();
    return s_.store.order_placed(certificate_.name, order_);
}

/// What the CA has refused for good is not asked for again; what may still come is.
Result<void> Issuance::give_up_order(base::Error error) {
    const base::ErrorClass error_class = base::class_of(error.code);
    if (error_class == base::ErrorClass::Refused && !order_.url.empty()) TRY(forget_order_url());
    return tl::make_unexpected(std::move(error));
}

/// A disk that is full or fails for a moment: each try writes new files. After the last one nothing is
/// lost either, for the order's URL is on disk, and the next run fetches the same certificate again.
Result<void> Issuance::write(const GenerationRecord& generation, const base::Chain& chain) {
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

Result<void> Issuance::keep(const acme::Issued& issued) {
    const base::Certificate& leaf = issued.chain.front();
    const base::Instant now = s_.right_time(keeper_.record(), ca_.name);
    const GenerationRecord generation{
        .number = TRY(s_.store.next_number(certificate_.name)),
        .ordered_for = order_.ordered_for,
        .account = order_.account,
        .order = issued.order_url,
        .renewal_id = acme::renewal_id(leaf),
        .sha256 = leaf.sha256(),
        .serial = leaf.serial(),
        .not_before = leaf.not_before(),
        .not_after = leaf.not_after(),
        .issued_at = now,
        .early_in_a_row = early_in_a_row(keeper_.record(), wish_.is_forced, now)};
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
        s_.remember(certificate_.name, {.what = "remark", .generation = generation.number, .text = remark});
    }
    s_.log.info("{}: generation {} issued by {}, valid until {}", certificate_.name, generation.number,
                ca_.name, base::format_instant(generation.not_after));
    return {};
}

}  // namespace agent
