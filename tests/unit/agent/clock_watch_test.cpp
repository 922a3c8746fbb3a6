// SPDX-License-Identifier: Apache-2.0
// What CAs have said of the time: kept over processes and starts of the machine, and asked for anew.
#include "agent/work/clock_watch.hpp"

#include <algorithm>
#include <fstream>
#include <ostream>
#include <sstream>

#include <doctest/doctest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include "tests/unit/agent/fixtures.hpp"
#include "tests/unit/base/temporary_directory.hpp"

using agent::ClockState;

namespace {

/// A wall clock that can be set, and a boot clock that cannot.
class TwoClocks final : public base::Clock {
  public:
    [[nodiscard]] base::Instant now() const override { return wall; }

    [[nodiscard]] base::Steady steady() const override { return boot; }

    void sleep(base::Milliseconds duration) override {
        wall += std::chrono::floor<base::Seconds>(duration);
        boot += duration;
    }

    base::Instant wall = fixtures::kNow;
    base::Steady boot{std::chrono::hours(1)};
};

/// A state directory, and a machine that is started now and then.
struct Stage {
    TwoClocks clock{};
    tests::TemporaryDirectory directory{};
    std::ostringstream said{};
    base::SystemFiles files{};
    spdlog::logger log{"test", std::make_shared<spdlog::sinks::ostream_sink_st>(said)};

    [[nodiscard]] agent::ClockWatch process(const std::string& boot = "first") {
        return {files, directory.path(), clock, log, boot};
    }

    [[nodiscard]] acme::Session::SeenDate date(base::Seconds ours_is_ahead = {}) const {
        return {.date = clock.now() - ours_is_ahead, .now = clock.now(), .at = clock.steady()};
    }
};

ClockState state_of(agent::ClockWatch& watch) {
    return watch.judge().state;
}

}  // namespace

TEST_CASE("clock watch: a date is believed by later processes, until the machine is started anew") {
    Stage stage;
    {
        agent::ClockWatch first = stage.process();
        CHECK(state_of(first) == ClockState::Unheard);
        first.hear("letsencrypt", std::nullopt);
        CHECK(state_of(first) == ClockState::Unheard);
        first.hear("letsencrypt", stage.date());
        CHECK(state_of(first) == ClockState::Right);
    }
    stage.clock.sleep(std::chrono::hours(5));  // the boot clock goes on while the machine is asleep
    agent::ClockWatch next = stage.process();
    CHECK(state_of(next) == ClockState::Right);
    agent::ClockWatch after_a_start = stage.process("second");
    CHECK(state_of(after_a_start) == ClockState::Unheard);
    CHECK(after_a_start.judge().ask_first);
    agent::ClockWatch without = stage.process("");
    CHECK(state_of(without) == ClockState::Unheard);
}

TEST_CASE("clock watch: the file is written once an hour, and a damaged one is none") {
    Stage stage;
    agent::ClockWatch watch = stage.process();
    watch.hear("letsencrypt", stage.date());
    const auto first = agent::read_dates(stage.files, stage.directory.path());
    REQUIRE(first.size() == 1);
    CHECK(first[0].boot == "first");
    stage.clock.sleep(std::chrono::minutes(59));
    watch.hear("letsencrypt", stage.date());
    CHECK(agent::read_dates(stage.files, stage.directory.path()) == first);
    stage.clock.sleep(std::chrono::minutes(1));
    watch.hear("letsencrypt", stage.date());
    CHECK(agent::read_dates(stage.files, stage.directory.path()) != first);

    const std::string path = stage.directory / "clock.json";
    for (
        const char* text :
        {"", "[]", "{", R"({"version":1,"date":"soon","now":"","boot":"","since_boot":1})",
         R"({"version":2})", R"({"version":2,"dates":7})", R"({"version":2,"dates":[{"ca":"x"}]})",
         R"({"version":2,"dates":[{"ca":"letsencrypt","date":"soon","now":"","boot":"","since_boot":1}]})"}) {
        CAPTURE(text);
        std::ofstream(path) << text;
        CHECK(agent::read_dates(stage.files, stage.directory.path()).empty());
        agent::ClockWatch after = stage.process();
        CHECK(state_of(after) == ClockState::Unheard);
    }
}

TEST_CASE("clock watch: more than five minutes are logged once a process, and nothing else comes of them") {
    struct Case {
        std::string_view name;
        base::Seconds ahead;
        std::string_view said;
    };

    for (const Case& c :
         {Case{"five minutes", std::chrono::minutes(5), ""},
          Case{"six ahead", std::chrono::minutes(6), "6 min ahead of the Date of the CA pebble"},
          Case{"six behind", -std::chrono::minutes(6), "6 min behind the Date of the CA pebble"},
          Case{"an hour", std::chrono::hours(1), "60 min ahead of"}}) {
        CAPTURE(c.name);
        Stage stage;
        agent::ClockWatch watch = stage.process();
        for (int i = 0; i < 2; ++i) {
            watch.hear("pebble", stage.date(c.ahead));
            const agent::ClockVerdict verdict = watch.judge();
            CHECK(verdict.state == ClockState::Right);
            CHECK(verdict.may_order);
            stage.clock.sleep(std::chrono::hours(2));
            (void)watch.judge();
        }
        const std::string said = stage.said.str();
        CHECK(said.empty() == c.said.empty());
        CHECK(said.find(c.said) != std::string::npos);
        CHECK(std::ranges::count(said, '\n') == (c.said.empty() ? 0 : 1));
    }
    // What was heard long ago may have been before the machine was stopped.
    Stage stage;
    agent::ClockWatch watch = stage.process();
    watch.hear("pebble", stage.date(std::chrono::minutes(6)));
    stage.clock.sleep(std::chrono::minutes(2));
    (void)watch.judge();
    CHECK(stage.said.str().empty());
}

TEST_CASE("clock watch: what is wrong is logged when it begins, and when it ends") {
    Stage stage;
    agent::ClockWatch watch = stage.process();
    watch.hear("letsencrypt", stage.date(std::chrono::days(90)));
    CHECK(state_of(watch) == ClockState::Ahead);
    CHECK(state_of(watch) == ClockState::Ahead);
    const std::string once = stage.said.str();
    CHECK(once.find("90 days ahead of the Date of the CA letsencrypt") != std::string::npos);
    CHECK(once.find("ahead") == once.rfind("ahead"));
    stage.clock.sleep(std::chrono::seconds(1));
    watch.hear("letsencrypt", stage.date());
    CHECK(state_of(watch) == ClockState::Right);
    CHECK(stage.said.str().find("is right again") != std::string::npos);

    const agent::ClockVerdict verdict = agent::check_clock(
        {.now = fixtures::kNow,
         .heard = agent::HeardDate{.date = fixtures::kNow + std::chrono::hours(5), .ago = base::Seconds(0)}});
    CHECK(base::to_string(agent::clock_error(verdict).code) == "clock/wrong");
    CHECK(agent::clock_error(verdict).hint.find("timedatectl") != std::string::npos);
}

TEST_CASE("clock watch: what is held has been no earlier than it was issued") {
    Stage stage;
    agent::ClockWatch watch = stage.process();
    agent::Record record = fixtures::well();
    record.generations.back().not_before = stage.clock.now() + std::chrono::days(30);
    CHECK(watch.judge(record).state == ClockState::Behind);
    CHECK(watch.judge(record).plan_by == record.generations.back().not_before);
}

TEST_CASE("clock watch: a clock that seems to be ahead is asked about, by one, every few minutes") {
    Stage stage;
    agent::ClockWatch watch = stage.process();
    CHECK_FALSE(watch.wants_to_ask("letsencrypt"));
    watch.hear("letsencrypt", stage.date(std::chrono::days(2)));
    CHECK_FALSE(watch.wants_to_ask("letsencrypt"));  // that was just now
    stage.clock.sleep(std::chrono::minutes(5));
    CHECK(watch.wants_to_ask("letsencrypt"));
    CHECK_FALSE(watch.wants_to_ask("letsencrypt"));  // somebody does
    stage.clock.sleep(std::chrono::minutes(5));
    CHECK(watch.wants_to_ask("letsencrypt"));
    watch.hear("letsencrypt", stage.date());
    CHECK_FALSE(watch.wants_to_ask("letsencrypt"));

    // A virtual machine that was stopped for two days: its boot clock was, too, and has been kept.
    stage.clock.wall += std::chrono::days(2);
    agent::ClockWatch later = stage.process();
    CHECK(later.wants_to_ask("letsencrypt"));
    stage.clock.sleep(std::chrono::seconds(1));
    later.hear("letsencrypt", stage.date());
    CHECK(state_of(later) == ClockState::Right);
}

TEST_CASE("clock watch: what one CA says of the time counts for its own certificates alone") {
    Stage stage;
    agent::Record ours = fixtures::well();  // of letsencrypt
    agent::Record theirs = fixtures::well();
    for (agent::GenerationRecord& generation : theirs.generations) generation.ordered_for.ca = "internal";
    agent::ClockWatch watch = stage.process();
    watch.hear("letsencrypt", stage.date());
    stage.clock.sleep(std::chrono::seconds(1));
    watch.hear("internal", stage.date(-std::chrono::days(365)));
    CHECK(watch.judge(ours).state == ClockState::Right);
    CHECK(watch.judge(theirs).state == ClockState::Behind);
    CHECK(watch.judge({}, "letsencrypt").state == ClockState::Right);
    CHECK(watch.judge({}, "internal").state == ClockState::Behind);
    CHECK(watch.judge().state == ClockState::Right);
    // Nor does a generation that it has dated.
    ours.generations.front().ordered_for.ca = "internal";
    ours.generations.front().not_before = stage.clock.now() + std::chrono::days(365);
    CHECK(watch.judge(ours).state == ClockState::Right);

    // The next process knows of both.
    agent::ClockWatch next = stage.process();
    CHECK(next.judge(ours).state == ClockState::Right);
    CHECK(next.judge(theirs).state == ClockState::Behind);
}

TEST_CASE("clock watch: what another CA says of the clock makes a CA that has not spoken yet be asked") {
    Stage stage;
    agent::ClockWatch watch = stage.process();
    watch.hear("internal", stage.date(-std::chrono::days(30)));
    CHECK(watch.judge(fixtures::well()).state == ClockState::Unheard);
    CHECK(watch.wants_to_ask("letsencrypt"));
    CHECK_FALSE(watch.wants_to_ask("letsencrypt"));  // somebody does
    CHECK_FALSE(watch.wants_to_ask("internal"));
    watch.hear("letsencrypt", stage.date());
    stage.clock.sleep(std::chrono::hours(1));
    CHECK_FALSE(watch.wants_to_ask("letsencrypt"));
}
