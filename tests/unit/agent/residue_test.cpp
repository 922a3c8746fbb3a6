// SPDX-License-Identifier: Apache-2.0
// What is remembered of challenges that have been put up, with the real store and a real webroot.
#include "agent/work/residue.hpp"

#include <filesystem>
#include <fstream>
#include <memory>
#include <ostream>
#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include "agent/memory/file_store.hpp"
#include "tests/unit/acme/fakes.hpp"
#include "tests/unit/base/temporary_directory.hpp"

using fakes::code_of;
using fakes::contains;
namespace fs = std::filesystem;

namespace {

acme::ChallengeTask task(const std::string& token) {
    return {.identifier = base::parse_identifier("www.example.com").value(),
            .token = token,
            .key_authorization = token + ".thumb",
            .account_url = "https://ca.test/account/1"};
}

/// What stays when a run of renewd is killed.
struct Disk {
    tests::TemporaryDirectory directory{};
    fakes::Clock clock{};
    fakes::Ca ca{};
    std::ostringstream said{};
    agent::Config config{};
    agent::CertificateConfig certificate{.name = "www.example.com",
                                         .names = {base::parse_identifier("www.example.com").value()},
                                         .ca = {"fake"},
                                         .solver = "web"};

    Disk() {
        fs::create_directory(directory / "webroot");
        config.solvers["web"] = {.name = "web", .type = "http-01", .webroot = directory / "webroot"};
    }

    [[nodiscard]] bool has(const std::string& token) const {
        return fs::exists(directory / ("webroot/.well-known/acme-challenge/" + token));
    }
};

/// One run.
struct Run {
    base::SystemFiles files{};
    std::unique_ptr<agent::FileStore> store;
    spdlog::logger log;
    agent::Progress progress;
    agent::Surroundings surroundings;
    agent::CertificateConfig certificate;
    std::unique_ptr<agent::Keeper> keeper;

    explicit Run(Disk& disk)
        : store(agent::FileStore::open(files, disk.directory / "state", /*allow_volatile=*/true).value()),
          log("test", std::make_shared<spdlog::sinks::ostream_sink_st>(disk.said)),
          progress(stderr, agent::Progress::Manner::Silent, disk.clock),
          surroundings(disk.config, *store, files, disk.ca, disk.clock, progress, log),
          certificate(disk.certificate),
          keeper(agent::Keeper::open(*store, certificate.name, disk.clock.now()).value()) {}

    [[nodiscard]] std::string present(const std::vector<acme::ChallengeTask>& tasks) {
        if (auto kept = agent::expect_residue(surroundings, certificate, *keeper, tasks); !kept)
            return code_of(kept);
        for (const acme::ChallengeTask& each : tasks) {
            auto done = surroundings.solver(certificate, each.identifier)->present(each);
            if (!done) return code_of(done);
        }
        return "ok";
    }

    [[nodiscard]] std::string clean_up() {
        return code_of(agent::clean_up_residue(surroundings, certificate, *keeper, /*regardless=*/false));
    }

    [[nodiscard]] std::vector<agent::Residue> residue() const { return keeper->record().residue; }
};

}  // namespace

TEST_CASE("residue: what a killed run has put up is taken away by the next, and only that") {
    Disk disk;
    REQUIRE(Run(disk).present({task("one"), task("two")}) == "ok");
    std::ofstream(disk.directory / "webroot/.well-known/acme-challenge/of-somebody-else") << "x";
    Run next(disk);
    REQUIRE(next.residue().size() == 2);
    CHECK_FALSE(next.residue().front().failure);
    // The same order goes on: nothing new is to be remembered.
    REQUIRE(next.present({task("one"), task("two")}) == "ok");
    CHECK(next.residue().size() == 2);
    REQUIRE(next.clean_up() == "ok");
    CHECK_FALSE(disk.has("one"));
    CHECK_FALSE(disk.has("two"));
    CHECK(disk.has("of-somebody-else"));
    next.keeper.reset();
    CHECK(Run(disk).residue().empty());
}

TEST_CASE("residue: what has been taken away is forgotten with the next change of the record") {
    Disk disk;
    {
        Run run(disk);
        REQUIRE(run.present({task("one")}) == "ok");
        agent::forget_residue(run.surroundings, run.certificate, *run.keeper, task("one"));
        CHECK(run.residue().empty());
    }
    Run next(disk);  // killed before that: it is taken away once more, which does no harm
    CHECK(next.residue().size() == 1);
    agent::forget_residue(next.surroundings, next.certificate, *next.keeper, task("one"));
    REQUIRE(next.keeper->change([](agent::Record& record) { record.ca_failures = 1; }));
    next.keeper.reset();
    CHECK(Run(disk).residue().empty());
}

TEST_CASE("residue: what has been taken away after a trial is forgotten without any other change") {
    Disk disk;
    {
        Run run(disk);
        REQUIRE(run.present({task("one")}) == "ok");
        agent::forget_residue(run.surroundings, run.certificate, *run.keeper, task("one"));
        REQUIRE(run.keeper->keep());
    }
    CHECK(Run(disk).residue().empty());
}

TEST_CASE("residue: it goes by the solver that has put it up, also where another one takes the name now") {
    Disk disk;
    REQUIRE(Run(disk).present({task("one")}) == "ok");
    disk.config.solvers["other"] = {.name = "other",
                                    .type = "http-01",
                                    .webroot = disk.directory / "elsewhere",
                                    .takes = {"www.example.com"}};
    REQUIRE(Run(disk).clean_up() == "ok");
    CHECK_FALSE(disk.has("one"));
}

TEST_CASE("residue: a solver that is gone leaves it to a person, and says so") {
    Disk disk;
    REQUIRE(Run(disk).present({task("one")}) == "ok");
    disk.config.solvers.clear();
    Run next(disk);
    REQUIRE(next.clean_up() == "ok");
    CHECK(next.residue().empty());
    CHECK(contains(disk.said.str(), "a challenge for www.example.com was put up by a run that has ended"));
    CHECK(contains(disk.said.str(), "solver web is not in the configuration any more"));
}

TEST_CASE(
    "residue: a solver that cannot be made takes nothing of an earlier run away, and leaves nothing of its "
    "own") {
    Disk disk;
    REQUIRE(Run(disk).present({task("one")}) == "ok");
    disk.config.solvers["web"] = {.name = "web", .type = "dns-01", .provider = "nobody's"};
    {
        Run run(disk);
        acme::Solver& excuse = run.surroundings.solver(disk.config.solvers.at("web"));
        CHECK_FALSE(excuse.outlives_us());
        CHECK(code_of(excuse.present(task("new"))) == "config/wrong-value");
        CHECK(code_of(excuse.clean_up(task("new"))) == "ok");
        REQUIRE(run.clean_up() == "ok");
        REQUIRE(run.residue().size() == 1);
        REQUIRE(run.residue().front().failure);
        CHECK(run.residue().front().failure->count == 1);
        CHECK(disk.has("one"));
    }
    disk.config.solvers["web"] = {.name = "web", .type = "http-01", .webroot = disk.directory / "webroot"};
    disk.clock.sleep(60s);
    Run mended(disk);
    REQUIRE(mended.clean_up() == "ok");
    CHECK(mended.residue().empty());
    CHECK_FALSE(disk.has("one"));
}
