// SPDX-License-Identifier: Apache-2.0
#include "agent/work/clock_watch.hpp"

#include <algorithm>

#include <spdlog/spdlog.h>

namespace agent {

using base::Seconds;
using namespace std::chrono_literals;

namespace {

constexpr Seconds kWriteEvery = 1h;
constexpr Seconds kTellEvery = 1h;
constexpr Seconds kAskEvery = 5min;

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

void ClockWatch::hear(const std::optional<acme::Session::SeenDate>& seen) {
    if (!seen) return;
    const std::scoped_lock guard(mutex_);
    if (heard_ && heard_->at >= seen->at) return;
    heard_ = Heard{.date = seen->date, .at = seen->at};
    const base::Steady now = clock_.steady();
    if (written_at_ && now - *written_at_ < kWriteEvery) return;
    written_at_ = now;
    const auto written =
        write_date(files_, state_dir_,
                   {.date = seen->date, .now = seen->now, .boot = boot_, .since_boot = since_boot(seen->at)});
    // The next process asks before it orders; nothing else comes of it.
    if (!written) log_.debug("the CA's date could not be kept: {}", written.error().message);
}

/// Under mutex_.
std::optional<HeardDate> ClockWatch::heard() {
    const base::Steady now = clock_.steady();
    if (heard_) return HeardDate{.date = heard_->date, .ago = std::chrono::floor<Seconds>(now - heard_->at)};
    if (!is_read_) kept_ = read_date(files_, state_dir_);
    is_read_ = true;
    if (!kept_) return std::nullopt;
    const Seconds ago = since_boot(now) - kept_->since_boot;
    const bool is_of_this_start = !boot_.empty() && kept_->boot == boot_ && ago >= Seconds(0);
    return HeardDate{.date = kept_->date, .ago = is_of_this_start ? std::optional(ago) : std::nullopt};
}

ClockVerdict ClockWatch::judge(const Record& record) {
    const std::scoped_lock guard(mutex_);
    ClockEvidence evidence{.now = clock_.now(), .heard = heard()};
    for (const GenerationRecord& generation : record.generations) {
        evidence.latest_not_before =
            std::max(evidence.latest_not_before.value_or(generation.not_before), generation.not_before);
    }
    ClockVerdict verdict = check_clock(evidence);
    tell(verdict);
    return verdict;
}

/// Under mutex_.
void ClockWatch::tell(const ClockVerdict& verdict) {
    const base::Steady now = clock_.steady();
    const bool is_due = !told_at_ || now - *told_at_ >= kTellEvery;
    if (is_wrong(verdict.state) && (verdict.state != told_ || is_due)) {
        log_.warn("{}; {}", verdict.message, verdict.hint);
        told_at_ = now;
        told_ = verdict.state;
    } else if (verdict.state == ClockState::Right && is_wrong(told_)) {
        log_.info("this machine's clock is right again");
        told_ = verdict.state;
    }
}

bool ClockWatch::wants_to_ask() {
    const std::scoped_lock guard(mutex_);
    const base::Steady now = clock_.steady();
    if (check_clock({.now = clock_.now(), .heard = heard()}).state != ClockState::Ahead) return false;
    if (heard_ && now - heard_->at < kAskEvery) return false;
    if (asked_at_ && now - *asked_at_ < kAskEvery) return false;
    asked_at_ = now;
    return true;
}

base::Error clock_error(const ClockVerdict& verdict) {
    return {
        .code = base::Code::ClockWrong, .message = verdict.message, .hint = verdict.hint, .step = "clock"};
}

}  // namespace agent
