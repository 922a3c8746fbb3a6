// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/ledger.hpp"

#include <algorithm>
#include <utility>

#include "agent/plan/plan.hpp"
#include "agent/plan/suggestion.hpp"
#include "base/encoding.hpp"
#include "base/text.hpp"

namespace agent {

using base::Code;
using base::Identifier;
using base::Instant;
using base::Milliseconds;
using base::Seconds;

namespace {

constexpr double kNeverIssued = 0.1;  // as pressing as a certificate with so much of its life left
constexpr double kFar = 1.0 / 3;      // with more than this left an order leaves room for others
constexpr int kRoomForOthers = 10;    // of a bucket, the tenth
constexpr std::size_t kWordsMax = 300;

/// An order counts towards a limit unless the CA spares it.
bool is_spared(const CaLimit& limit, const OrderAhead& order) {
    return (limit.spares_renewals && order.is_renewal) || (limit.spares_suggested && order.is_suggested);
}

/// The buckets this order goes into, of limits that count `counts`.
std::vector<std::pair<const CaLimit*, std::string>> buckets_of(std::span<const CaLimit> limits,
                                                               const OrderAhead& order, LimitCounts counts) {
    std::vector<std::pair<const CaLimit*, std::string>> found;
    for (const CaLimit& limit : limits) {
        if (limit.counts != counts || is_spared(limit, order)) continue;
        for (const std::string& key : limit_keys(order.names, limit.key))
            found.emplace_back(&limit, bucket_name(limit, key));
    }
    return found;
}

/// What the others have taken may have begun to come back as late as now.
void give_one_back(Ledger& ledger, const CaLimit& limit, const std::string& name, Instant now) {
    const LimitInstant full_at = ledger.bucket(name);
    const int used = in_use(limit, full_at, now);
    if (used > 0) ledger.set_bucket(name, LimitInstant(now) + comes_back_in(limit) * (used - 1));
}

/// Counted when it was sent; counts at the CA from now on, and so does all that was taken since.
void count_from_now(Ledger& ledger, std::span<const CaLimit> limits, const OrderAhead& order,
                    LimitCounts counts, Instant now) {
    for (const auto& [limit, name] : buckets_of(limits, order, counts)) {
        const Milliseconds each = comes_back_in(*limit);
        const bool began = std::ranges::find(order.began, name) != order.began.end();
        const Milliseconds late =
            began ? std::min(each, Milliseconds(now - order.counted_at.value_or(now))) : Milliseconds(0);
        ledger.set_bucket(name, std::max(ledger.bucket(name) + late, LimitInstant(now) + each));
    }
}

int kept_from(const CaLimit& limit, const OrderAhead& order) {
    const int for_others = limit.most / kRoomForOthers;
    if (order.is_forced) return std::max(limit.kept_for_need, for_others);
    return order.life_left > kFar ? for_others : 0;
}

std::string ordinal(int number) {
    const int last = number % 100 / 10 == 1 ? 0 : number % 10;
    return std::to_string(number) + (last == 1 ? "st" : last == 2 ? "nd" : last == 3 ? "rd" : "th");
}

std::string reason_of(const CaLimit& limit, const std::string& about, int used, int kept) {
    const std::string allowed = words_of(limit) + (about.empty() ? "" : " (" + about + ")");
    if (used >= limit.most) return "the limit of " + allowed + " is used up";
    if (limit.key == LimitKey::SameNames)
        return "it would be the " + ordinal(used + 1) + " of at most " + allowed +
               (kept == 1 ? ", and the last one is kept for need" : ", and the last ones are kept for need");
    return std::to_string(used) + " are used of the limit of " + allowed +
           ", and the others are kept for what is more pressing";
}

/// What a bucket is about, for people.
std::string about_of(const CaLimit& limit, const std::string& key) {
    return limit.key == LimitKey::RegisteredDomain || limit.key == LimitKey::Identifier ? key : "";
}

std::optional<OrderHold> later_of(std::optional<OrderHold> a, OrderHold b) {
    if (a && a->until >= b.until) return a;
    return b;
}

std::string names_key(const std::vector<Identifier>& names) {
    return base::sha256_hex(limit_keys(names, LimitKey::SameNames).front()).substr(0, 32);
}

/// Do the CA's words speak of these names, or of certificates like this one?
bool speaks_of_names(const std::string& words, const OrderAhead& order) {
    for (const LimitKey kind : {LimitKey::Identifier, LimitKey::RegisteredDomain}) {
        for (const std::string& key : limit_keys(order.names, kind)) {
            if (words.find(key) != std::string::npos) return true;
        }
    }
    return words.find("duplicate") != std::string::npos || words.find("exact set") != std::string::npos;
}

}  // namespace

// --- the ledger itself

void Ledger::belong_to(const std::string& account_url) {
    if (account_url.empty() || account_ == account_url) return;
    if (!account_.empty()) {
        // Whatever has a key of its own is counted for all accounts together, or soon forgotten.
        std::erase_if(buckets_,
                      [](const auto& bucket) { return bucket.first.find(' ') == std::string::npos; });
        std::erase_if(learned_, [](const LearnedHold& hold) { return hold.names.empty(); });
        changes_.learned = true;
    }
    account_ = account_url;
    changes_.account = true;
}

LimitInstant Ledger::bucket(const std::string& name) const {
    const auto found = buckets_.find(name);
    return found == buckets_.end() ? LimitInstant{} : found->second;
}

void Ledger::set_bucket(const std::string& name, LimitInstant full_at) {
    buckets_.insert_or_assign(name, full_at);
    changes_.buckets.push_back(name);
}

void Ledger::set_learned(LearnedHold hold) {
    const auto known = std::ranges::find(learned_, hold.names, &LearnedHold::names);
    if (known == learned_.end()) {
        learned_.push_back(std::move(hold));
    } else if (known->until < hold.until) {
        *known = std::move(hold);
    }
    changes_.learned = true;
}

void Ledger::prune(std::span<const CaLimit> limits, Instant now) {
    constexpr Seconds kLongest = std::chrono::days(8);  // a week is the longest that a CA is believed
    constexpr Seconds kUnknown = std::chrono::days(30);
    std::erase_if(buckets_, [&](const auto& bucket) {
        const std::string id = bucket.first.substr(0, bucket.first.find(' '));
        const auto limit = std::ranges::find(limits, id, &CaLimit::id);
        const Seconds most = limit == limits.end() ? kUnknown : limit->per + kLongest;
        return bucket.second <= LimitInstant(now) || bucket.second > LimitInstant(now + most);
    });
    std::erase_if(learned_,
                  [&](const LearnedHold& hold) { return hold.until <= now || hold.until > now + kLongest; });
}

std::string bucket_name(const CaLimit& limit, const std::string& key) {
    if (key.empty()) return std::string(limit.id);
    const bool is_long = limit.key == LimitKey::SameNames;
    return std::string(limit.id) + " " + (is_long ? base::sha256_hex(key).substr(0, 32) : key);
}

// --- orders

OrderAhead order_ahead(const CertificateConfig& certificate, const Record& record, const std::string& ca,
                       Instant now) {
    OrderAhead order{.names = certificate.names, .life_left = urgency_rank(record, now)};
    const GenerationRecord* current = record.wanted();
    if (current == nullptr) return order;
    order.latest = latest_renewal(*current);
    const std::vector<std::string> names = wanted_order(certificate, ca).names;
    order.is_renewal = std::ranges::any_of(record.generations, [&](const GenerationRecord& generation) {
        return generation.ordered_for.ca == ca && generation.ordered_for.names == names &&
               now - generation.issued_at <= kRenewalAge;
    });
    const auto& said = record.suggestion;
    const bool has_window = said && said->generation == current->number && said->start && said->end;
    order.is_suggested = has_window && current->ordered_for.ca == ca && !current->renewal_id.empty() &&
                         *said->start <= now && now <= *said->end;
    return order;
}

double urgency_rank(const Record& record, Instant now) {
    const GenerationRecord* current = record.wanted();
    if (current == nullptr) return kNeverIssued;
    if (current->revoked_at) return 0;
    const auto life = static_cast<double>((current->not_after - current->not_before).count());
    return life <= 0 ? 0 : static_cast<double>((current->not_after - now).count()) / life;
}

Instant pressing_at(const Record& record, Instant now) {
    const GenerationRecord* current = record.wanted();
    if (current == nullptr) return now;
    if (current->revoked_at) return {};
    const auto life = static_cast<double>((current->not_after - current->not_before).count());
    return current->not_after - Seconds(static_cast<std::int64_t>(kNeverIssued * life));
}

std::optional<Instant> presses_more_at(const Record& record, Instant now) {
    const GenerationRecord* current = record.wanted();
    if (current == nullptr) return std::nullopt;
    const Seconds life = current->not_after - current->not_before;
    std::optional<Instant> next;
    for (const Instant at : {current->not_after - life / 3, current->not_after - life / 4,
                             pressing_at(record, now), latest_renewal(*current)}) {
        const Instant after = at + Seconds(1);
        if (after > now) next = std::min(next.value_or(after), after);
    }
    return next;
}

namespace {

/// A line that is longer than this is not joined: who comes back later and has less time goes first.
std::optional<OrderHold> hold_of_line(const Ledger& ledger, const OrderAhead& order, Instant now) {
    constexpr Seconds kShortLine = std::chrono::minutes(1);
    const Instant turn = turn_of(ledger, order, now);
    if (turn <= now + kShortLine) return std::nullopt;
    return OrderHold{.until = turn,
                     .limit = std::string(kPace.id),
                     .reason = "many are due at once, and take their turns",
                     .gate = std::string(kPace.id)};
}

}  // namespace

std::optional<OrderHold> hold_of(const Ledger& ledger, std::span<const CaLimit> limits,
                                 const OrderAhead& order, Instant now) {
    std::optional<OrderHold> held;
    for (const CaLimit& limit : limits) {
        if (is_spared(limit, order)) continue;
        const int kept = limit.counts == LimitCounts::FailedNames ? 0 : kept_from(limit, order);
        for (const std::string& key : limit_keys(order.names, limit.key)) {
            const std::string bucket = bucket_name(limit, key);
            const LimitInstant full_at = ledger.bucket(bucket);
            const Instant until = free_at(limit, full_at, kept);
            if (until <= now) continue;
            const int used = in_use(limit, full_at, now);
            held = later_of(std::move(held), {.until = until,
                                              .limit = std::string(limit.id),
                                              .reason = reason_of(limit, about_of(limit, key), used, kept),
                                              .gate = bucket + " but " + std::to_string(kept)});
        }
    }
    if (!ledger.learned().empty()) {
        const std::string names = names_key(order.names);
        for (const LearnedHold& hold : ledger.learned()) {
            const bool is_ours = hold.names.empty() || hold.names == names;
            const Instant until = std::min(hold.until, order.latest.value_or(hold.until));
            const bool is_everybodys = hold.names.empty() && until == hold.until;
            if (is_ours && until > now)
                held = later_of(std::move(held),
                                {.until = until, .reason = hold.words, .gate = is_everybodys ? "told" : ""});
        }
    }
    return held ? held : hold_of_line(ledger, order, now);
}

Instant turn_of(const Ledger& ledger, const OrderAhead& order, Instant now) {
    if (!order.is_paced || order.life_left <= kNeverIssued) return now;
    return std::max(now, free_at(kPace, ledger.bucket(bucket_name(kPace, ""))));
}

Instant take_turn(Ledger& ledger, const OrderAhead& order, Instant now) {
    const Instant turn = turn_of(ledger, order, now);
    const std::string name = bucket_name(kPace, "");
    ledger.set_bucket(name, take_one(kPace, ledger.bucket(name), now));
    return turn;
}

bool may_be_placed(const base::Error& error) {
    return error.code == Code::CaUnreachable || error.code == Code::CaServerError ||
           error.code == Code::CaProtocol || error.code == Code::NetTooLarge;
}

void count_order(Ledger& ledger, std::span<const CaLimit> limits, OrderAhead& order, Instant now) {
    order.counted_at = now;
    order.began.clear();
    for (const LimitCounts counts : {LimitCounts::Orders, LimitCounts::Certificates}) {
        for (const auto& [limit, name] : buckets_of(limits, order, counts)) {
            const LimitInstant full_at = ledger.bucket(name);
            if (in_use(*limit, full_at, now) == 0) order.began.push_back(name);
            ledger.set_bucket(name, take_one(*limit, full_at, now));
        }
    }
}

Admission admit(Ledger& ledger, std::span<const CaLimit> limits, OrderAhead& order, bool over_limit,
                Instant now) {
    if (!over_limit) {
        if (auto held = hold_of(ledger, limits, order, now)) return std::move(*held);
    }
    count_order(ledger, limits, order, now);
    return over_limit ? Seconds(0) : take_turn(ledger, order, now) - now;
}

void count_placed(Ledger& ledger, std::span<const CaLimit> limits, const OrderAhead& order, Instant now) {
    count_from_now(ledger, limits, order, LimitCounts::Orders, now);
}

void take_back(Ledger& ledger, std::span<const CaLimit> limits, const OrderAhead& order, Instant now) {
    for (const auto& [limit, name] : buckets_of(limits, order, LimitCounts::Orders))
        give_one_back(ledger, *limit, name, now);
    count_unissued(ledger, limits, order, now);
}

void count_unissued(Ledger& ledger, std::span<const CaLimit> limits, const OrderAhead& order, Instant now) {
    for (const auto& [limit, name] : buckets_of(limits, order, LimitCounts::Certificates))
        give_one_back(ledger, *limit, name, now);
}

void count_issued(Ledger& ledger, std::span<const CaLimit> limits, const OrderAhead& order, Instant now) {
    count_from_now(ledger, limits, order, LimitCounts::Certificates, now);
    for (const CaLimit& limit : limits) {
        if (!limit.ends_with_success) continue;
        for (const std::string& key : limit_keys(order.names, limit.key)) {
            const std::string name = bucket_name(limit, key);
            if (ledger.bucket(name) != LimitInstant{}) ledger.set_bucket(name, LimitInstant{});
        }
    }
}

void count_failed(Ledger& ledger, std::span<const CaLimit> limits, const std::vector<std::string>& names,
                  Instant now) {
    for (const CaLimit& limit : limits) {
        if (limit.counts != LimitCounts::FailedNames) continue;
        for (const std::string& key : names) {
            const std::string name = bucket_name(limit, key.starts_with("*.") ? key.substr(2) : key);
            ledger.set_bucket(name, take_one(limit, ledger.bucket(name), now));
        }
    }
}

// --- what the CA says itself

void learn_refusal(Ledger& ledger, std::span<const CaLimit> limits, const OrderAhead& order,
                   const base::Error& error, Instant now) {
    constexpr Seconds kWholeAccount = std::chrono::hours(1);
    if (!error.retry_at || *error.retry_at <= now) return;
    const bool is_limit = error.code == base::Code::CaRateLimited;
    if (!is_limit && error.code != base::Code::CaServerError) return;
    const std::string words = base::lower(error.message);
    for (const CaLimit& limit : limits) {
        if (!is_limit || words.find(limit.told_by) == std::string::npos) continue;
        std::vector<std::string> keys = limit_keys(order.names, limit.key);
        const auto is_named = [&](const std::string& key) { return words.find(key) != std::string::npos; };
        if (std::ranges::any_of(keys, is_named)) std::erase_if(keys, std::not_fn(is_named));
        for (const std::string& key : keys) {
            const std::string name = bucket_name(limit, key);
            ledger.set_bucket(name, std::max(ledger.bucket(name), bucket_free_at(limit, *error.retry_at)));
        }
        return;
    }
    const std::string told = base::printable(error.message, kWordsMax);
    if (is_limit)
        ledger.set_learned({.names = names_key(order.names), .until = *error.retry_at, .words = told});
    if (!is_limit || !speaks_of_names(words, order))
        ledger.set_learned({.until = std::min(*error.retry_at, now + kWholeAccount), .words = told});
}

// --- telling

std::vector<LimitLeft> limits_left(const Ledger& ledger, std::span<const CaLimit> limits,
                                   const std::vector<Identifier>& names, Instant now) {
    std::vector<LimitLeft> told;
    for (const CaLimit& limit : limits) {
        for (const std::string& key : limit_keys(names, limit.key)) {
            const LimitInstant full_at = ledger.bucket(bucket_name(limit, key));
            const Instant next = free_at(limit, full_at);
            told.push_back({.limit = &limit,
                            .about = about_of(limit, key),
                            .left = limit.most - in_use(limit, full_at, now),
                            .next_at = next > now ? std::optional(next) : std::nullopt});
        }
    }
    return told;
}

std::vector<LimitLeft> least_left(const Ledger& ledger, std::span<const CaLimit> limits, Instant now) {
    std::vector<LimitLeft> told;
    for (const CaLimit& limit : limits) {
        LimitLeft least{.limit = &limit, .left = limit.most};
        for (const auto& [name, full_at] : ledger.buckets()) {
            const bool is_of_it = name == limit.id || name.starts_with(std::string(limit.id) + " ");
            if (is_of_it) least.left = std::min(least.left, limit.most - in_use(limit, full_at, now));
        }
        told.push_back(least);
    }
    return told;
}

std::vector<PastOrder> past_orders(const Record& record, Instant since) {
    std::vector<PastOrder> orders;
    const GenerationRecord* before = nullptr;
    for (const GenerationRecord& generation : record.generations) {
        // The generation before the oldest that is kept had its names, too.
        const bool is_renewal = before == nullptr ? generation.number > 1
                                                  : before->ordered_for.names == generation.ordered_for.names;
        before = &generation;
        if (generation.issued_at <= since) continue;
        PastOrder past{.at = generation.issued_at, .ca = generation.ordered_for.ca};
        past.order.is_renewal = is_renewal;
        for (const std::string& name : generation.ordered_for.names) {
            if (auto identifier = base::parse_identifier(name))
                past.order.names.push_back(std::move(*identifier));
        }
        orders.push_back(std::move(past));
    }
    return orders;
}

}  // namespace agent
