// SPDX-License-Identifier: Apache-2.0
// The agent of the simulated year: planner, backoff, suggestions, ledger, and agenda with its sixteen hands,
// put together as in agent/work, where nothing but the time passes.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <queue>
#include <span>
#include <tuple>
#include <vector>

#include "agent/plan/agenda.hpp"
#include "agent/plan/ca_limits.hpp"
#include "agent/plan/ledger.hpp"
#include "agent/plan/place.hpp"
#include "agent/plan/plan.hpp"
#include "base/clock.hpp"
#include "base/error.hpp"
#include "tests/bench/year/calendar.hpp"
#include "tests/bench/year/simulated_ca.hpp"
#include "tests/bench/year/subject.hpp"
#include "tests/bench/year/tally.hpp"

namespace year {

/// As it is called in configurations.
inline constexpr const char* kCa = "letsencrypt";

class SimulatedAgent {
  public:
    /// Each of the subjects is called by its number.
    SimulatedAgent(const Calendar& calendar, std::deque<Subject>& subjects, SimulatedCa& ca, Tally& tally,
                   Dice& dice)
        : calendar_(calendar), subjects_(subjects), ca_(ca), tally_(tally), dice_(dice) {}

    /// Looks after this one from now on.
    void take_on(Subject& subject, base::Instant now);

    /// Something has happened to it.
    void look_into(const Subject& subject, base::Instant now) { agenda_.put(subject.config.name, now); }

    /// When there is something to do next, before `end`.
    [[nodiscard]] base::Instant next(base::Instant end) const;
    /// All that is to be done then.
    void work(base::Instant now);

    /// A generation has come, as work/renew keeps it, and as its pass prunes it.
    static void keep(Subject& subject, base::Instant issued);

  private:
    enum class Step { Place, Finish, GiveUp };

    /// What comes of an order that is under way.
    struct Event {
        base::Instant at{};
        Subject* subject = nullptr;
        Step step = Step::Place;

        friend bool operator>(const Event& a, const Event& b) {
            return std::tie(a.at, a.subject->number) > std::tie(b.at, b.subject->number);
        }
    };

    [[nodiscard]] bool has_a_hand() const { return under_way_ < agent::share_of(kJobs); }

    void wake(Subject& subject);
    void order(Subject& subject, agent::OrderAhead ahead);
    void go_on(Subject& subject, base::Instant at, Step step);
    void happen(const Event& event);
    void place(Subject& subject);
    void finish(Subject& subject);
    void ask(Subject& subject, base::Instant now);
    void fail(Subject& subject, base::Error error);

    [[nodiscard]] static agent::Plan plan_of(const Subject& subject, base::Instant now);
    [[nodiscard]] base::Instant next_of(Subject& subject);
    [[nodiscard]] static bool is_answered(const Subject& subject);
    [[nodiscard]] bool is_foreseen(const Subject& subject, base::Instant ask) const;
    [[nodiscard]] base::Seconds ask_again_in();
    void put_back(const Subject& subject, base::Instant at);
    void stand_at_gate(const Subject& subject, const agent::OrderHold& hold);

    void sleep(Subject& subject) { put_back(subject, next_of(subject)); }

    static constexpr std::size_t kJobs = 16;  // agent.jobs

    const Calendar& calendar_;
    std::deque<Subject>& subjects_;
    SimulatedCa& ca_;
    Tally& tally_;
    Dice& dice_;
    base::Instant now_ = calendar_.begin;
    base::Instant pruned_ = calendar_.begin;
    const std::span<const agent::CaLimit> limits_ =
        agent::limits_of("https://acme-v02.api.letsencrypt.org/directory");
    agent::Ledger ledger_;
    agent::Agenda agenda_;
    std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
    std::size_t under_way_ = 0;  // orders, each in one hand
    const agent::Places at_the_ca_{{.name = kCa, .most = agent::share_of(kJobs)}};
};

}  // namespace year
