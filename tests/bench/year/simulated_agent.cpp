// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/year/simulated_agent.hpp"

#include <algorithm>
#include <utility>
#include <variant>

#include "agent/plan/retry.hpp"
#include "agent/work/renewal_window.hpp"

namespace year {

using agent::OrderAhead;
using base::Code;
using base::Instant;
using base::Seconds;
using std::chrono::hours;
using namespace std::chrono_literals;

namespace {

constexpr double kFailing = 0.003;   // orders whose validation fails
constexpr Seconds kPatience = 2min;  // how long a CA that is away keeps a hand

}  // namespace

void SimulatedAgent::take_on(Subject& subject, Instant now) {
    now_ = now;
    agenda_.put(subject.config.name, next_of(subject), agent::pressing_at(subject.record, now_));
}

Instant SimulatedAgent::next(Instant end) const {
    Instant next = events_.empty() ? end : events_.top().at;
    if (const auto due = agenda_.next(); due && under_way_ < kJobs) next = std::min(next, *due);
    return next;
}

/// As the loop of the agent hands it out.
void SimulatedAgent::work(Instant now) {
    now_ = std::max(now_, now);
    if (now_ - pruned_ >= hours(24)) {
        ledger_.prune(limits_, now_);
        static_cast<void>(ledger_.take_changes());
        pruned_ = now_;
    }
    while (!events_.empty() && events_.top().at <= now_) {
        const Event event = events_.top();
        events_.pop();
        happen(event);
    }
    const auto is_free = [this](const agent::Places&) { return has_a_hand(); };
    while (under_way_ < kJobs) {
        const auto due = agenda_.take_due(now_, is_free);
        if (!due) return;
        wake(subjects_[std::stoul(due->certificate)]);
    }
}

// --- what happens

void SimulatedAgent::wake(Subject& subject) {
    agent::Plan plan = plan_of(subject, now_);
    if (plan.ask_ca_at && *plan.ask_ca_at <= now_) {
        ask(subject, now_);
        plan = plan_of(subject, now_);
    }
    if (!plan.renewal_due(now_)) return sleep(subject);
    OrderAhead ahead = agent::order_ahead(subject.config, subject.record, kCa, now_);
    if (const auto hold = agent::hold_of(ledger_, limits_, ahead, now_); hold && !subject.is_placed) {
        ++tally_.figures().held;
        subject.waits_since.reset();
        return stand_at_gate(subject, *hold);
    }
    if (has_a_hand()) return order(subject, std::move(ahead));
    if (!subject.waits_since) subject.waits_since = now_;
    if (calendar_.is_out(now_)) subject.was_delayed = true;
    agenda_.put_back(subject.config.name, calendar_.end, agent::pressing_at(subject.record, now_),
                     {at_the_ca_});
}

void SimulatedAgent::order(Subject& subject, OrderAhead ahead) {
    tally_.note_wait(subject, now_);
    if (calendar_.is_out(now_)) {
        ++tally_.figures().unreachable;
        fail(subject, {.code = Code::CaUnreachable, .message = "the CA does not answer"});
        return go_on(subject, now_ + kPatience, Step::GiveUp);
    }
    if (subject.is_placed) return finish(subject);
    const agent::Admission admission = agent::admit(ledger_, limits_, ahead, /*over_limit=*/false, now_);
    if (const auto* hold = std::get_if<agent::OrderHold>(&admission)) {
        ++tally_.figures().held;
        return stand_at_gate(subject, *hold);
    }
    subject.counted = std::move(ahead);
    go_on(subject, now_ + std::get<Seconds>(admission), Step::Place);
}

/// It keeps a hand until then.
void SimulatedAgent::go_on(Subject& subject, Instant at, Step step) {
    ++under_way_;
    events_.push({.at = at, .subject = &subject, .step = step});
}

void SimulatedAgent::happen(const Event& event) {
    --under_way_;
    switch (event.step) {
        case Step::Place:
            return place(*event.subject);
        case Step::Finish:
            return finish(*event.subject);
        case Step::GiveUp:
            return sleep(*event.subject);
    }
}

void SimulatedAgent::place(Subject& subject) {
    if (calendar_.is_out(now_)) {
        agent::count_unissued(ledger_, limits_, *subject.counted, now_);
        fail(subject, {.code = Code::CaUnreachable, .message = "the answer was lost"});
        return sleep(subject);
    }
    if (subject.counted->is_suggested) ++tally_.figures().spared;
    if (const auto limit = ca_.place(subject.request, now_); !limit.empty()) {
        ++tally_.figures().refused;
        const base::Error error{
            .code = Code::CaRateLimited, .message = "too many: " + std::string(limit), .retry_at = now_ + 1h};
        agent::take_back(ledger_, limits_, *subject.counted, now_);
        agent::learn_refusal(ledger_, limits_, *subject.counted, error, now_);
        fail(subject, error);
        return sleep(subject);
    }
    agent::count_placed(ledger_, limits_, *subject.counted, now_);
    subject.is_placed = true;
    go_on(subject, now_ + Seconds(5 + static_cast<int>(dice_.roll() * 55)), Step::Finish);
}

void SimulatedAgent::finish(Subject& subject) {
    if (calendar_.is_out(now_)) {
        ++tally_.figures().unreachable;
        fail(subject, {.code = Code::CaUnreachable, .message = "the CA does not answer"});
        return sleep(subject);
    }
    subject.is_placed = false;
    if (dice_.roll() < kFailing) {
        ++tally_.figures().failed;
        const std::string& name = subject.request.names.front();
        ca_.fail(name, now_);
        agent::count_unissued(ledger_, limits_, *subject.counted, now_);
        agent::count_failed(ledger_, limits_, {name}, now_);
        fail(subject, {.code = Code::CaValidationFailed, .message = "connection refused"});
        return sleep(subject);
    }
    const bool was_announced =
        subject.is_issued() && ca_.certificate(subject.request.replaces).is_to_be_revoked;
    tally_.note_issuance(subject, was_announced, now_);
    subject.request.replaces = ca_.issue(subject.request, subject.life, now_);
    agent::count_issued(ledger_, limits_, *subject.counted, now_);
    keep(subject, now_);
    sleep(subject);
}

/// As work/renewal_window asks: the answer goes through next_suggestion().
void SimulatedAgent::ask(Subject& subject, Instant now) {
    ++tally_.figures().questions;
    base::Result<acme::RenewalAnswer> answer = base::fail(Code::CaUnreachable, "the CA does not answer");
    if (!calendar_.is_out(now)) {
        const SimulatedCa::Window window = ca_.window(subject.request.replaces, now);
        answer = acme::RenewalAnswer{.window = acme::RenewalWindow{.start = window.start, .end = window.end},
                                     .ask_again = ask_again_in()};
        subject.asked_at = now;
    }
    subject.record.suggestion = agent::next_suggestion(
        subject.record.suggestion, subject.record.wanted()->number, answer, now, dice_.roll());
}

void SimulatedAgent::fail(Subject& subject, base::Error error) {
    if (calendar_.is_out(now_)) subject.was_delayed = true;
    const agent::GenerationRecord* current = subject.record.wanted();
    agent::RetryInput input{.now = now_, .chance = dice_.roll()};
    if (current != nullptr) {
        input.expiry = current->not_after;
        input.lifetime = current->not_after - current->not_before;
    }
    subject.record.issuance = agent::count_failure(subject.record.issuance, std::move(error), input);
}

void SimulatedAgent::keep(Subject& subject, Instant issued) {
    constexpr std::size_t kKept = 2;
    auto& generations = subject.record.generations;
    const int number = generations.empty() ? 1 : generations.back().number + 1;
    generations.reserve(kKept);
    if (generations.size() == kKept) generations.erase(generations.begin());
    generations.push_back({.number = number,
                           .ordered_for = agent::wanted_order(subject.config, kCa),
                           .renewal_id = "aki.serial",
                           .not_before = issued,
                           .not_after = issued + subject.life,
                           .issued_at = issued});
    subject.record.issuance.reset();
    subject.counted.reset();
}

// --- when the next thing happens

agent::Plan SimulatedAgent::plan_of(const Subject& subject, Instant now) {
    return agent::plan(subject.config, subject.record, {.now = now, .has_open_order = subject.is_placed});
}

/// The planner's next instant. A question to the CA before that whose answer is known beforehand changes
/// nothing but what is remembered of this one, and is asked here, as at its time. Once it has been answered,
/// the next ones change nothing but the time of those after them, are counted, and passed over.
Instant SimulatedAgent::next_of(Subject& subject) {
    Instant planned = now_;
    agent::Plan plan = plan_of(subject, planned);
    const auto renewal = [&] { return plan.renewal.held_until.value_or(plan.renewal.at); };
    while (plan.ask_ca_at && is_foreseen(subject, *plan.ask_ca_at)) {
        const Instant ask = std::max(*plan.ask_ca_at, planned);
        if (ask >= renewal()) break;
        if (is_answered(subject) && !calendar_.is_out(ask)) {
            ++tally_.figures().questions;
            subject.asked_at = ask;
            plan.ask_ca_at = subject.record.suggestion->ask_again = ask + ask_again_in();
        } else {
            planned = ask;
            this->ask(subject, planned);
            plan = plan_of(subject, planned);
        }
    }
    return std::max(std::min(renewal(), plan.ask_ca_at.value_or(renewal())), planned);
}

/// The last question about what there is now?
bool SimulatedAgent::is_answered(const Subject& subject) {
    const auto& said = subject.record.suggestion;
    return said && said->generation == subject.record.wanted()->number && said->failures == 0;
}

/// Is it known now what the CA will answer then? Not what it will only announce.
bool SimulatedAgent::is_foreseen(const Subject& subject, Instant ask) const {
    const bool is_before = subject.asked_at.value_or(now_) < calendar_.revocation;
    const bool is_news = is_before && ask >= calendar_.revocation;
    return !is_news && !ca_.certificate(subject.request.replaces).is_to_be_revoked;
}

/// Six hours and up to a fifth to either side, as Boulder's.
Seconds SimulatedAgent::ask_again_in() {
    return Seconds(static_cast<std::int64_t>(21'600 * (0.8 + 0.4 * dice_.roll())));
}

void SimulatedAgent::stand_at_gate(const Subject& subject, const agent::OrderHold& hold) {
    const Instant until = std::max(hold.until, now_ + 1s);
    if (hold.gate.empty()) return put_back(subject, until);
    const Instant longest = now_ + agent::kLongestAtGate;
    agenda_.put_back(subject.config.name,
                     std::min(longest, agent::presses_more_at(subject.record, now_).value_or(longest)),
                     agent::pressing_at(subject.record, now_), {},
                     agent::Gate{.name = hold.gate, .opens_at = until, .behind = {at_the_ca_}});
}

void SimulatedAgent::put_back(const Subject& subject, Instant at) {
    agenda_.put_back(subject.config.name, at, agent::pressing_at(subject.record, now_));
}

}  // namespace year
