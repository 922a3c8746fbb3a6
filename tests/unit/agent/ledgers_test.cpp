// SPDX-License-Identifier: Apache-2.0
// The ledger's file, whole, torn and damaged, and what several renewds make of it.
#include "agent/work/ledgers.hpp"

#include <filesystem>
#include <fstream>
#include <ostream>
#include <sstream>

#include <doctest/doctest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include "agent/memory/file_store.hpp"
#include "tests/unit/acme/fakes.hpp"
#include "tests/unit/agent/fixtures.hpp"
#include "tests/unit/base/faulty_files.hpp"
#include "tests/unit/base/temporary_directory.hpp"

using agent::Ledger;
using agent::OrderAhead;
using agent::OrderHold;
using fixtures::kNow;

namespace {

const agent::CaConfig kCa{.name = "letsencrypt",
                          .directory = "https://acme-v02.api.letsencrypt.org/directory"};
constexpr const char* kAccount = "https://acme-v02.api.letsencrypt.org/acme/acct/1";

OrderAhead order(const std::string& name = "example.com") {
    return {
        .names = {{.type = base::IdentifierType::Dns, .value = name}}, .is_paced = false, .life_left = 0.2};
}

/// A state directory that outlives the runs of renewd.
struct Stage {
    fakes::Clock clock{};
    tests::TemporaryDirectory directory{};
    std::ostringstream said{};

    [[nodiscard]] std::string path() const {
        base::SystemFiles files;
        return agent::FileStore::open_read_only(files, directory / "state")
                   ->account_place(kCa.name, kCa.directory) +
               "/ledger";
    }

    [[nodiscard]] std::string text() const {
        std::ifstream file(path());
        return {std::istreambuf_iterator<char>(file), {}};
    }

    void write(const std::string& text) const { std::ofstream(path()) << text; }
};

/// A wall clock that shows one instant.
class StoppedClock final : public base::Clock {
  public:
    explicit StoppedClock(base::Instant shown) : shown_(shown) {}

    [[nodiscard]] base::Instant now() const override { return shown_; }

    [[nodiscard]] base::Steady steady() const override { return {}; }

    void sleep(base::Milliseconds) override {}

  private:
    base::Instant shown_;
};

/// One run of renewd.
class Run {
  public:
    explicit Run(Stage& stage, base::Files* files = nullptr)
        : store_(agent::FileStore::open_read_only(files != nullptr ? *files : system_,
                                                  stage.directory / "state")),
          log_("test", std::make_shared<spdlog::sinks::ostream_sink_st>(stage.said)),
          ledgers_(*store_, files != nullptr ? *files : system_, stage.clock, log_) {}

    agent::Ledgers* operator->() { return &ledgers_; }

    [[nodiscard]] agent::FileStore& store() { return *store_; }

    /// True if it was counted; false if a limit holds it.
    bool order(OrderAhead one = ::order()) {
        return std::holds_alternative<base::Seconds>(ledgers_.admit(kCa, kAccount, one, false));
    }

    [[nodiscard]] int left(const std::string& id, const OrderAhead& one = ::order()) {
        const auto ledger = ledgers_.look(kCa);
        for (const auto& each : agent::limits_left(ledger.value_or(Ledger{}), agent::limits_of(kCa.directory),
                                                   one.names, kNow)) {
            if (each.limit->id == id) return each.left;
        }
        return -1;
    }

  private:
    base::SystemFiles system_;
    std::unique_ptr<agent::FileStore> store_;
    spdlog::logger log_;
    agent::Ledgers ledgers_;
};

}  // namespace

TEST_CASE("ledgers: what one run has counted, the next one knows") {
    Stage stage;
    CHECK_FALSE(Run(stage)->look(kCa));
    for (int i = 0; i < 5; ++i) {
        Run run(stage);
        CHECK(run.order());
        run->placed(kCa, order());
        run->issued(kCa, order());
    }
    Run run(stage);
    CHECK(run.left("same-names") == 0);
    CHECK(run.left("new-orders") == 295);
    CHECK_FALSE(run.order());
    CHECK(run->hold(kCa, order())->limit == "same-names");
    CHECK(run.order(order("other.example")));
    OrderAhead sixth = order();
    const auto over = run->admit(kCa, kAccount, sixth, /*over_limit=*/true);
    CHECK(std::holds_alternative<base::Seconds>(over));
    CHECK(stage.said.str().empty());
}

TEST_CASE("ledgers: two runs at once count both their orders") {
    Stage stage;
    Run one(stage);
    Run other(stage);
    CHECK(one.order());
    CHECK(other.order(order("other.example")));
    CHECK(one.order(order("third.example")));
    CHECK(one.left("new-orders") == 297);
    CHECK(other.left("new-orders") == 297);
    one->taken_back(kCa, order("third.example"));
    CHECK(other.left("new-orders") == 298);
}

TEST_CASE("ledgers: another renewd that holds the lock for long does not stop an order") {
    Stage stage;
    Run run(stage);
    CHECK(run.order());
    base::SystemFiles files;
    agent::LedgerFile file(files, base::directory_of(stage.path()));
    const auto lock = file.lock();
    REQUIRE(lock);
    CHECK(run.order());
    CHECK(stage.clock.passed() >= 2s);
    CHECK(Run(stage).left("new-orders") == 298);
}

TEST_CASE("ledgers: what another renewd holds and puts together for long is not replaced under its hands") {
    Stage stage;
    Run run(stage);
    base::SystemFiles files;
    agent::LedgerFile file(files, base::directory_of(stage.path()));
    {
        const auto lock = file.lock();
        REQUIRE(lock);
        CHECK(run.order());
        CHECK(stage.text().empty());
        Ledger theirs;
        OrderAhead other = order("other.example");
        agent::count_order(theirs, agent::limits_of(kCa.directory), other, kNow);
        REQUIRE(file.replace(agent::to_text(theirs)));
        CHECK(run.order(order("third.example")));
    }
    CHECK(run.order(order("fourth.example")));
    Run next(stage);
    for (const char* name : {"example.com", "other.example", "third.example", "fourth.example"}) {
        CAPTURE(name);
        CHECK(next.left("same-names", order(name)) < 5);
    }
    CHECK(agent::parse_ledger(stage.text()).is_whole);
}

TEST_CASE("ledgers: a clock that is behind counts as the CA does, and takes nothing away") {
    Stage stage;
    base::SystemFiles files;
    spdlog::logger log("test");
    const auto store = agent::FileStore::open_read_only(files, stage.directory / "state");
    CHECK(Run(stage).order());  // under a clock that is right
    const base::Seconds behind = 30 * 24h;
    StoppedClock clock{kNow - behind};
    agent::Ledgers ledgers(*store, files, clock, log,
                           [&](const std::string&) { return clock.now() + behind; });
    for (int i = 0; i < 4; ++i) {
        OrderAhead one = order();
        CHECK(std::holds_alternative<base::Seconds>(ledgers.admit(kCa, kAccount, one, false)));
        ledgers.issued(kCa, one);
    }
    // The sixth: told as what this clock will show then.
    const auto hold = ledgers.hold(kCa, order());
    REQUIRE(hold);
    CHECK(hold->until > clock.now() + 24h);
    CHECK(hold->until < clock.now() + 48h);
    OrderAhead sixth = order();
    const auto admission = ledgers.admit(kCa, kAccount, sixth, false);
    REQUIRE(std::holds_alternative<OrderHold>(admission));
    CHECK(std::get<OrderHold>(admission).until == hold->until);
    ledgers.refused(kCa, order("other.example"),
                    {.code = base::Code::CaRateLimited, .message = "slower", .retry_at = clock.now() + 1h});
    CHECK(ledgers.hold(kCa, order("other.example"))->until == clock.now() + 1h);
    // And when it has been set right.
    Run right(stage);
    CHECK(right.left("same-names") == 0);
    CHECK(right->hold(kCa, order("other.example"))->until == kNow + 1h);
}

TEST_CASE("ledgers: a torn or damaged line costs no more than itself") {
    Stage stage;
    Run(stage).order();
    Run(stage).order(order("other.example"));
    const std::string whole = stage.text();
    for (std::size_t length = 0; length < whole.size(); ++length) {
        stage.write(whole.substr(0, length));
        CHECK_FALSE(agent::parse_ledger(whole.substr(0, length)).is_newer);
        Run run(stage);
        CHECK(run.order(order("third.example")));
        CHECK(run.left("new-orders") >= 297);
        CHECK(run.left("new-orders") <= 299);
        // Nothing is ever refused that is not used up.
        CHECK(run.left("same-names") >= 4);
    }
    for (std::size_t at = 0; at < whole.size(); ++at) {
        std::string damaged = whole;
        damaged[at] = static_cast<char>(damaged[at] ^ 0x01);
        CHECK_FALSE(agent::parse_ledger(damaged).is_whole);
    }
}

TEST_CASE("ledgers: one that is lost is put together again from what was issued") {
    Stage stage;
    {
        Run run(stage);
        agent::Record record = fixtures::well();
        record.generations = {fixtures::generation(2, 60 * 24h), fixtures::generation(3, 3h)};
        REQUIRE(base::make_directories(*std::make_unique<base::SystemFiles>(),
                                       stage.directory / "state/certificates/example.com", 0700));
        REQUIRE(run.store().save(record));
        CHECK(run.order(order("other.example")));
        CHECK(run.left("same-names") == 4);
    }
    stage.write("\x01\x02 rubbish\n");
    Run again(stage);
    CHECK(again.order(order("other.example")));
    CHECK(again.left("same-names") == 4);
    CHECK(stage.said.str().find("damaged, and put together anew") != std::string::npos);
    CHECK(agent::parse_ledger(stage.text()).is_whole);
}

TEST_CASE("ledgers: the file of a later renewd is left as it is, and so is the order's way") {
    Stage stage;
    Run(stage).order();
    stage.write("renewd-ledger 2\nwhatever\n");
    Run run(stage);
    CHECK(run.order());
    CHECK(run.left("new-orders") == 299);  // in memory
    CHECK(stage.text() == "renewd-ledger 2\nwhatever\n");
    CHECK(stage.said.str().find("by a later renewd") != std::string::npos);
}

TEST_CASE("ledgers: the file stays small") {
    Stage stage;
    Run run(stage);
    for (int i = 0; i < 3000; ++i) {
        CHECK(run.order());
        run->taken_back(kCa, order());
    }
    CHECK(stage.text().size() < 300'000);
    CHECK(run.left("new-orders") == 300);
}

TEST_CASE("ledgers: whichever call to the disk fails or is the last, no order is stopped and none is lost") {
    for (const tests::Fault fault : {tests::Fault::Fail, tests::Fault::Kill, tests::Fault::PowerCut}) {
        std::unique_ptr<Stage> stage;
        bool was_admitted = false;
        const std::size_t struck = tests::at_every_call(
            fault,
            [&](base::Files& files) {
                stage = std::make_unique<Stage>();
                Run(*stage).order(order("first.example"));
                was_admitted = false;
                was_admitted = Run(*stage, &files).order();
            },
            [&](base::Files&, std::size_t number) {
                CAPTURE(number);
                if (fault == tests::Fault::Fail) CHECK(was_admitted);
                Run after(*stage);
                // What was killed has sent nothing: it may be counted or not. The one before it is.
                // A power cut may take the file, and with it what no generation tells of.
                if (fault != tests::Fault::PowerCut)
                    CHECK(after.left("same-names", order("first.example")) == 4);
                CHECK(after.order(order("third.example")));
                CHECK(after.left("new-orders") <= (fault == tests::Fault::PowerCut ? 299 : 298));
                CHECK(after.left("new-orders") >= 297);
            });
        CHECK(struck > 5);
    }
}
