// SPDX-License-Identifier: Apache-2.0
#include "agent/work/renewal_window.hpp"

#include <algorithm>

#include <spdlog/spdlog.h>

#include "agent/plan/plan.hpp"

namespace agent {

using base::Result;
using namespace std::chrono_literals;

namespace {

constexpr base::Seconds kAskAgain = 6h;

/// After a failure: 1, 2, 4… minutes.
base::Seconds patience_after(int failures) {
    base::Seconds wait = 1min;
    for (int i = 1; i < failures && wait < kAskAgain; ++i) wait *= 2;
    return std::min(wait, kAskAgain);
}

}  // namespace

Suggestion next_suggestion(const std::optional<Suggestion>& before, int generation,
                           const Result<acme::RenewalAnswer>& answer, base::Instant now, double chance) {
    Suggestion next;
    if (before && before->generation == generation) next = *before;
    next.generation = generation;
    if (!answer) {
        // An answer that makes no sense is none, and asking again soon will not mend it.
        const base::Code code = answer.error().code;
        const bool is_nonsense = code == base::Code::CaProtocol || code == base::Code::NetTooLarge;
        const bool is_passing = base::class_of(code) == base::ErrorClass::Transient && !is_nonsense;
        next.failures += 1;
        next.ask_again = now + (is_passing ? patience_after(next.failures) : kAskAgain);
        if (answer.error().retry_at)
            next.ask_again = std::clamp(*answer.error().retry_at, next.ask_again, now + base::Seconds(24h));
        return next;
    }
    next.failures = 0;
    next.ask_again = now + answer->ask_again;
    if (!answer->window) {
        next.start = next.end = next.at = std::nullopt;
        next.explanation_url.clear();
        return next;
    }
    const acme::RenewalWindow& window = *answer->window;
    if (next.start != window.start || next.end != window.end || !next.at)
        next.at = acme::pick_instant(window, chance);
    next.start = window.start;
    next.end = window.end;
    next.explanation_url = window.explanation_url;
    return next;
}

bool hurries(const std::optional<Suggestion>& before, const Suggestion& next, base::Instant now) {
    if (!next.end || *next.end > now) return false;
    const bool is_same = before && before->generation == next.generation && before->start == next.start &&
                         before->end == next.end;
    return !is_same;
}

Result<void> ask_for_renewal_window(Surroundings& s, Keeper& keeper) {
    const Record record = keeper.record();
    const GenerationRecord* current = record.wanted();
    if (current == nullptr) return {};
    const CaConfig* ca = issuer_of(s.config, current->ordered_for);
    const auto answer = ca == nullptr
                            ? Result<acme::RenewalAnswer>(acme::RenewalAnswer{})  // nobody to ask any more
                            : acme::fetch_renewal_window(s.session(*ca), current->renewal_id);
    if (ca != nullptr) s.clock_watch().hear(ca->name, s.session(*ca).seen_date());
    if (!answer) s.log.info("{}: renewal information: {}", record.name, answer.error().message);
    const Suggestion next =
        next_suggestion(record.suggestion, current->number, answer, s.clock.now(), s.chance());
    const bool is_new = next.at && (!record.suggestion || record.suggestion->at != next.at);
    if (is_new) {
        const std::string why =
            next.explanation_url.empty() ? "" : "; the CA explains: " + next.explanation_url;
        s.log.info("{}: {} suggests to renew between {} and {}{}", record.name, current->ordered_for.ca,
                   base::format_instant(*next.start), base::format_instant(*next.end), why);
        s.remember(record.name, {.what = "suggested",
                                 .generation = current->number,
                                 .text = "renewal at " + base::format_instant(*next.at) + why});
    }
    const bool is_hurried = answer.has_value() && hurries(record.suggestion, next, s.clock.now());
    return keeper.change([&](Record& changed) {
        changed.suggestion = next;
        if (is_hurried) changed.hurried_by_ca = std::max(changed.hurried_by_ca, current->number);
    });
}

}  // namespace agent
