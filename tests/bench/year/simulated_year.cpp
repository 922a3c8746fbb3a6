// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/year/simulated_year.hpp"

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <numeric>
#include <queue>
#include <random>

#include "agent/plan/agenda.hpp"
#include "agent/plan/ledger.hpp"
#include "agent/plan/place.hpp"
#include "agent/plan/plan.hpp"
#include "agent/plan/retry.hpp"
#include "agent/work/renewal_window.hpp"
#include "tests/bench/year/simulated_ca.hpp"
#include "tests/bench/year/subject.hpp"

namespace year {

using agent::OrderAhead;
using base::Code;
using base::Instant;
using base::Seconds;
using std::chrono::days;
using std::chrono::hours;
using namespace std::chrono_literals;

namespace {

constexpr Instant kBegin{Seconds(1'798'761'600)};  // 2027-01-01T00:00:00Z
constexpr const char* kCa = "letsencrypt";
constexpr const char* kDirectory = "https://acme-v02.api.letsencrypt.org/directory";
constexpr Seconds kShortLife = 160h;
constexpr Seconds kMiddleLife = 47 * 24h;
constexpr Seconds kLongLife = 90 * 24h;
constexpr std::size_t kNamesOfADomain = 10;
constexpr double kFailing = 0.003;       // orders whose validation fails
constexpr double kWithoutWindow = 0.05;  // certificates that are renewed as configured, not as suggested

constexpr std::size_t kJobs = 16;    // agent.jobs
constexpr Seconds kPatience = 2min;  // how long a CA that is away keeps a hand

class Year {
  public:
    explicit Year(const Story& story)
        : story_(story),
          random_(story.seed),
          hours_(static_cast<std::size_t>(story.days) * 24),
          end_(kBegin + days(story.days)),
          outage_begins_(kBegin + days(story.outage_day)),
          outage_ends_(outage_begins_ + story.outage),
          revocation_(kBegin + days(story.revocation_day)) {}

    Figures run() {
        populate();
        bool is_revoked = false;
        bool is_added = false;
        bool is_changed = false;
        bool is_void = false;
        Instant pruned = kBegin;
        while (true) {
            const Instant next = next_instant();
            if (next >= end_) break;
            if (!is_added && next >= kBegin + days(story_.new_day)) is_added = add_new();
            if (!is_revoked && next >= revocation_) is_revoked = begin_revocation();
            if (!is_void && next >= revocation_ + days(5)) is_void = end_revocation();
            if (!is_changed && next >= kBegin + days(story_.change_day)) is_changed = change_configuration();
            now_ = std::max(now_, next);
            if (now_ - pruned >= hours(24)) {
                ledger_.prune(limits_, now_);
                static_cast<void>(ledger_.take_changes());
                pruned = now_;
            }
            while (!events_.empty() && events_.top().at <= now_) {
                const Event event = events_.top();
                events_.pop();
                happen(event);
            }
            work();
        }
        judge();
        return figures_;
    }

  private:
    // --- who there is

    Subject& add(const std::string& name, const std::string& domain, Seconds life) {
        Subject& subject = subjects_.emplace_back();
        subject.config.name = name;
        subject.config.names = {{.type = base::IdentifierType::Dns, .value = name},
                                {.type = base::IdentifierType::Dns, .value = "www." + name}};
        subject.config.ca = {kCa};
        subject.domain = domain;
        subject.life = life;
        subject.record.name = name;
        subject.record.first_seen = std::max(now_, kBegin);
        return subject;
    }

    void populate() {
        for (std::size_t i = 0; i < story_.certificates; ++i) {
            const std::string domain = "d" + std::to_string(i / kNamesOfADomain) + ".example";
            constexpr std::array kLives{kShortLife, kMiddleLife, kMiddleLife,
                                        kLongLife,  kLongLife,   kLongLife};
            Subject& subject =
                add("n" + std::to_string(i) + "." + domain, domain, kLives.at(i % kLives.size()));
            if (chance() < kWithoutWindow && subject.life != kShortLife)
                subject.config.renew_before = subject.life / 3;
            // As if it had been so for long: anywhere in the part of its life before its renewal.
            const auto used =
                static_cast<double>(subject.life.count()) * (subject.life < days(10) ? 0.48 : 0.65);
            const Instant issued = kBegin - Seconds(static_cast<std::int64_t>(chance() * used));
            subject.number = ca_.remember(names_of(subject), issued, issued + subject.life);
            keep(subject, issued);
            schedule(i, kBegin);
        }
    }

    /// Nine of ten of them anywhere, the others all under one registered domain.
    bool add_new() {
        now_ = kBegin + days(story_.new_day);
        first_new_ = subjects_.size();
        for (std::size_t i = 0; i < story_.added; ++i) {
            const std::string domain = "new" + std::to_string(i / kNamesOfADomain) + ".example";
            add("n" + std::to_string(i) + "." + domain, domain, kLongLife);
        }
        first_of_domain_ = subjects_.size();
        for (std::size_t i = 0; i < story_.added / 10; ++i)
            add("shop" + std::to_string(i) + ".one.example", "one.example", kLongLife);
        for (std::size_t i = first_new_; i < subjects_.size(); ++i) schedule(i, now_);
        return true;
    }

    bool begin_revocation() {
        now_ = revocation_;
        const std::size_t every =
            std::max<std::size_t>(1, story_.certificates / std::max<std::size_t>(1, story_.revoked));
        for (std::size_t i = 0; i < story_.certificates && to_be_replaced_.size() < story_.revoked;
             i += every) {
            ca_.will_revoke(subjects_[i].number);
            subjects_[i].was_delayed = true;
            to_be_replaced_.emplace_back(i, subjects_[i].number);
            // Its next question has an answer that matters: it is no longer passed over.
            agenda_.put(subjects_[i].config.name, now_);
        }
        not_replaced_ = to_be_replaced_.size();
        return true;
    }

    bool end_revocation() {
        for (const auto& [i, number] : to_be_replaced_) {
            if (subjects_[i].number == number) ++figures_.void_in_use;
        }
        return true;
    }

    bool change_configuration() {
        now_ = kBegin + days(story_.change_day);
        for (std::size_t i = 0; i < std::min(story_.changed + story_.changed / 2, story_.certificates); ++i) {
            Subject& subject = subjects_[i];
            if (i < story_.changed) {
                subject.config.key_type = base::KeyType::Rsa2048;
            } else {
                subject.config.names.push_back(
                    {.type = base::IdentifierType::Dns, .value = "more." + subject.config.name});
            }
            agenda_.put(subject.config.name, now_);
        }
        return true;
    }

    // --- what happens

    /// Of an order that is under way, or of a certificate that comes due.
    [[nodiscard]] Instant next_instant() const {
        Instant next = events_.empty() ? end_ : events_.top().at;
        if (const auto due = agenda_.next(); due && under_way_ < kJobs) next = std::min(next, *due);
        return next;
    }

    /// As the loop of the agent hands it out.
    void work() {
        const auto is_free = [this](const agent::Places&) { return under_way_ < agent::share_of(kJobs); };
        while (under_way_ < kJobs) {
            const auto due = agenda_.take_due(now_, is_free);
            if (!due) return;
            wake(indices_.find(due->certificate)->second);
        }
    }

    void happen(const Event& event) {
        --under_way_;
        switch (event.kind) {
            case Kind::Place:
                return place(event.certificate);
            case Kind::Finish:
                return finish(event.certificate);
            case Kind::GiveUp:
                return schedule(event.certificate, now_);
        }
    }

    /// It keeps a hand until then.
    void go_on(std::size_t i, Instant at, Kind kind) {
        ++under_way_;
        events_.push({.at = at, .certificate = i, .kind = kind});
    }

    void wake(std::size_t i) {
        Subject& subject = subjects_[i];
        agent::Plan plan = plan_of(subject);
        if (plan.ask_ca_at && *plan.ask_ca_at <= now_) {
            ask(subject);
            plan = plan_of(subject);
        }
        if (!plan.renewal_due(now_)) return sleep_until(i, plan);
        OrderAhead order = agent::order_ahead(subject.config, subject.record, kCa, now_);
        if (const auto hold = agent::hold_of(ledger_, limits_, order, now_); hold && !subject.is_placed) {
            ++figures_.held;
            subject.waits_since.reset();
            return put_back(i, std::max(hold->until, now_ + 1s));
        }
        if (under_way_ >= agent::share_of(kJobs)) {
            if (!subject.waits_since) subject.waits_since = now_;
            if (is_out(now_)) subject.was_delayed = true;
            agenda_.put_back(subject.config.name, end_, agent::pressing_at(subject.record, now_),
                             {at_the_ca_});
            return;
        }
        note_wait(subject);
        if (is_out(now_)) {
            ++figures_.unreachable;
            fail(subject, {.code = Code::CaUnreachable, .message = "the CA does not answer"});
            return go_on(i, now_ + kPatience, Kind::GiveUp);
        }
        if (subject.is_placed) return finish(i);
        const agent::Admission admission = agent::admit(ledger_, limits_, order, /*over_limit=*/false, now_);
        if (const auto* hold = std::get_if<agent::OrderHold>(&admission)) {
            ++figures_.held;
            return put_back(i, std::max(hold->until, now_ + 1s));
        }
        subject.counted = order;
        go_on(i, now_ + std::get<Seconds>(admission), Kind::Place);
    }

    void place(std::size_t i) {
        Subject& subject = subjects_[i];
        if (is_out(now_)) {
            agent::count_unissued(ledger_, limits_, *subject.counted, now_);
            fail(subject, {.code = Code::CaUnreachable, .message = "the answer was lost"});
            return schedule(i, now_);
        }
        const SimulatedCa::Request request{
            .names = names_of(subject), .domain = subject.domain, .replaces = subject.number};
        if (subject.counted->is_suggested) ++figures_.spared;
        if (const std::string limit = ca_.place(request, now_); !limit.empty()) {
            ++figures_.refused;
            const base::Error error{
                .code = Code::CaRateLimited, .message = "too many: " + limit, .retry_at = now_ + 1h};
            agent::take_back(ledger_, limits_, *subject.counted, now_);
            agent::learn_refusal(ledger_, limits_, *subject.counted, error, now_);
            fail(subject, error);
            return schedule(i, now_);
        }
        agent::count_placed(ledger_, limits_, *subject.counted, now_);
        subject.is_placed = true;
        go_on(i, now_ + Seconds(5 + static_cast<int>(chance() * 55)), Kind::Finish);
    }

    void finish(std::size_t i) {
        Subject& subject = subjects_[i];
        if (is_out(now_)) {
            ++figures_.unreachable;
            fail(subject, {.code = Code::CaUnreachable, .message = "the CA does not answer"});
            return schedule(i, now_);
        }
        subject.is_placed = false;
        if (chance() < kFailing) {
            ++figures_.failed;
            ca_.fail(names_of(subject).front(), now_);
            agent::count_unissued(ledger_, limits_, *subject.counted, now_);
            agent::count_failed(ledger_, limits_, {names_of(subject).front()}, now_);
            fail(subject, {.code = Code::CaValidationFailed, .message = "connection refused"});
            return schedule(i, now_);
        }
        const SimulatedCa::Request request{.names = names_of(subject), .domain = subject.domain};
        note_issuance(i);
        subject.number = ca_.issue(request, subject.life, now_);
        agent::count_issued(ledger_, limits_, *subject.counted, now_);
        keep(subject, now_);
        schedule(i, now_);
    }

    /// As work/renewal_window asks: the answer goes through next_suggestion().
    void ask(Subject& subject) {
        ++figures_.questions;
        base::Result<acme::RenewalAnswer> answer = base::fail(Code::CaUnreachable, "the CA does not answer");
        if (!is_out(now_)) {
            const SimulatedCa::Window window = ca_.window(subject.number, now_);
            answer =
                acme::RenewalAnswer{.window = acme::RenewalWindow{.start = window.start, .end = window.end},
                                    .ask_again = ask_again_in()};
            subject.asked_at = now_;
        }
        subject.record.suggestion = agent::next_suggestion(
            subject.record.suggestion, subject.record.wanted()->number, answer, now_, chance());
    }

    void fail(Subject& subject, base::Error error) {
        if (now_ >= outage_begins_ && now_ < outage_ends_) subject.was_delayed = true;
        const agent::GenerationRecord* current = subject.record.wanted();
        agent::RetryInput input{.now = now_, .chance = chance()};
        if (current != nullptr) {
            input.expiry = current->not_after;
            input.lifetime = current->not_after - current->not_before;
        }
        subject.record.issuance = agent::count_failure(subject.record.issuance, std::move(error), input);
    }

    /// As work/renew keeps it, and as its pass prunes it.
    void keep(Subject& subject, Instant issued) {
        const agent::GenerationRecord* before = subject.record.wanted();
        const int number = before == nullptr ? 1 : before->number + 1;
        subject.record.generations.push_back({.number = number,
                                              .ordered_for = agent::wanted_order(subject.config, kCa),
                                              .renewal_id = "aki.serial",
                                              .not_before = issued,
                                              .not_after = issued + subject.life,
                                              .issued_at = issued});
        if (subject.record.generations.size() > 2)
            subject.record.generations.erase(subject.record.generations.begin());
        subject.record.issuance.reset();
        subject.counted.reset();
    }

    // --- when the next thing happens

    [[nodiscard]] agent::Plan plan_of(const Subject& subject) const {
        return agent::plan(subject.config, subject.record,
                           {.now = now_, .has_open_order = subject.is_placed});
    }

    /// New, or in somebody's hands until now.
    void put_back(std::size_t i, Instant at) {
        const Subject& subject = subjects_[i];
        const std::string& name = subject.config.name;
        const Instant pressing = agent::pressing_at(subject.record, now_);
        if (agenda_.knows(name) && !agenda_.due(name)) return agenda_.put_back(name, at, pressing);
        if (!agenda_.knows(name)) indices_.emplace(name, i);
        agenda_.put(name, at, pressing);
    }

    void note_wait(Subject& subject) {
        if (!subject.waits_since) return;
        figures_.longest_wait = std::max(figures_.longest_wait, now_ - *subject.waits_since);
        subject.waits_since.reset();
    }

    /// Sleeps until the planner's next instant. A question to the CA whose answer cannot differ from the last
    /// one changes nothing but the time of the next question; such questions are counted, and passed over.
    void schedule(std::size_t i, Instant from) {
        now_ = from;
        sleep_until(i, plan_of(subjects_[i]));
    }

    void sleep_until(std::size_t i, const agent::Plan& plan) {
        Subject& subject = subjects_[i];
        Instant at = plan.renewal.held_until.value_or(plan.renewal.at);
        if (plan.ask_ca_at) {
            Instant ask = *plan.ask_ca_at;
            auto& said = subject.record.suggestion;
            const bool is_known =
                said && said->generation == subject.record.wanted()->number && subject.asked_at;
            while (is_known && ask < at && !may_answer_otherwise(subject, ask)) {
                ++figures_.questions;
                subject.asked_at = ask;
                ask += ask_again_in();
                said->ask_again = ask;
            }
            at = std::min(at, ask);
        }
        put_back(i, std::max(at, now_));
    }

    [[nodiscard]] bool may_answer_otherwise(const Subject& subject, Instant ask) const {
        if (is_out(ask)) return true;
        const bool is_news = *subject.asked_at < revocation_ && ask >= revocation_;
        return is_news || ca_.certificate(subject.number).is_to_be_revoked;
    }

    [[nodiscard]] bool is_out(Instant at) const { return at >= outage_begins_ && at < outage_ends_; }

    /// Six hours and up to a fifth to either side, as Boulder's.
    Seconds ask_again_in() { return Seconds(static_cast<std::int64_t>(21'600 * (0.8 + 0.4 * chance()))); }

    double chance() { return uniform_(random_); }

    // --- figures

    void note_issuance(std::size_t i) {
        Subject& subject = subjects_[i];
        ++figures_.issued;
        ++hours_[static_cast<std::size_t>((now_ - kBegin) / hours(1))];
        if (i >= first_new_ && subject.number < 0) {
            Seconds& last = i >= first_of_domain_ ? figures_.domain_in : figures_.added_in;
            last = now_ - (kBegin + days(story_.new_day));
        }
        if (const agent::GenerationRecord* current = subject.record.wanted()) {
            const double left = agent::urgency_rank(subject.record, now_);
            figures_.least_left = std::min(figures_.least_left, left);
            if (!subject.was_delayed) figures_.least_left_quiet = std::min(figures_.least_left_quiet, left);
            if (current->not_after <= now_) ++figures_.expired;
            if (subject.was_delayed && now_ >= outage_ends_ && now_ < revocation_)
                figures_.outage_cleared_in = std::max(figures_.outage_cleared_in, now_ - outage_ends_);
        }
        if (subject.number >= 0 && ca_.certificate(subject.number).is_to_be_revoked && --not_replaced_ == 0)
            figures_.revocation_cleared_in = now_ - revocation_;
        subject.was_delayed = false;
    }

    void judge() {
        figures_.certificates = subjects_.size();
        for (const Subject& subject : subjects_) {
            const agent::GenerationRecord* current = subject.record.wanted();
            if (current == nullptr) {
                ++figures_.unissued;
            } else if (current->not_after <= end_) {
                ++figures_.expired;
            }
        }
        const auto busiest = std::ranges::max_element(hours_);
        figures_.busiest_hour = *busiest;
        figures_.busiest_at = kBegin + hours(busiest - hours_.begin());
        const int first_event =
            std::min({story_.outage_day, story_.revocation_day, story_.new_day, story_.change_day});
        for (std::size_t hour = 0; hour < hours_.size(); ++hour) {
            const auto day = static_cast<int>(hour / 24);
            if (!is_eventful(day))
                figures_.busiest_quiet_hour = std::max(figures_.busiest_quiet_hour, hours_[hour]);
            if (day < first_event)
                figures_.busiest_steady_hour = std::max(figures_.busiest_steady_hour, hours_[hour]);
        }
        std::ranges::sort(hours_);
        figures_.median_hour = hours_[hours_.size() / 2];
    }

    [[nodiscard]] bool is_eventful(int day) const {
        const auto outage_days = static_cast<int>(story_.outage / days(1));
        return std::ranges::any_of(
            std::array{std::pair(story_.outage_day, outage_days + 3), std::pair(story_.revocation_day, 3),
                       std::pair(story_.new_day, 3), std::pair(story_.change_day, 3)},
            [day](const auto& event) { return day >= event.first && day < event.first + event.second; });
    }

    const Story& story_;
    std::mt19937_64 random_;
    std::uniform_real_distribution<double> uniform_{0, 1};
    std::vector<std::size_t> hours_;
    Instant now_ = kBegin;
    const Instant end_;
    const Instant outage_begins_;
    const Instant outage_ends_;
    const Instant revocation_;
    const std::span<const agent::CaLimit> limits_ = agent::limits_of(kDirectory);
    agent::Ledger ledger_;
    SimulatedCa ca_;
    std::deque<Subject> subjects_;
    std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
    std::size_t under_way_ = 0;  // orders, each in one hand
    agent::Agenda agenda_;
    std::map<std::string, std::size_t, std::less<>> indices_;
    const agent::Places at_the_ca_{{.name = kCa, .most = agent::share_of(kJobs)}};
    std::vector<std::pair<std::size_t, std::int64_t>> to_be_replaced_;
    std::size_t not_replaced_ = 0;
    std::size_t first_new_ = SIZE_MAX;
    std::size_t first_of_domain_ = SIZE_MAX;
    Figures figures_;
};

}  // namespace

Figures simulate(const Story& story) {
    return Year(story).run();
}

}  // namespace year
