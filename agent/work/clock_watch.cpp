// SPDX-License-Identifier: Apache-2.0
#include "agent/work/clock_watch.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include <spdlog/spdlog.h>

namespace agent {

using base::Seconds;
using namespace std::chrono_literals;

namespace {

constexpr Seconds kWriteEvery = 1h;
constexpr Seconds kTellEvery = 1h;
constexpr Seconds kAskEvery = 5min;
constexpr Seconds kNoticed = 5min;  // too little to be wrong, and more than a clock that is kept right is off
constexpr Seconds kFresh = 1min;    // a machine that was stopped counts no time meanwhile

/// How far the clock is off, ahead or behind, where that is not wrong and may be noticed all the same.
std::optional<Seconds> noticed(const ClockEvidence& evidence, const ClockVerdict& verdict) {
    const auto& heard = evidence.heard;
    if (verdict.state != ClockState::Right || !heard || !heard->ago || *heard->ago > kFresh)
        return std::nullopt;
    const Seconds off = evidence.now - (heard->date + *heard->ago);
    return std::chrono::abs(off) > kNoticed ? std::optional(off) : std::nullopt;
}

Seconds since_boot(base::Steady at) {
    return std::chrono::floor<Seconds>(at.time_since_epoch());
}

bool is_wrong(ClockState state) {
    return state == ClockState::Ahead || state == ClockState::Behind;
}

}  // namespace

ClockWatch::ClockWatch(base::Files& files, std::string state_dir, base::Clock& clock, spdlog::logger& log,
                       std::string boot)
    : files_(files), state_dir_(std::move(state_dir)), clock_(clock), log_(log), boot_(std::move(boot)) {}

void ClockWatch::hear(const std::string& ca, const std::optional<acme::Session::SeenDate>& seen) {
    if (!seen) return;
    const std::scoped_lock guard(mutex_);
    const auto [known, is_first] = heard_.try_emplace(ca);
    Heard& heard = known->second;
    if (!is_first && heard.at >= seen->at) return;
    heard.date = seen->date;
    heard.now = seen->now;
    heard.at = seen->at;
    const base::Steady now = clock_.steady();
    if (heard.written_at && now - *heard.written_at < kWriteEvery) return;
    heard.written_at = now;
    // The next process asks before it orders; nothing else comes of it.
    if (const auto written = write(); !written)
        log_.debug("the CA's date could not be kept: {}", written.error().message);
}

/// Under mutex_. Another process may have heard other CAs meanwhile.
base::Result<void> ClockWatch::write() {
    std::map<std::string, KeptDate> dates;
    for (KeptDate& kept : read_dates(files_, state_dir_)) dates.insert_or_assign(kept.ca, std::move(kept));
    for (const auto& [ca, heard] : heard_)
        dates.insert_or_assign(ca, KeptDate{.ca = ca,
                                            .date = heard.date,
                                            .now = heard.now,
                                            .boot = boot_,
                                            .since_boot = since_boot(heard.at)});
    std::vector<KeptDate> all;
    all.reserve(dates.size());
    for (auto& [ca, kept] : dates) all.push_back(std::move(kept));
    return write_dates(files_, state_dir_, all);
}

/// Under mutex_.
void ClockWatch::read() {
    if (std::exchange(is_read_, true)) return;
    for (KeptDate& kept : read_dates(files_, state_dir_)) kept_.insert_or_assign(kept.ca, std::move(kept));
}

/// Under mutex_.
std::optional<HeardDate> ClockWatch::heard(const std::string& ca) {
    const base::Steady now = clock_.steady();
    if (const auto heard = heard_.find(ca); heard != heard_.end()) {
        return HeardDate{
            .date = heard->second.date, .ago = std::chrono::floor<Seconds>(now - heard->second.at), .ca = ca};
    }
    read();
    const auto kept = kept_.find(ca);
    if (kept == kept_.end()) return std::nullopt;
    const Seconds ago = since_boot(now) - kept->second.since_boot;
    const bool is_of_this_start = !boot_.empty() && kept->second.boot == boot_ && ago >= Seconds(0);
    return HeardDate{
        .date = kept->second.date, .ago = is_of_this_start ? std::optional(ago) : std::nullopt, .ca = ca};
}

/// Under mutex_.
std::vector<HeardDate> ClockWatch::all_heard() {
    read();
    std::set<std::string> cas;
    for (const auto& [ca, one] : heard_) cas.insert(ca);
    for (const auto& [ca, one] : kept_) cas.insert(ca);
    std::vector<HeardDate> all;
    all.reserve(cas.size());
    for (const std::string& ca : cas) {
        if (auto date = heard(ca)) all.push_back(std::move(*date));
    }
    return all;
}

ClockVerdict ClockWatch::judge(const Record& record, const std::string& ca) {
    const std::scoped_lock guard(mutex_);
    std::string whose = ca;
    if (const GenerationRecord* held = record.wanted(); held != nullptr && whose.empty())
        whose = held->ordered_for.ca;
    const base::Instant now = clock_.now();
    ClockEvidence evidence{.now = now,
                           .heard = whose.empty() ? nearest_date(all_heard(), now) : heard(whose)};
    for (const GenerationRecord& generation : record.generations) {
        if (generation.ordered_for.ca != whose) continue;
        evidence.latest_not_before =
            std::max(evidence.latest_not_before.value_or(generation.not_before), generation.not_before);
    }
    ClockVerdict verdict = check_clock(evidence);
    const std::string teller = evidence.heard ? evidence.heard->ca : whose;
    const auto off = noticed(evidence, verdict);
    if (Told& told = told_[teller]; off && told.at == base::Steady{}) {
        log_.warn(
            "this machine's clock is {} min {} the Date of the CA {}; nothing is held back for that, but set "
            "it, "
            "and see why it is not kept right (timedatectl, chrony)",
            std::chrono::round<std::chrono::minutes>(std::chrono::abs(*off)).count(),
            *off > Seconds(0) ? "ahead of" : "behind", teller);
        told.at = clock_.steady();
    }
    tell(teller, verdict);
    return verdict;
}

/// Under mutex_.
void ClockWatch::tell(const std::string& ca, const ClockVerdict& verdict) {
    const base::Steady now = clock_.steady();
    Told& told = told_[ca];
    if (is_wrong(verdict.state) && (verdict.state != told.state || now - told.at >= kTellEvery)) {
        log_.warn("{}; {}", verdict.message, verdict.hint);
        told = {.state = verdict.state, .at = now};
    } else if (verdict.state == ClockState::Right && is_wrong(told.state)) {
        log_.info("this machine's clock is right again");
        told.state = verdict.state;
    }
}

bool ClockWatch::wants_to_ask(const std::string& ca) {
    const std::scoped_lock guard(mutex_);
    const base::Instant shown = clock_.now();
    const auto state_by = [&](const HeardDate& date) {
        return check_clock({.now = shown, .heard = date}).state;
    };
    const auto own = heard(ca);
    const bool is_doubtful = own && own->ago ? state_by(*own) == ClockState::Ahead
                                             : std::ranges::any_of(all_heard(), [&](const HeardDate& date) {
                                                   return is_wrong(state_by(date));
                                               });
    if (!is_doubtful) return false;
    const base::Steady now = clock_.steady();
    if (const auto heard = heard_.find(ca); heard != heard_.end() && now - heard->second.at < kAskEvery)
        return false;
    const auto [asked, is_first] = asked_at_.try_emplace(ca, now);
    if (!is_first && now - asked->second < kAskEvery) return false;
    asked->second = now;
    return true;
}

base::Error clock_error(const ClockVerdict& verdict) {
    return {
        .code = base::Code::ClockWrong, .message = verdict.message, .hint = verdict.hint, .step = "clock"};
}

}  // namespace agent
