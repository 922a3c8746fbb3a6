// SPDX-License-Identifier: Apache-2.0
// A CA that is away for three days just when a renewal is due, and comes back: it is asked sparingly
// meanwhile, soon after its return it is gone on with, and nobody runs it over. And one that is there, and
// gives what is of no use.
#include <algorithm>
#include <mutex>
#include <ostream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/unit/agent/loop_world.hpp"

using base::Code;
using base::Instant;
using base::Seconds;
using loop_world::certificates;
using loop_world::kNow;
using loop_world::times;
using loop_world::World;
using namespace std::chrono_literals;

namespace {

constexpr Seconds kDay = 24h;
constexpr Instant kDue = kNow + 60 * kDay;  // for a certificate of 90 days

using Silence = std::function<fakes::Ca::Answer(World&)>;

/// Certificates that were issued once, and the CA from the moment on at which all of them are due again.
class Absence {
  public:
    Absence(int many, int hours, Silence silence)
        : return_(kDue + std::chrono::hours(hours)), world_(certificates(many)) {
        world_.ca.before = [this, silence = std::move(silence)](const std::string& path,
                                                                int) -> std::optional<fakes::Ca::Answer> {
            const Instant now = world_.clock.right();
            if (now >= kDue && now < return_) return silence(world_);
            const std::scoped_lock guard(mutex_);
            if (now >= return_ && path == "/order") ordered_.push_back(now);
            return std::nullopt;
        };
        world_.wakeup.steps = {world_.live_for(1min), world_.sleep_for(kDue - kNow - 2min),
                               world_.live_for(1min)};
        for (int hour = 0; hour < hours; ++hour) {
            world_.wakeup.steps.push_back(world_.live_for(1h));
            world_.wakeup.steps.emplace_back([this](const loop_world::Wait&) {
                const int so_far = times(world_.said(), "[warning]");
                attempts_.push_back(so_far - attempts());
                return std::optional(base::Woken{});
            });
        }
    }

    void run(Seconds after) {
        world_.wakeup.steps.push_back(world_.live_for(after));
        world_.run();
    }

    /// Renewals that came to nothing: all, and in each hour.
    [[nodiscard]] int attempts() const {
        int all = 0;
        for (const int in_hour : attempts_) all += in_hour;
        return all;
    }

    [[nodiscard]] const std::vector<int>& attempts_by_hour() const { return attempts_; }

    /// When orders were placed, counted from its return.
    [[nodiscard]] std::vector<Seconds> ordered() const {
        std::vector<Seconds> after;
        after.reserve(ordered_.size());
        for (const Instant& at : ordered_) after.push_back(at - return_);
        std::ranges::sort(after);
        return after;
    }

    [[nodiscard]] World& world() { return world_; }

  private:
    Instant return_;
    World world_;
    std::mutex mutex_;
    std::vector<Instant> ordered_;
    std::vector<int> attempts_;
};

}  // namespace

TEST_CASE(
    "away: a CA that is silent for three days is asked less and less, and gone on with within one step") {
    struct Case {
        std::string_view name;
        Silence silence;
        int least;  // attempts in the three days
        int most;
        Seconds step;  // the longest, with its jitter
    };

    // 1 minute, and two and a half times as long each time, up to 6 hours; a quarter sooner or later.
    for (const Case& c : {
             Case{"refused", [](World&) { return base::fail(Code::NetUnreachable, "connection refused"); },
                  14, 23, 7h + 30min},
             Case{"silence until the deadline",
                  [](World& world) {
                      world.clock.pass(60s);
                      return fakes::lost();
                  },
                  14, 23, 7h + 35min},
             Case{"no TLS", [](World&) { return base::fail(Code::NetUntrusted, "no TLS"); }, 14, 23,
                  7h + 30min},
             Case{"the page of a proxy",
                  [](World&) { return fakes::reply(502, "<html><h1>502 Bad Gateway</h1></html>"); }, 14, 23,
                  7h + 30min},
         }) {
        CAPTURE(c.name);
        Absence absence(1, 72, c.silence);
        absence.run(c.step + 1min);
        CAPTURE(absence.world().said());
        CHECK(absence.attempts() >= c.least);
        CHECK(absence.attempts() <= c.most);
        CHECK(absence.attempts_by_hour().front() <= 6);
        for (std::size_t hour = 12; hour < absence.attempts_by_hour().size(); ++hour)
            CHECK(absence.attempts_by_hour()[hour] <= 1);
        REQUIRE(absence.ordered().size() == 1);
        CHECK(absence.ordered().front() <= c.step);
        CHECK(absence.world().ca.issued() == 2);
    }
}

TEST_CASE("away: thirty certificates that waited for the CA do not come all at once") {
    constexpr int kMany = 30;
    Absence absence(kMany, 24, [](World&) { return base::fail(Code::NetUnreachable, "connection refused"); });
    absence.run(7h + 31min);
    CHECK(absence.world().ca.issued() == 2 * kMany);
    CHECK(absence.attempts() <= 13 * kMany);
    const std::vector<Seconds> ordered = absence.ordered();
    REQUIRE(ordered.size() == kMany);
    for (const Seconds& from : ordered) {
        const auto in_its_minute =
            std::ranges::count_if(ordered, [&](Seconds at) { return at >= from && at < from + 60s; });
        CHECK(in_its_minute <= 5);
    }
}

TEST_CASE("away: a CA that hands out wrong certificates is not asked for more than five in a day") {
    World world(certificates(1));
    const auto other = base::PrivateKey::generate(base::KeyType::EcdsaP256).value();
    const auto make_chain = world.ca.make_chain;
    world.ca.make_chain = [&](EVP_PKEY*, const fakes::Ca::Names& names) {
        return make_chain(other.handle(), names);
    };
    world.wakeup.steps = {world.live_for(24h)};
    world.run();
    CAPTURE(world.said());
    CHECK(world.orders() >= 4);
    CHECK(world.orders() <= 5);
}
