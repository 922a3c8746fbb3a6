// SPDX-License-Identifier: Apache-2.0
#include "agent/work/ledgers.hpp"

#include <algorithm>

#include <spdlog/spdlog.h>

#include "base/patience.hpp"

namespace agent {

using base::Code;
using base::Result;
using base::Seconds;
using namespace std::chrono_literals;

namespace {

constexpr Seconds kPatience = 2s;       // for another renewd's change
constexpr Seconds kLookBack = 8 * 24h;  // longer than any limit remembers
constexpr std::size_t kLinesToSpare = 1000;

}  // namespace

LedgerFile Ledgers::file_of(const CaConfig& ca) const {
    return {files_, store_.account_place(ca.name, ca.directory)};
}

base::Instant Ledgers::now_at(const CaConfig& ca) const {
    return time_at_ ? time_at_(ca.name) : clock_.now();
}

/// By our clock, and apart from what other CAs hold.
OrderHold Ledgers::for_us(const CaConfig& ca, OrderHold hold, base::Instant now) const {
    hold.until -= now - clock_.now();
    if (!hold.gate.empty()) hold.gate = ca.directory + " " + hold.gate;
    return hold;
}

/// What the generations tell, on top of what is there. Names that were ordered with another renewd are not
/// in it; the CA tells of them.
Ledger Ledgers::rebuilt(const CaConfig& ca, Ledger from) {
    const auto limits = ca.known_limits();
    if (limits.empty()) return from;
    const base::Instant now = now_at(ca);
    std::vector<PastOrder> orders;
    for (const std::string& name : store_.certificates().value_or(std::vector<std::string>{})) {
        const auto record = store_.load(name);
        if (!record || !*record) continue;
        for (PastOrder& past : past_orders(**record, now - kLookBack)) {
            if (past.ca == ca.name) orders.push_back(std::move(past));
        }
    }
    std::ranges::sort(orders, {}, &PastOrder::at);
    Ledger again;
    for (PastOrder& past : orders) count_order(again, limits, past.order, past.at);
    for (const auto& [name, full_at] : again.buckets())
        from.set_bucket(name, std::max(from.bucket(name), full_at));
    from.prune(limits, now);
    return from;
}

/// Reads the file where it is another than the one we know. Under mutex_.
Ledgers::Known& Ledgers::refresh(const CaConfig& ca, bool may_rebuild) {
    Known& known = known_[ca.directory];
    LedgerFile file = file_of(ca);
    const auto size = file.size();
    if (known.is_read && known.size == size) return known;
    auto read = file.read();
    if (!read) {
        known.is_read = false;
        if (!std::exchange(known.is_told, true))
            log_.error("{}: the ledger of its limits could not be read: {}", ca.name, read.error().message);
        return known;
    }
    const bool is_lost = !*read || !(*read)->is_whole;
    if (*read) {
        const Ledger ours = std::exchange(known.ledger, std::move((*read)->ledger));
        known.lines = (*read)->lines;
        known.is_newer = (*read)->is_newer;
        if (known.is_ahead) {
            known.lines = 0;
            for (const auto& [name, full_at] : ours.buckets())
                known.ledger.set_bucket(name, std::max(known.ledger.bucket(name), full_at));
            for (const LearnedHold& hold : ours.learned()) known.ledger.set_learned(hold);
        }
    }
    if (known.is_newer && !std::exchange(known.is_told, true))
        log_.error("{}: the ledger of its limits was written by a later renewd, and is left as it is",
                   ca.name);
    known.ledger.prune(ca.known_limits(), now_at(ca));
    if (is_lost && may_rebuild && !known.is_newer) {
        if (*read) log_.warn("{}: the ledger of its limits is damaged, and put together anew", ca.name);
        known.ledger = rebuilt(ca, std::move(known.ledger));
        known.lines = 0;  // to be written whole
    }
    known.size = size;
    known.is_read = !is_lost || may_rebuild;
    return known;
}

std::optional<Ledger> Ledgers::look(const CaConfig& ca) {
    const std::scoped_lock guard(mutex_);
    const Known& known = refresh(ca, /*may_rebuild=*/false);
    if (!known.size && known.ledger.buckets().empty() && known.ledger.learned().empty()) return std::nullopt;
    return known.ledger;
}

std::optional<OrderHold> Ledgers::hold(const CaConfig& ca, const OrderAhead& order) {
    const std::scoped_lock guard(mutex_);
    const base::Instant now = now_at(ca);
    auto hold = hold_of(refresh(ca, /*may_rebuild=*/false).ledger, ca.known_limits(), order, now);
    return hold ? std::optional(for_us(ca, std::move(*hold), now)) : std::nullopt;
}

Admission Ledgers::admit(const CaConfig& ca, const std::string& account, OrderAhead& order, bool over_limit) {
    Admission admission;
    change(ca, [&](Ledger& ledger, std::span<const CaLimit> limits, base::Instant now) {
        ledger.belong_to(account);
        admission = agent::admit(ledger, limits, order, over_limit, now);
        if (auto* hold = std::get_if<OrderHold>(&admission)) *hold = for_us(ca, std::move(*hold), now);
    });
    return admission;
}

void Ledgers::placed(const CaConfig& ca, const OrderAhead& order) {
    change(ca, [&](Ledger& ledger, auto limits, auto now) { count_placed(ledger, limits, order, now); });
}

void Ledgers::taken_back(const CaConfig& ca, const OrderAhead& order) {
    change(ca, [&](Ledger& ledger, auto limits, auto now) { take_back(ledger, limits, order, now); });
}

void Ledgers::unissued(const CaConfig& ca, const OrderAhead& order) {
    change(ca, [&](Ledger& ledger, auto limits, auto now) { count_unissued(ledger, limits, order, now); });
}

void Ledgers::issued(const CaConfig& ca, const OrderAhead& order) {
    change(ca, [&](Ledger& ledger, auto limits, auto now) { count_issued(ledger, limits, order, now); });
}

void Ledgers::failed(const CaConfig& ca, const std::vector<std::string>& names) {
    change(ca, [&](Ledger& ledger, auto limits, auto now) { count_failed(ledger, limits, names, now); });
}

void Ledgers::refused(const CaConfig& ca, const OrderAhead& order, const base::Error& error) {
    change(ca, [&](Ledger& ledger, auto limits, auto now) {
        base::Error told = error;
        if (told.retry_at) *told.retry_at += now - clock_.now();
        learn_refusal(ledger, limits, order, told, now);
    });
}

void Ledgers::change(const CaConfig& ca, const Change& edit) {
    const std::scoped_lock guard(mutex_);
    LedgerFile file = file_of(ca);
    const auto lock =
        base::take_patiently(clock_, kPatience, base::Milliseconds(20), [&] { return file.lock(); });
    Known& known = refresh(ca, /*may_rebuild=*/true);
    edit(known.ledger, ca.known_limits(), now_at(ca));
    const bool is_busy = !lock && lock.error().code == Code::StateLocked;
    auto written = lock      ? write(ca, known)
                   : is_busy ? add_out_of_turn(ca, known)
                             : Result<void>(base::Failure(lock.error()));
    if (written) {
        known.is_told = known.is_newer;
        // What was added out of turn may be lost to whoever has the turn: it is written again with the rest.
        known.is_ahead = is_busy;
        if (is_busy) known.lines = 0;
        return;
    }
    known.is_ahead = true;
    known.lines = 0;  // what could not be added is written with all the rest
    if (!std::exchange(known.is_told, true)) {
        log_.error("{}: the ledger of its limits could not be written, and is kept in memory: {}", ca.name,
                   written.error().message);
    }
}

/// Somebody holds the ledger for longer than a change takes, perhaps putting a lost one together: nothing of
/// his is replaced. What both have counted at once may be counted once.
Result<void> Ledgers::add_out_of_turn(const CaConfig& ca, Known& known) {
    const std::string lines = to_lines(known.ledger, known.ledger.take_changes());
    LedgerFile file = file_of(ca);
    if (known.is_newer || lines.empty() || !file.size()) return {};
    return file.append(lines);
}

/// Under the file's lock.
Result<void> Ledgers::write(const CaConfig& ca, Known& known) {
    const Ledger::Changes changes = known.ledger.take_changes();
    const std::string lines = to_lines(known.ledger, changes);
    if (known.is_newer || (lines.empty() && known.lines > 0)) return {};
    LedgerFile file = file_of(ca);
    // What could not be read is left as it is: our lines would speak of it without knowing it.
    if (!known.is_read) return base::fail(Code::StateUnwritable, "it could not be read");
    const std::size_t live = known.ledger.buckets().size() + known.ledger.learned().size();
    if (known.lines == 0 || known.lines > 2 * live + kLinesToSpare) {
        known.ledger.prune(ca.known_limits(), now_at(ca));
        TRY(file.replace(to_text(known.ledger)));
        known.lines = 1 + known.ledger.buckets().size() + known.ledger.learned().size();
    } else {
        TRY(file.append(lines));
        known.lines += static_cast<std::size_t>(std::ranges::count(lines, '\n'));
    }
    known.size = file.size();
    return {};
}

}  // namespace agent
