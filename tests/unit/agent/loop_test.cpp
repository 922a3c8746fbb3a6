// SPDX-License-Identifier: Apache-2.0
// The agent by a clock that is the test's: what it does, at which instants, and that nothing is done twice.
#include "agent/work/loop.hpp"

#include <ostream>

#include <doctest/doctest.h>

#include "tests/unit/agent/loop_world.hpp"
#include "tests/unit/base/notify_listener.hpp"

using base::Instant;
using base::Seconds;
using loop_world::Step;
using loop_world::Wait;
using loop_world::World;
using namespace std::chrono_literals;
using loop_world::certificates;
using loop_world::kNow;
using loop_world::OneAtATime;
using loop_world::times;

namespace {

constexpr Seconds kDay = 24h;
constexpr const char* kOne = "[certificate.\"one.example.com\"]\n";

/// Whoever asks the slow CA hangs until the end.
class Hanging {
  public:
    explicit Hanging(World& world) {
        world.wakeup.hanging = [this] { return asked(); };
        world.network.before = [this, &world](const base::HttpRequest& request) {
            if (!request.url.starts_with("https://slow.test/")) return;
            std::unique_lock guard(mutex_);
            ++asked_;
            world.wakeup.call();
            is_over_.wait(guard, [this] { return released_; });
        };
        world.at_end = [this] {
            {
                const std::scoped_lock guard(mutex_);
                released_ = true;
            }
            is_over_.notify_all();
        };
    }

    [[nodiscard]] std::size_t asked() {
        const std::scoped_lock guard(mutex_);
        return asked_;
    }

  private:
    std::mutex mutex_;
    std::condition_variable is_over_;
    bool released_ = false;
    std::size_t asked_ = 0;
};

}  // namespace

TEST_CASE("loop: whatever the clock does, what is due is ordered once, and nothing before it is due") {
    struct Case {
        std::string_view name;
        std::function<std::vector<Step>(World&)> story;
        int orders = 1;
        int told = 0;              // that the clock was set
        std::string_view words{};  // of the log
        Seconds ca_off_by{0};
    };

    // A certificate of twelve days is renewed after eight of them.
    const std::vector<Case> cases{
        {.name = "seven days, as they come",
         .story = [](World& w) { return std::vector{w.live_for(7 * kDay)}; }},
        {.name = "eight days, as they come",
         .story = [](World& w) { return std::vector{w.live_for(8 * kDay + 1min)}; },
         .orders = 2},
        {.name = "asleep for an hour: the boot clock goes on, and no clock was set",
         .story = [](World& w) { return std::vector{w.sleep_for(1h), w.live_for(1 * kDay)}; }},
        {.name = "asleep for nine days: at once what came due, once",
         .story = [](World& w) { return std::vector{w.sleep_for(9 * kDay), w.live_for(1 * kDay)}; },
         .orders = 2},
        {.name = "ninety days forwards: not due by the CA's time",
         .story = [](World& w) { return std::vector{w.set_off_by(90 * kDay), w.live_for(2 * kDay)}; },
         .told = 1,
         .words = "ahead of the Date of the CA test"},
        {.name = "ninety days forwards, and back: as if nothing had been",
         .story =
             [](World& w) {
                 return std::vector{w.set_off_by(90 * kDay), w.live_for(1 * kDay), w.set_off_by(Seconds(0)),
                                    w.live_for(6 * kDay)};
             },
         .told = 2,
         .words = "this machine's clock is right again"},
        {.name = "ninety days forwards, and back: due on its day",
         .story =
             [](World& w) {
                 return std::vector{w.set_off_by(90 * kDay), w.live_for(1 * kDay), w.set_off_by(Seconds(0)),
                                    w.live_for(7 * kDay + 1min)};
             },
         .orders = 2,
         .told = 2},
        {.name = "ninety days back: not due by anybody's time",
         .story = [](World& w) { return std::vector{w.set_off_by(-90 * kDay), w.live_for(7 * kDay)}; },
         .told = 1,
         .words = "behind"},
        {.name = "ninety days back: due by the CA's time, once",
         .story = [](World& w) { return std::vector{w.set_off_by(-90 * kDay), w.live_for(9 * kDay)}; },
         .orders = 2,
         .told = 1},
        {.name = "a CA whose Date is two hours behind ours: nothing is ordered by a clock that is ahead",
         .story = [](World& w) { return std::vector{w.live_for(2 * kDay)}; },
         .orders = 0,
         .words = "2 h ahead of the Date of the CA test",
         .ca_off_by = -2h},
        {.name = "a CA whose Date is two hours ahead of ours: by the later time, once",
         .story = [](World& w) { return std::vector{w.live_for(8 * kDay - 1h)}; },
         .orders = 2,
         .words = "2 h behind the Date of the CA test",
         .ca_off_by = 2h},
        {.name = "half a minute is no jump",
         .story = [](World& w) { return std::vector{w.set_off_by(Seconds(30)), w.live_for(1 * kDay)}; }},
    };
    for (const Case& c : cases) {
        CAPTURE(c.name);
        World world(kOne);
        world.ca_off_by = c.ca_off_by;
        world.life = 12 * kDay;
        for (Step& step : c.story(world)) world.wakeup.steps.push_back(std::move(step));
        world.run();
        CAPTURE(world.said());
        CHECK(world.orders() == c.orders);
        CHECK(world.ca.issued() == c.orders);
        CHECK(times(world.said(), "the clock was set") == c.told);
        CHECK(times(world.said(), c.words) >= 1);
    }
}

TEST_CASE("loop: it sleeps until the instant at which something is due, and a set clock moves none of it") {
    World world(kOne);
    const auto look = [](const Wait&) { return std::optional(base::Woken{}); };
    world.wakeup.steps = {look, world.set_off_by(90 * kDay), look, world.set_off_by(Seconds(0)), look};
    world.run();
    REQUIRE(world.wakeup.waits.size() == 6);
    const auto& waits = world.wakeup.waits;
    CHECK(waits[0].at > kNow);
    CHECK_FALSE(waits[0].within);  // nobody feeds a watchdog, and nothing else is polled for
    CHECK(waits[5].at == waits[0].at);
    CHECK(waits[2].at > kNow + 90 * kDay);  // by the clock that is ahead: not at once again and again
}

TEST_CASE("loop: what nobody expects is the trouble of one certificate, tried again with backoff") {
    World world("[certificate.\"bad.example.com\"]\n[certificate.\"good.example.com\"]\n");
    int tried = 0;  // one at a time at the CA
    const auto make_chain = world.ca.make_chain;
    world.ca.make_chain = [&](EVP_PKEY* key, const fakes::Ca::Names& names) {
        if (names.front().value == "bad.example.com" && ++tried > 0) throw std::out_of_range("map::at");
        return make_chain(key, names);
    };
    world.wakeup.steps = {world.live_for(2h)};
    world.run();
    CAPTURE(world.said());
    CHECK(world.ca.issued() == 1);
    CHECK(times(world.said(), "good.example.com: generation 1 issued") == 1);
    CHECK(times(world.said(), "bad.example.com: something that renewd does not expect: map::at") == tried);
    CHECK(tried > 5);
    CHECK(tried < 20);
}

TEST_CASE("loop: what is about to expire is renewed before what merely is due, whatever was known of it") {
    const std::string last = "[certificate.\"z.example.com\"]\n";
    std::string all;
    for (int i = 0; i < 6; ++i) all += "[certificate.\"a" + std::to_string(i) + ".example.com\"]\n";
    all += last;
    for (const std::string_view how : {"a start that knows nothing", "a start with an index", "a reload"}) {
        CAPTURE(how);
        World world(last, "jobs = 1\n");
        world.life = 20 * kDay;
        std::vector<std::string> in_turn;
        const auto make_chain = world.ca.make_chain;
        world.ca.make_chain = [&](EVP_PKEY* key, const fakes::Ca::Names& names) {
            in_turn.push_back(names.front().value);
            return make_chain(key, names);
        };
        const auto go_on = [&] {
            world.write(all, "jobs = 1\n");
            world.clock.pass(19 * kDay);
        };
        if (how == "a reload") {
            world.wakeup.steps = {[&](const Wait&) {
                go_on();
                return std::optional(base::Woken{.signals = {SIGHUP}});
            }};
        } else {
            world.run();
            go_on();
            if (how == "a start that knows nothing") world.lose_index();
        }
        world.run();
        CAPTURE(world.said());
        REQUIRE(in_turn.size() == 8);
        CHECK(in_turn[0] == "z.example.com");
        CHECK(in_turn[1] == "z.example.com");
    }
}

TEST_CASE("loop: a CA that hangs takes its share of the hands; the others' certificates are issued at once") {
    World world(
        "[certificate.\"a.example.com\"]\nca = \"slow\"\n[certificate.\"b.example.com\"]\nca = \"slow\"\n"
        "[certificate.\"c.example.com\"]\nca = \"slow\"\n[certificate.\"other.example.com\"]\n",
        "jobs = 2\n");
    Hanging slow(world);
    std::size_t asked = 0;
    std::size_t at_work = 0;
    world.wakeup.steps = {[&](const Wait& wait) {
        asked = slow.asked();
        at_work = world.wakeup.at_work();
        CHECK(wait.now == kNow);
        CHECK(world.ca.issued() == 1);
        return std::optional(base::Woken{});
    }};
    world.run();
    CAPTURE(world.said());
    CHECK(asked == 1);
    CHECK(at_work == 1);  // the two others wait without a hand
    CHECK(times(world.said(), "other.example.com: generation 1 issued") == 1);
}

TEST_CASE("loop: what a CA's limit lets through one by one is not all looked into for each of them") {
    constexpr int kMany = 40;
    constexpr int kHands = 4;
    const auto count_reads = [&](Seconds each) {
        World world(certificates(kMany), "jobs = " + std::to_string(kHands) + "\n");
        OneAtATime limit(world.clock, each);
        world.ca.before = [&](const std::string& path, int) { return limit(path); };
        world.wakeup.steps = {world.live_for(10min * (kMany + 2))};
        world.run();
        CAPTURE(world.said());
        CHECK(world.ca.issued() == kMany);
        return std::ranges::count_if(world.files.calls(), [](const std::string& call) {
            return call.starts_with("open ") && call.ends_with("/record.json");
        });
    };
    // Two for each look. If all were waked every ten minutes there would be 800 looks more, instead of one by
    // each hand.
    const auto for_the_limit = count_reads(10min) - count_reads(0s);
    CHECK(for_the_limit < 2 * kMany * (kHands + 1));
}

TEST_CASE("loop: what a reload has mended is tried again, also when a limit of the CA holds it first") {
    constexpr int kMany = 6;
    constexpr Seconds kEach = 10min;
    World world(certificates(kMany), "jobs = 4\n");
    for (int i = 0; i < kMany; ++i)
        world.ca.refusing[std::to_string(i) + ".example.com"] = "connection refused";
    OneAtATime limit(world.clock, kEach);
    world.wakeup.steps = {world.live_for(3 * kDay),
                          [&](const Wait&) {
                              world.ca.refusing.clear();
                              world.ca.before = [&](const std::string& path, int) { return limit(path); };
                              return std::optional(base::Woken{.signals = {SIGHUP}});
                          },
                          world.live_for(kEach * (kMany + 1))};
    world.run();
    CAPTURE(world.said());
    CHECK(world.ca.issued() == kMany);
}

TEST_CASE("loop: what a reload tries again is tried once, whatever else of it waits for its turn") {
    World world(kOne, "jobs = 3\n");
    const std::string until = world.directory() / "go_on";
    const std::string hook = R"(hooks = { failed = ["/bin/sh", "-c", "until [ -e )" + until +
                             R"( ]; do sleep 0.02; done"] })" + "\n";
    const std::string both =
        "[certificate.\"a.example.com\"]\n" + hook + "[certificate.\"b.example.com\"]\n" + hook;
    world.write(both, "jobs = 3\n");
    for (const char* name : {"a.example.com", "b.example.com"})
        world.ca.refusing[name] = "connection refused";
    world.wakeup.hanging = [&world] {
        return world.orders() > 1 ? 1 : 0;
    };  // one hook; the other waits for it
    world.at_end = [&] { std::ofstream(until) << "now"; };
    int before = 0;
    world.wakeup.steps = {world.live_for(1min),
                          [&](const Wait&) {
                              before = world.orders();
                              return std::optional(base::Woken{.signals = {SIGHUP}});
                          },
                          world.live_for(3min)};
    world.run();
    CAPTURE(world.said());
    CHECK(before >= 2);
    CHECK(world.orders() - before <= 2);
}

TEST_CASE(
    "loop: the watchdog is fed while the work goes on, told of after an hour, and starved after a day") {
    const tests::TemporaryDirectory directory;
    const tests::NotifyListener listener(directory / "notify");
    listener.give_environment(2h);
    World world("[certificate.\"a.example.com\"]\nca = \"slow\"\n");
    world.manager = base::ServiceManager::from_environment();
    Hanging slow(world);
    std::vector<int> fed;   // by the hour
    std::vector<int> told;  // so far
    for (int hour = 0; hour < 30; ++hour) {
        world.wakeup.steps.emplace_back([&](const Wait& wait) {
            fed.push_back(times(listener.hear_all(), "WATCHDOG=1"));
            told.push_back(times(world.said(), "has not come to an end within an hour"));
            CHECK(wait.within == base::Milliseconds(1h));  // half of what the manager wants
            world.clock.pass(1h);
            return std::optional(base::Woken{.span_passed = true});
        });
    }
    world.run();
    REQUIRE(fed.size() == 30);
    for (std::size_t hour = 0; hour < fed.size(); ++hour) {
        CAPTURE(hour);
        CHECK((fed[hour] > 0) == (hour < 24));
        CHECK(told[hour] == (hour < 1 ? 0 : 1));
    }
}
