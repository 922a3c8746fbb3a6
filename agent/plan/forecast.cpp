// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/forecast.hpp"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "agent/plan/limit_watch.hpp"
#include "agent/plan/plan.hpp"

namespace agent {

using base::Instant;
using base::Seconds;
using std::chrono::days;

namespace {

constexpr Seconds kUsualLife = days(90);
constexpr Seconds kShortestLife = std::chrono::minutes(10);  // a simulation has to end
constexpr Seconds kLookBack = days(8);                       // longer than any limit remembers

/// Which part of a life the CA suggests to renew in.
struct SuggestedPart {
    double begins = 0;
    double ends = 0;
};

/// A window in the first third is an emergency of the CA's, not its custom.
std::optional<SuggestedPart> suggested_part(const Record& record, const GenerationRecord& current) {
    const auto& said = record.suggestion;
    if (!said || said->generation != current.number || !said->start || !said->end) return std::nullopt;
    const auto life = static_cast<double>((current.not_after - current.not_before).count());
    const auto share = [&](Instant at) {
        return static_cast<double>((at - current.not_before).count()) / life;
    };
    const SuggestedPart part{.begins = share(*said->start), .ends = share(*said->end)};
    if (life <= 0 || part.begins < 1.0 / 3 || part.ends < part.begins || part.ends > 1) return std::nullopt;
    return part;
}

/// One certificate on its way through the time to come. What the planner does not need for a renewal is left
/// behind: targets, endpoints, hooks.
class Traveller {
  public:
    Traveller(const ForecastSubject& subject, Seconds life, const std::function<double()>& chance)
        : config_{.name = subject.config->name,
                  .names = subject.config->names,
                  .ca = subject.config->ca,
                  .key_type = subject.config->key_type,
                  .request = subject.config->request,
                  .profiles = subject.config->profiles,
                  .directories = subject.config->directories,
                  .renew_before = subject.config->renew_before},
          record_{.name = subject.record.name,
                  .generations = subject.record.generations,
                  .issuance = subject.record.issuance,
                  .suggestion = subject.record.suggestion,
                  .revocations = subject.record.revocations},
          wanted_(wanted_order(config_, config_.ca.front())),
          has_open_order_(subject.has_open_order),
          life_(std::max(life, kShortestLife)),
          chance_(chance) {
        if (const GenerationRecord* current = record_.wanted()) part_ = suggested_part(record_, *current);
    }

    /// The next order; one of the past is due now.
    [[nodiscard]] FutureOrder next(Instant now) const {
        const Renewal renewal =
            plan(config_, record_, {.now = now, .has_open_order = has_open_order_}).renewal;
        const Instant at = std::max(now, renewal.held_until.value_or(renewal.at));
        return {.at = at, .ahead = order_ahead(config_, record_, wanted_.ca, at)};
    }

    void issue(Instant at) {
        const GenerationRecord* current = record_.wanted();
        GenerationRecord issued{.number = current == nullptr ? 1 : current->number + 1,
                                .ordered_for = wanted_,
                                .renewal_id = current == nullptr ? "" : current->renewal_id,
                                .not_before = at,
                                .not_after = at + life_,
                                .issued_at = at};
        record_.issuance.reset();
        record_.revocations.clear();
        record_.suggestion.reset();
        has_open_order_ = false;
        if (part_) record_.suggestion = suggestion_for(issued);
        record_.generations.clear();
        record_.generations.push_back(std::move(issued));
    }

  private:
    [[nodiscard]] Suggestion suggestion_for(const GenerationRecord& issued) const {
        const auto at = [&](double share) {
            return issued.not_before +
                   Seconds(static_cast<std::int64_t>(share * static_cast<double>(life_.count())));
        };
        return {.generation = issued.number,
                .start = at(part_->begins),
                .end = at(part_->ends),
                .at = at(part_->begins + (part_->ends - part_->begins) * chance_()),
                .ask_again = issued.not_after};
    }

    CertificateConfig config_;
    Record record_;
    OrderedFor wanted_;
    bool has_open_order_;
    Seconds life_;
    const std::function<double()>& chance_;
    std::optional<SuggestedPart> part_{};
};

/// How long certificates live, by CA and profile: what was issued tells what will be.
class Lives {
  public:
    explicit Lives(const std::vector<ForecastSubject>& subjects) {
        for (const ForecastSubject& subject : subjects) {
            const GenerationRecord* current = subject.record.wanted();
            if (current != nullptr)
                known_[{current->ordered_for.ca, current->ordered_for.profile}] =
                    current->not_after - current->not_before;
        }
    }

    [[nodiscard]] Seconds of(const ForecastSubject& subject) const {
        const GenerationRecord* current = subject.record.wanted();
        if (current != nullptr) return current->not_after - current->not_before;
        const OrderedFor wanted = wanted_order(*subject.config, subject.config->ca.front());
        const auto found = known_.find({wanted.ca, wanted.profile});
        return found == known_.end() ? kUsualLife : found->second;
    }

  private:
    std::map<std::pair<std::string, std::string>, Seconds> known_;
};

/// What was issued lately still counts, where no ledger knows better.
void add_past_orders(const ForecastSubject& subject, const ForecastInput& input, LimitWatch& watch) {
    for (PastOrder& past : past_orders(subject.record, input.now - kLookBack)) {
        if (input.ledgers.contains(past.ca)) continue;
        watch.add(past.ca, *subject.config, {.at = past.at, .ahead = std::move(past.order), .is_past = true});
    }
}

}  // namespace

std::size_t ForecastDay::total() const {
    return std::accumulate(renewals.begin(), renewals.end(), std::size_t{0},
                           [](std::size_t sum, const auto& one) { return sum + one.second; });
}

std::size_t Forecast::total() const {
    return std::accumulate(days.begin(), days.end(), std::size_t{0},
                           [](std::size_t sum, const ForecastDay& day) { return sum + day.total(); });
}

Forecast forecast(const ForecastInput& input) {
    Forecast result{.now = input.now, .certificates = input.subjects.size()};
    const auto today = std::chrono::floor<days>(input.now);
    for (int day = 0; day < input.days; ++day) result.days.push_back({.day = today + days(day)});
    const Instant end = today + days(input.days);
    LimitWatch watch(input);
    const Lives lives(input.subjects);
    for (const ForecastSubject& subject : input.subjects) {
        if (subject.record.wanted() == nullptr) ++result.assumed;
        add_past_orders(subject, input, watch);
        const std::string& ca = subject.config->ca.front();
        Traveller traveller(subject, lives.of(subject), input.chance);
        for (FutureOrder order = traveller.next(input.now); order.at < end;
             order = traveller.next(order.at)) {
            const auto day = static_cast<std::size_t>((order.at - today) / days(1));
            ++result.days[day].renewals[ca];
            watch.add(ca, *subject.config, order);
            traveller.issue(order.at);
        }
    }
    std::tie(result.limits, result.unlimited) = watch.judge();
    return result;
}

}  // namespace agent
