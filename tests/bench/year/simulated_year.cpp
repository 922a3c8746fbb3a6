// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/year/simulated_year.hpp"

#include <algorithm>
#include <array>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "tests/bench/year/calendar.hpp"
#include "tests/bench/year/simulated_agent.hpp"
#include "tests/bench/year/simulated_ca.hpp"
#include "tests/bench/year/subject.hpp"
#include "tests/bench/year/tally.hpp"

namespace year {

using base::Instant;
using base::Seconds;
using std::chrono::days;
using namespace std::chrono_literals;

namespace {

constexpr Seconds kShortLife = 160h;
constexpr Seconds kMiddleLife = 47 * 24h;
constexpr Seconds kLongLife = 90 * 24h;
constexpr std::size_t kNamesOfADomain = 10;
constexpr double kWithoutWindow = 0.05;  // certificates that are renewed as configured, not as suggested

class Year {
  public:
    explicit Year(const Story& story) : story_(story), calendar_(story), dice_(story.seed) {}

    Figures run() {
        populate();
        std::vector<Turn> turns{{calendar_.added, &Year::add_new},
                                {calendar_.revocation, &Year::begin_revocation},
                                {calendar_.voided, &Year::end_revocation},
                                {calendar_.changed, &Year::change_configuration}};
        std::ranges::stable_sort(turns, std::greater{}, &Turn::at);
        for (Instant next = agent_.next(calendar_.end); next < calendar_.end;
             next = agent_.next(calendar_.end)) {
            for (; !turns.empty() && turns.back().at <= next; turns.pop_back()) (this->*turns.back().take)();
            agent_.work(next);
        }
        return tally_.judge(subjects_);
    }

  private:
    /// Something that the story has happen.
    struct Turn {
        Instant at{};
        void (Year::*take)() = nullptr;
    };

    Subject& add(const std::string& name, const std::string& domain, Seconds life, Instant now) {
        const std::size_t number = subjects_.size();
        Subject& subject = subjects_.emplace_back();
        subject.number = number;
        subject.config.name = subject.record.name = std::to_string(number);
        subject.config.ca = {kCa};
        subject.request.domain = domain;
        subject.add_name(name);
        subject.add_name("www." + name);
        subject.life = life;
        subject.record.first_seen = now;
        return subject;
    }

    void populate() {
        for (std::size_t i = 0; i < story_.certificates; ++i) {
            const std::string domain = "d" + std::to_string(i / kNamesOfADomain) + ".example";
            constexpr std::array kLives{kShortLife, kMiddleLife, kMiddleLife,
                                        kLongLife,  kLongLife,   kLongLife};
            Subject& subject = add("n" + std::to_string(i) + "." + domain, domain,
                                   kLives.at(i % kLives.size()), calendar_.begin);
            if (dice_.roll() < kWithoutWindow && subject.life != kShortLife)
                subject.config.renew_before = subject.life / 3;
            // As if it had been so for long: anywhere in the part of its life before its renewal.
            const auto used =
                static_cast<double>(subject.life.count()) * (subject.life < days(10) ? 0.48 : 0.65);
            const Instant issued = calendar_.begin - Seconds(static_cast<std::int64_t>(dice_.roll() * used));
            subject.request.replaces = ca_.remember(subject.request.names, issued, issued + subject.life);
            SimulatedAgent::keep(subject, issued);
            agent_.take_on(subject, calendar_.begin);
        }
    }

    /// Nine of ten of them anywhere, the others all under one registered domain.
    void add_new() {
        const auto take_on = [&](const std::string& name, const std::string& domain, Origin origin) {
            Subject& subject = add(name, domain, kLongLife, calendar_.added);
            subject.origin = origin;
            agent_.take_on(subject, calendar_.added);
        };
        for (std::size_t i = 0; i < story_.added; ++i) {
            const std::string domain = "new" + std::to_string(i / kNamesOfADomain) + ".example";
            take_on("n" + std::to_string(i) + "." + domain, domain, Origin::Added);
        }
        for (std::size_t i = 0; i < story_.added / 10; ++i)
            take_on("shop" + std::to_string(i) + ".one.example", "one.example", Origin::AddedToOneDomain);
    }

    void begin_revocation() {
        const std::size_t every =
            std::max<std::size_t>(1, story_.certificates / std::max<std::size_t>(1, story_.revoked));
        for (std::size_t i = 0; i < story_.certificates && to_be_replaced_.size() < story_.revoked;
             i += every) {
            Subject& subject = subjects_[i];
            ca_.will_revoke(subject.request.replaces);
            subject.was_delayed = true;
            to_be_replaced_.emplace_back(&subject, subject.request.replaces);
            // Its next question has an answer that matters: it is no longer passed over.
            agent_.look_into(subject, calendar_.revocation);
        }
        tally_.announce(to_be_replaced_.size());
    }

    void end_revocation() {
        for (const auto& [subject, certificate] : to_be_replaced_) {
            if (subject->request.replaces == certificate) ++tally_.figures().void_in_use;
        }
    }

    void change_configuration() {
        for (std::size_t i = 0; i < std::min(story_.changed + story_.changed / 2, story_.certificates); ++i) {
            Subject& subject = subjects_[i];
            if (i < story_.changed) {
                subject.config.key_type = base::KeyType::Rsa2048;
            } else {
                subject.add_name("more." + subject.config.names.front().value);
            }
            agent_.look_into(subject, calendar_.changed);
        }
    }

    const Story& story_;
    const Calendar calendar_;
    Dice dice_;
    std::deque<Subject> subjects_;
    SimulatedCa ca_;
    Tally tally_{story_, calendar_};
    SimulatedAgent agent_{calendar_, subjects_, ca_, tally_, dice_};
    std::vector<std::pair<const Subject*, std::int64_t>> to_be_replaced_;
};

}  // namespace

Figures simulate(const Story& story) {
    return Year(story).run();
}

}  // namespace year
