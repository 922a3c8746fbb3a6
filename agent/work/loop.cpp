// SPDX-License-Identifier: Apache-2.0
#include "agent/work/loop.hpp"

#include <algorithm>
#include <csignal>
#include <exception>
#include <utility>

#include <malloc.h>
#include <spdlog/spdlog.h>

#include "agent/plan/plan.hpp"
#include "agent/plan/retry.hpp"
#include "agent/tell/words.hpp"
#include "agent/work/control.hpp"
#include "agent/work/removed.hpp"
#include "agent/work/status_now.hpp"

namespace agent {

using base::Instant;
using base::Seconds;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t kCrewMax = 1024;        // agent.jobs bounds it further
constexpr base::Seconds kBusyPause = 5s;      // another renewd is at work on it, and will say when it is done
constexpr base::Seconds kStorePause = 60s;    // a full disk is looked at again
constexpr base::Seconds kShortestPause = 1s;  // what is due again at once does not turn the loop into a mill
constexpr base::Milliseconds kPark = 8s;      // what a stop waits for
constexpr base::Milliseconds kDrain = 30s;    // what a changed configuration waits for
constexpr base::Milliseconds kLongJob = 1h;   // beyond this, it is told
constexpr base::Milliseconds kLongestJob = 24h;  // beyond this, something hangs
// What is done beside the certificates stands in the agenda, too, under names that no certificate can have.
constexpr const char* kRemoved = "removed certificates";
constexpr const char* kMetrics = "metrics file";
constexpr Instant kBeside{};  // before any certificate that waits for a hand
constexpr base::Seconds kTendRemovedEvery = 1h;
constexpr base::Seconds kShowMetricsEvery = 1min;  // free space and limits change by themselves
constexpr base::Seconds kShowMetricsSoon = 2s;
constexpr int kShowMetricsShare = 50;  // at most one part in so many of a processor's time
constexpr std::size_t kWorthSaving = 1000;
constexpr base::Milliseconds kSaveEvery = 10min;
constexpr Seconds kWorthPlanningAnew = 1min;

Seconds offset_of(const base::Clock& clock) {
    return clock.now().time_since_epoch() - std::chrono::floor<Seconds>(clock.steady().time_since_epoch());
}

}  // namespace

Loop::Loop(LoopParts parts, Accepted accepted, const ControlSocket& control)
    : parts_(std::move(parts)),
      control_(control),
      index_file_(parts_.files, accepted.catalogue.ground().agent.state_dir),
      sessions_(std::make_shared<Sessions>(parts_.store, parts_.transport, parts_.clock)),
      turns_(std::make_shared<Turns>()),
      note_{.since = parts_.clock.now()},
      saved_at_(parts_.clock.steady()),
      clock_offset_(offset_of(parts_.clock)),
      crew_(kCrewMax) {
    turns_->on_return([this] { parts_.wakeup.call(); });
    enter(std::move(accepted));
    parts_.wakeup.watch(control_.descriptor());
}

void Loop::enter(Accepted accepted) {
    note_.config_error = std::move(accepted.error);
    note_.config_accepted_at = accepted.accepted_at;
    const std::shared_ptr<Epoch> before = epoch_;
    epoch_ = std::make_shared<Epoch>(std::move(accepted.catalogue));
    epoch_->surroundings =
        std::make_unique<Surroundings>(epoch_->catalogue.ground(), parts_.store, parts_.files,
                                       parts_.transport, parts_.clock, parts_.progress, parts_.log);
    epoch_->surroundings->sessions = sessions_;
    epoch_->surroundings->turns = turns_;
    keep_metrics(before.get());
    if (before) {
        plan_anew(before->catalogue);
    } else {
        plan_start(accepted.is_new);
    }
    tell_state();
    (void)::malloc_trim(0);  // reading a large configuration takes ten times what is kept of it
}

/// At a start. What the index knows of the same configuration is taken from there, everything else is looked
/// into now.
void Loop::plan_start(bool tries_again) {
    const Index known = index_file_.load();
    // Whatever was noted until now is missing in it, and is about to be planned anew.
    if (index_file_.has_notes() && !index_file_.save(known))
        parts_.log.warn("the index of due times cannot be written");
    for (const Listed& listed : epoch_->catalogue.list().certificates) {
        const auto entry = known.find(listed.name);
        const bool is_known = entry != known.end() && entry->second.fingerprint == listed.fingerprint;
        // It may have been noted under a clock that was ahead: nothing of it is believed for more than a day.
        const Instant believed = parts_.clock.now() + 1h + Seconds(listed.fingerprint % 82'800);
        const bool is_put_off = is_known && !tries_again;
        agenda_.put(listed.name, is_put_off ? std::min(entry->second.due, believed) : Instant{},
                    is_known ? entry->second.pressing_at.value_or(kNotKnown) : kNotKnown);
        if (!is_known) ++unsaved_;
        if (tries_again) mended_.insert(listed.name);
    }
    agenda_.put(kRemoved, parts_.clock.now() + kTendRemovedEvery / 6, kBeside);
}

/// After a reload everything is looked into, with another try for what only a person could mend: it may have
/// been in a file that is none of the configuration's, a secret or a request.
void Loop::plan_anew(const Catalogue& before) {
    for (const Listed& listed : epoch_->catalogue.list().certificates) {
        agenda_.put(listed.name, Instant{});
        mended_.insert(listed.name);
        ++unsaved_;
    }
    for (const Listed& listed : before.list().certificates) {
        if (epoch_->catalogue.find(listed.name) != nullptr) continue;
        agenda_.drop(listed.name);
        note_store({.name = listed.name});
    }
}

int Loop::run() {
    parts_.manager.ready(state_words());
    while (true) {
        begin_what_is_due();
        keep_index(/*now=*/false);
        feed_watchdog();
        const base::Woken woken = parts_.wakeup.wait(next_wake(), next_beat());
        plan_again_after_a_jump();
        take_back_finished();
        if (woken.has_visitor) hear();
        for (const int signal : woken.signals) {
            if (signal == SIGHUP) {
                reload();
                continue;
            }
            stop(kPark);
            return signal;
        }
    }
}

/// What was planned by the clock before is looked into anew: after a clock that was ahead, everything would
/// else be due far too late.
void Loop::plan_again_after_a_jump() {
    const Seconds offset = offset_of(parts_.clock);
    if (std::chrono::abs(offset - clock_offset_) < kWorthPlanningAnew) return;
    clock_offset_ = offset;
    parts_.log.warn("the clock was set: it is {} now", base::format_instant(parts_.clock.now()));
    for (const Listed& listed : epoch_->catalogue.list().certificates) agenda_.put(listed.name, Instant{});
    agenda_.put(kRemoved, parts_.clock.now() + kTendRemovedEvery / 6, kBeside);
}

/// When the next one is due, if there is a hand free for it; a hand that becomes free wakes us by itself.
std::optional<Instant> Loop::next_wake() const {
    const bool is_full = jobs_.size() >= settings().jobs;
    return is_full || reloaded_at_ ? std::nullopt : agenda_.next();
}

/// How long nothing but that may come: the watchdog wants to be fed, or an earlier epoch is waited for.
std::optional<base::Milliseconds> Loop::next_beat() const {
    const auto watchdog = parts_.manager.watchdog();
    if (!watchdog) return reloaded_at_ ? std::optional(kDrain) : std::nullopt;
    return reloaded_at_ ? std::min(kDrain, *watchdog / 2) : *watchdog / 2;
}

void Loop::begin_what_is_due() {
    if (waits_for_an_earlier_epoch()) return;
    while (jobs_.size() < settings().jobs) {
        const auto due = agenda_.take_due(parts_.clock.now(),
                                          [&](const Places& places) { return turns_->is_free(places); });
        if (!due) return;
        begin(*due);
    }
}

/// Two epochs do not work side by side if that can be had: both would listen on the same port for a CA.
bool Loop::waits_for_an_earlier_epoch() {
    if (!reloaded_at_) return false;
    const bool is_drained =
        std::ranges::none_of(jobs_, [&](const auto& job) { return job.second.epoch != epoch_; });
    if (!is_drained && parts_.clock.steady() - *reloaded_at_ < kDrain) return true;
    reloaded_at_.reset();
    return false;
}

/// One of which nobody knows how pressing it is, is only judged first: else thousands that stand before it in
/// the alphabet would have their orders while its time runs out.
void Loop::begin(const Due& due) {
    const std::string& certificate = due.certificate;
    // Gone from the configuration and back in it while it was being worked on.
    if (jobs_.contains(certificate)) {
        agenda_.put_back(certificate, parts_.clock.now() + kBusyPause);
        return;
    }
    Task task{.epoch = epoch_,
              .certificate = certificate,
              .options = {.wishes = {.mended = mended_.contains(certificate)}, .wait = base::Seconds(0)},
              .turn = due.called_up_for.empty() ? nullptr : turns_->take(due.called_up_for),
              .only_judges = due.pressing_at == kNotKnown};
    const Job job{.epoch = epoch_,
                  .begun = parts_.clock.steady(),
                  .only_judges = task.only_judges,
                  .is_mended = task.options.wishes.mended};
    const bool has_begun = crew_.begin([this, task = std::move(task)]() mutable {
        CertificateOutcome outcome{.name = task.certificate};
        try {
            outcome = work_on(std::move(task));
        } catch (const std::exception& bug) {
            outcome.error = error_of_bug(bug);
        }
        {
            const std::scoped_lock guard(finished_mutex_);
            finished_.push_back(std::move(outcome));
        }
        parts_.wakeup.call();
    });
    if (has_begun) {
        jobs_.emplace(certificate, job);
        mended_.erase(certificate);
    } else {
        agenda_.put_back(certificate, parts_.clock.now() + kShortestPause);
    }
}

void Loop::keep_metrics(const Epoch* before) {
    config_ok_ = note_.config_error.empty();
    const std::string& path = settings().metrics_file;
    if (path.empty()) {
        agenda_.drop(kMetrics);
        return;
    }
    const bool goes_on = before != nullptr && before->metrics && before->metrics->path() == path;
    epoch_->metrics = goes_on ? before->metrics : std::make_shared<MetricsKeeper>(parts_.files, path);
    epoch_->surroundings->on_attempt = std::bind_front(&MetricsKeeper::attempted, epoch_->metrics);
    agenda_.put(kMetrics, Instant{}, kBeside);
}

/// Soon; the more there is to write, the more is written at once.
void Loop::metrics_have_changed() {
    const auto due = agenda_.due(kMetrics);
    if (!due) return;
    agenda_.put(kMetrics,
                std::min(*due, std::max(parts_.clock.now() + kShowMetricsSoon, metrics_not_before_)));
}

/// On a thread of the crew.
CertificateOutcome Loop::show_metrics(const Epoch& epoch) const {
    CertificateOutcome outcome{.name = kMetrics, .next = parts_.clock.now() + kShowMetricsEvery};
    const auto shown = agent::show_metrics(*epoch.metrics, *epoch.surroundings, epoch.catalogue,
                                           {.config_ok = config_ok_, .store_ok = store_ok_});
    if (!shown) outcome.error = shown.error();
    return outcome;
}

/// On a thread of the crew.
CertificateOutcome Loop::work_on(Task task) const {
    const Epoch& epoch = *task.epoch;
    const std::string& certificate = task.certificate;
    if (certificate == kRemoved) {
        const auto is_configured = [&](const std::string& name) {
            return epoch.catalogue.find(name) != nullptr;
        };
        tend_all_removed(*epoch.surroundings, is_configured, /*eager=*/false);
        return {.name = certificate, .next = parts_.clock.now() + kTendRemovedEvery};
    }
    if (certificate == kMetrics) return show_metrics(epoch);
    auto config = epoch.catalogue.certificate(certificate);
    if (!config) return {.name = certificate, .error = std::move(config).error()};
    if (task.only_judges) return judge_only(*epoch.surroundings, *config, task.options);
    CertificateOutcome outcome =
        run_pass_on(*epoch.surroundings, *config, task.options, std::move(task.turn));
    if (epoch.metrics) {
        const StatusNow found = status_now(*epoch.surroundings, *config);
        const Instant now = parts_.clock.now();
        epoch.metrics->note(figures_of(found.status), outcome.error ? std::nullopt : std::optional(now));
    }
    return outcome;
}

void Loop::take_back_finished() {
    std::vector<CertificateOutcome> finished;
    {
        const std::scoped_lock guard(finished_mutex_);
        finished.swap(finished_);
    }
    for (const CertificateOutcome& outcome : finished) take_back(outcome);
}

void Loop::take_back(const CertificateOutcome& outcome) {
    const Instant now = parts_.clock.now();
    const auto job = jobs_.extract(outcome.name);
    if (outcome.name == kMetrics) {
        const auto took = parts_.clock.steady() - job.mapped().begun;
        metrics_not_before_ = now + std::chrono::ceil<Seconds>(kShowMetricsShare * took);
    } else {
        note_store(outcome);
        metrics_have_changed();
    }
    const Instant at = outcome.error ? after_error(outcome, now) : outcome.next.value_or(now + kStorePause);
    if (!outcome.error) bugs_.erase(outcome.name);
    for (const std::string& remark : outcome.remarks) parts_.log.info("{}", remark);
    const bool has_just_begun = job.mapped().only_judges && at == Instant{};
    const bool was_locked = outcome.error && outcome.error->code == base::Code::StateLocked;
    if (job.mapped().is_mended && (has_just_begun || was_locked || outcome.is_wish_left))
        mended_.insert(outcome.name);
    std::optional<Gate> gate = outcome.gate;
    if (gate) gate->opens_at = std::max(gate->opens_at, now + kShortestPause);
    agenda_.put_back(outcome.name, has_just_begun ? at : std::max(at, now + kShortestPause),
                     outcome.pressing_at, outcome.waits_for, gate);
    ++unsaved_;
}

/// When it is tried again.
Instant Loop::after_error(const CertificateOutcome& outcome, Instant now) {
    const base::Error& error = *outcome.error;
    if (error.code == base::Code::StateLocked) return now + kBusyPause;
    parts_.log.error("{}: {}", outcome.name, error.message);
    if (error.code != base::Code::InternalUnexpected) return now + kStorePause;
    const auto known = bugs_.find(outcome.name);
    const Failure failure =
        count_failure(known == bugs_.end() ? std::nullopt : std::optional(known->second), error,
                      {.effort = Effort::Deployment, .now = now, .chance = epoch_->surroundings->chance()});
    return bugs_.insert_or_assign(outcome.name, failure).first->second.next_attempt;
}

void Loop::hear() {
    for (const ControlLine& line : control_.hear()) {
        if (line.text == kStateQuestion)
            control_.answer(line, let_down_.empty() ? std::string_view() : let_down_.begin()->second);
        if (line.text == kNoteQuestion) control_.answer(line, to_text(note_));
        const std::string certificate = certificate_changed(line.text);
        if (!certificate.empty() && agenda_.knows(certificate)) agenda_.put(certificate, Instant{});
    }
}

void Loop::reload() {
    parts_.manager.reloading();
    auto accepted = parts_.read_again();
    const std::string& state_dir = settings().state_dir;
    if (accepted && accepted->catalogue.ground().agent.state_dir != state_dir) {
        accepted = tl::make_unexpected(std::vector{base::Error{
            .code = base::Code::ConfigConflict,
            .message = accepted->catalogue.ground().file + ": agent.state_dir was " + state_dir +
                       " when the agent was started, and cannot change while it runs; restart it"}});
    }
    if (accepted) {
        parts_.log.info("the configuration was read again: {}",
                        counted(accepted->catalogue.list().certificates.size(), "certificate"));
        reloaded_at_ = parts_.clock.steady();
        enter(std::move(*accepted));
    } else {
        for (const base::Error& error : accepted.error()) parts_.log.error("{}", error.message);
        parts_.log.error("the configuration is not taken: {}; the one before stays in force",
                         counted(accepted.error().size(), "problem"));
        note_.config_error = accepted.error().front().message;
        config_ok_ = false;
        metrics_have_changed();
        tell_state();
    }
    parts_.manager.ready(state_words());
}

/// A certificate that the state has let down is tried again within a minute: what is told here is over soon
/// after it can be written again.
void Loop::note_store(const CertificateOutcome& outcome) {
    const std::string before = state_words();
    if (is_let_down_by_the_state(outcome)) {
        let_down_.insert_or_assign(outcome.name, outcome.error->message);
    } else {
        let_down_.erase(outcome.name);
    }
    store_ok_ = let_down_.empty();
    if (state_words() != before) parts_.manager.status(state_words());
}

/// For `status`, and for `systemctl status`.
void Loop::tell_state() {
    const auto noted = write_note(parts_.files, settings().state_dir, note_);
    if (!noted) parts_.log.warn("{}", noted.error().message);
    parts_.manager.status(state_words());
}

std::string Loop::state_words() const {
    std::string text = counted(epoch_->catalogue.list().certificates.size(), "certificate");
    if (!note_.config_error.empty()) text += "; the configuration is not in force: " + note_.config_error;
    if (!let_down_.empty()) text += "; the state cannot be read or written: " + let_down_.begin()->second;
    return text;
}

/// Long work is told once: a hook or a look may have been given hours. Whoever does not come back within a
/// day hangs. Then nobody feeds the watchdog: a new process resumes everything.
void Loop::feed_watchdog() {
    const base::Steady now = parts_.clock.steady();
    bool hangs = false;
    for (auto& [name, job] : jobs_) {
        hangs = hangs || now - job.begun >= kLongestJob;
        if (now - job.begun < kLongJob || std::exchange(job.is_told, true)) continue;
        parts_.log.error("{}: the work on it has not come to an end within an hour", name);
    }
    if (!hangs) parts_.manager.feed_watchdog();
}

/// While nobody is waiting for it; what is being worked on is left out, and planned anew by the next start.
void Loop::keep_index(bool now) {
    const bool is_worth_it =
        unsaved_ >= kWorthSaving || (unsaved_ > 0 && parts_.clock.steady() - saved_at_ > kSaveEvery);
    const auto next = agenda_.next();
    const bool is_quiet = jobs_.empty() && next && *next > parts_.clock.now();
    if (unsaved_ == 0 || (!now && !(is_worth_it && is_quiet))) return;
    // What it has noted as changed is then planned anew by the next start.
    if (epoch_->surroundings->clock_watch().judge().state == ClockState::Ahead) return;
    Index index;
    for (const Listed& listed : epoch_->catalogue.list().certificates) {
        const auto due = agenda_.due(listed.name);
        if (due && *due != Instant{} && agenda_.pressing_at(listed.name) != kNotKnown)
            index.emplace_hint(index.end(), listed.name,
                               IndexEntry{.due = *due,
                                          .fingerprint = listed.fingerprint,
                                          .pressing_at = agenda_.pressing_at(listed.name)});
    }
    const auto saved = index_file_.save(index);
    if (!saved) parts_.log.warn("{}", saved.error().message);
    unsaved_ = 0;
    saved_at_ = parts_.clock.steady();
    (void)::malloc_trim(0);  // much was done since: each thread of the crew keeps what it once had
}

void Loop::stop(base::Milliseconds patience) {
    parts_.manager.stopping();
    epoch_->surroundings->stopping = true;
    for (const auto& [name, job] : jobs_) job.epoch->surroundings->stopping = true;
    if (!jobs_.empty()) parts_.log.info("stopping; {} in work", counted(jobs_.size(), "certificate"));
    const base::Steady until = parts_.clock.steady() + patience;
    while (!jobs_.empty() && parts_.clock.steady() < until) {
        const auto left = std::chrono::ceil<base::Milliseconds>(until - parts_.clock.steady());
        const base::Woken woken = parts_.wakeup.wait(std::nullopt, left);
        if (woken.has_visitor) (void)control_.hear();
        take_back_finished();
    }
    if (!jobs_.empty())
        parts_.log.info("{} parked; the next start goes on with it", counted(jobs_.size(), "certificate"));
    keep_index(/*now=*/true);
    remove_note(parts_.files, settings().state_dir);
}

}  // namespace agent
