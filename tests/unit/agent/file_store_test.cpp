// SPDX-License-Identifier: Apache-2.0
// The store on a real file system, and under every fault its calls can have.
#include "agent/memory/file_store.hpp"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <ostream>

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/parallel.hpp"
#include "tests/unit/agent/fixtures.hpp"
#include "tests/unit/agent/store_home.hpp"
#include "tests/unit/base/faulty_files.hpp"
#include "tests/unit/base/temporary_directory.hpp"

using fixtures::certificate;
using fixtures::kNow;
using fixtures::well;
using store_home::Home;
using store_home::Material;

namespace {

mode_t mode_of(const std::string& path) {
    struct stat info{};
    REQUIRE(::stat(path.c_str(), &info) == 0);
    return info.st_mode & 0777;
}

}  // namespace

TEST_CASE("store: nothing is remembered of what was never seen") {
    Home home;
    CHECK_FALSE(home.store().load("example.com").value().has_value());
    CHECK(home.store().open_orders("example.com").value().empty());
    CHECK(home.store().certificates().value().empty());
}

TEST_CASE("store: a record is saved whole, and the one before stays at hand") {
    Home home;
    const auto lease = home.store().lease("example.com").value();
    agent::Record record = well();
    record.generations.clear();
    record.served_told = 1;
    REQUIRE(home.store().save(record));
    record.served_told = 2;
    REQUIRE(home.store().save(record));
    CHECK(home.store().load("example.com").value() == record);
    home.write("record.json", "torn");
    REQUIRE(home.store().load("example.com").value());
    CHECK(home.store().load("example.com").value()->served_told == 1);
    record.served_told = 3;
    REQUIRE(home.store().save(record));
    CHECK(home.read("record.json.corrupt") == "torn");
    CHECK(home.store().load("example.com").value() == record);
}

TEST_CASE("store: what is forgotten is gone, and its name begins anew") {
    Home home;
    {
        const auto lease = home.store().lease("example.com").value();
        REQUIRE(home.store().save(well()));
        REQUIRE(home.store().remember("example.com", "{}"));
        // What a killed run has left is no obstacle.
        std::filesystem::create_directories(home.directory() / "state/forgotten/example.com/3");
        REQUIRE(home.store().forget("example.com"));
    }
    CHECK_FALSE(home.store().load("example.com").value().has_value());
    CHECK(home.store().certificates().value().empty());
    CHECK_FALSE(std::filesystem::exists(home.directory() / "state/forgotten"));
    const auto lease = home.store().lease("example.com").value();
    CHECK(home.store().next_number("example.com").value() == 1);
}

TEST_CASE("store: a record of a later version is refused, and never rewritten") {
    Home home;
    const auto lease = home.store().lease("example.com").value();
    REQUIRE(home.store().save(well()));
    std::string later = home.read("record.json");
    later.replace(later.find("\"version\": 1"), 12, "\"version\": 9");
    home.write("record.json", later);
    const auto loaded = home.store().load("example.com");
    REQUIRE_FALSE(loaded);
    CHECK(base::to_string(loaded.error().code) == "state/newer-version");
    CHECK(home.read("record.json") == later);
}

TEST_CASE("store: one writer per certificate") {
    Home home;
    {
        const auto lease = home.store().lease("example.com").value();
        const auto second = home.store().lease("example.com");
        REQUIRE_FALSE(second);
        CHECK(base::to_string(second.error().code) == "state/locked");
        CHECK(home.store().lease("other.example"));
    }
    CHECK(home.store().lease("example.com"));
}

TEST_CASE("store: an order becomes a generation, private and complete") {
    Home home;
    const Material material;
    const auto lease = home.store().lease("example.com").value();
    REQUIRE(home.store().begin_order("example.com", material.order));
    agent::OpenOrder placed = material.order;
    placed.url = "https://ca.test/order/1";
    REQUIRE(home.store().order_placed("example.com", placed));
    const auto open = home.store().open_orders("example.com").value();
    REQUIRE(open.size() == 1);
    CHECK(open[0].url == placed.url);
    CHECK(open[0].key_pem.reveal() == material.order.key_pem.reveal());
    CHECK(mode_of(home.path("next-letsencrypt")) == 0700);
    CHECK(mode_of(home.path("next-letsencrypt/privkey.pem")) == 0600);

    CHECK(home.store().next_number("example.com").value() == 1);
    REQUIRE(home.store().complete("example.com", material.generation(1), material.chain));
    CHECK(home.store().open_orders("example.com").value().empty());
    CHECK(std::filesystem::read_symlink(home.path("live")) == "1");
    CHECK(mode_of(home.path("1/privkey.pem")) == 0600);
    const auto generation = home.store().generation("example.com", 1);
    REQUIRE(generation);
    CHECK(generation->chain.front().sha256() == material.chain.front().sha256());
    CHECK(generation->chain.size() == 2);
    CHECK(home.store().next_number("example.com").value() == 2);
}

TEST_CASE(
    "store: a generation that a killed run finished is found, and a lost record is put together again") {
    Home home;
    const Material material;
    const auto lease = home.store().lease("example.com").value();
    for (int number = 1; number <= 2; ++number) {
        REQUIRE(home.store().begin_order("example.com", material.order));
        REQUIRE(home.store().complete("example.com", material.generation(number), material.chain));
    }
    const auto rebuilt = home.store().load("example.com").value();
    REQUIRE(rebuilt);
    CHECK(rebuilt->name == "example.com");
    REQUIRE(rebuilt->generations.size() == 2);
    CHECK(rebuilt->generations[1] == material.generation(2));
    home.write("2/meta.json", "torn");
    CHECK(home.store().load("example.com").value()->generations.size() == 1);
    CHECK(home.store().next_number("example.com").value() == 3);
}

TEST_CASE("store: an order whose key is gone is told, not ordered anew in silence") {
    Home home;
    const Material material;
    const auto lease = home.store().lease("example.com").value();
    REQUIRE(home.store().begin_order("example.com", material.order));
    std::filesystem::remove(home.path("next-letsencrypt/privkey.pem"));
    const auto open = home.store().open_orders("example.com");
    REQUIRE_FALSE(open);
    CHECK(base::to_string(open.error().code) == "state/corrupt");
}

TEST_CASE("store: an order at one CA leaves that at another alone, and both are over with a generation") {
    Home home;
    const Material first;
    const Material second;
    const auto lease = home.store().lease("example.com").value();
    agent::OpenOrder other = second.order;
    other.ordered_for.ca = "other";
    REQUIRE(home.store().begin_order("example.com", first.order));
    REQUIRE(home.store().begin_order("example.com", other));
    other.url = "https://other.test/order/1";
    REQUIRE(home.store().order_placed("example.com", other));
    REQUIRE(home.store().begin_order("example.com", first.order));  // anew
    const auto open = home.store().open_orders("example.com").value();
    REQUIRE(open.size() == 2);
    CHECK(open[0].ordered_for.ca == "letsencrypt");
    CHECK(open[0].key_pem.reveal() == first.order.key_pem.reveal());
    CHECK(open[0].url.empty());
    CHECK(open[1].ordered_for.ca == "other");
    CHECK(open[1].key_pem.reveal() == second.order.key_pem.reveal());
    CHECK(open[1].url == other.url);

    agent::GenerationRecord generation = second.generation(1);
    generation.ordered_for.ca = "other";
    REQUIRE(home.store().complete("example.com", generation, second.chain));
    CHECK(home.store().open_orders("example.com").value().empty());
    CHECK(home.store().generation("example.com", 1).value().key_pem.reveal() ==
          second.order.key_pem.reveal());
    REQUIRE(home.store().begin_order("example.com", first.order));
    REQUIRE(home.store().begin_order("example.com", other));
    REQUIRE(home.store().drop_orders("example.com"));
    CHECK(home.store().open_orders("example.com").value().empty());
}

TEST_CASE("store: the one order of an earlier renewd is gone on with from where it is") {
    for (const bool is_completed : {true, false}) {
        CAPTURE(is_completed);
        Home home;
        const Material material;
        const auto lease = home.store().lease("example.com").value();
        REQUIRE(home.store().begin_order("example.com", material.order));
        std::filesystem::rename(home.path("next-letsencrypt"), home.path("next"));
        agent::OpenOrder placed = material.order;
        placed.url = "https://ca.test/order/1";
        REQUIRE(home.store().order_placed("example.com", placed));
        CHECK_FALSE(std::filesystem::exists(home.path("next-letsencrypt")));
        REQUIRE(home.store().open_orders("example.com").value().size() == 1);
        CHECK(home.store().open_orders("example.com").value()[0].url == placed.url);
        if (is_completed) {
            REQUIRE(home.store().complete("example.com", material.generation(1), material.chain));
            CHECK(home.store().generation("example.com", 1));
        } else {
            REQUIRE(home.store().begin_order("example.com", material.order));
            CHECK(home.store().open_orders("example.com").value().size() == 1);
        }
        CHECK_FALSE(std::filesystem::exists(home.path("next")));
    }
}

TEST_CASE("store: pruning keeps what is named, and what nobody can read") {
    Home home;
    const Material material;
    const auto lease = home.store().lease("example.com").value();
    for (int number = 1; number <= 3; ++number) {
        REQUIRE(home.store().begin_order("example.com", material.order));
        REQUIRE(home.store().complete("example.com", material.generation(number), material.chain));
    }
    REQUIRE(home.store().begin_order("example.com", material.order));
    REQUIRE(home.store().complete("example.com", material.generation(4), material.chain));
    base::SystemFiles files;
    REQUIRE(base::write_durably(files, home.path("4/meta.json"), "torn", {}));
    REQUIRE(home.store().prune("example.com", {2, 3}));
    CHECK_FALSE(std::filesystem::exists(home.path("1")));
    CHECK(std::filesystem::exists(home.path("4/privkey.pem")));  // nobody knows what it is
    CHECK(std::filesystem::exists(home.path("2/privkey.pem")));
    CHECK(std::filesystem::exists(home.path("3/privkey.pem")));
}

TEST_CASE("store: what a killed run left half-written is swept up by the next writer") {
    Home home;
    {
        const auto lease = home.store().lease("example.com").value();
    }
    home.write(".record.json.renewd-123-1", "half");
    for (const std::string next : {"next", "next-other"}) {
        std::filesystem::create_directory(home.path(next));
        home.write(next + "/.chain.pem.renewd-123-2", "half");
    }
    {
        const auto lease = home.store().lease("example.com").value();
    }
    CHECK_FALSE(std::filesystem::exists(home.path(".record.json.renewd-123-1")));
    CHECK_FALSE(std::filesystem::exists(home.path("next/.chain.pem.renewd-123-2")));
    CHECK_FALSE(std::filesystem::exists(home.path("next-other/.chain.pem.renewd-123-2")));
}

TEST_CASE("store: an account is kept for its directory URL, key first") {
    Home home;
    const Material material;
    agent::StoredAccount account{.key = material.key};
    REQUIRE(home.store().save_account("ca", "https://one.test/dir", account));
    CHECK(home.store().account("ca", "https://one.test/dir").value()->url.empty());
    account.url = "https://one.test/acct/1";
    REQUIRE(home.store().save_account("ca", "https://one.test/dir", account));
    CHECK(home.store().account("ca", "https://one.test/dir").value()->url == account.url);
    CHECK_FALSE(home.store().account("ca", "https://two.test/dir").value().has_value());
}

TEST_CASE("store: what a killed run left half-written beside an account is swept up, too") {
    Home home;
    REQUIRE(home.store().save_account("ca", "https://one.test/dir",
                                      {.key = Material().key, .url = "https://one.test/acct/1"}));
    const std::string place = home.store().account_place("ca", "https://one.test/dir");
    constexpr int kNobody = 2'000'000'000;  // more than the kernel gives (pid_max)
    const auto left_by = [&](const std::string& file, int writer) {
        std::string path = place + "/." + file + ".renewd-" + std::to_string(writer) + "-1";
        std::ofstream(path) << "half";
        return path;
    };
    const std::string ours = left_by("account.url", ::getpid());
    const std::string of_the_dead = left_by("ledger", kNobody);
    const std::string being_written = left_by("ledger", ::getpid());  // under another lock, at this moment
    CHECK(home.store().lease_account("ca", "https://one.test/dir"));
    CHECK_FALSE(std::filesystem::exists(ours));
    CHECK_FALSE(std::filesystem::exists(of_the_dead));
    CHECK(std::filesystem::exists(being_written));
}

TEST_CASE("store: a directory that a reboot or a cleaner empties is refused") {
    base::SystemFiles files;
    const tests::TemporaryDirectory directory;
    const auto store = agent::FileStore::open(files, directory / "state", /*allow_volatile=*/false);
    REQUIRE_FALSE(store);
    CHECK(base::to_string(store.error().code) == "state/volatile");
}

TEST_CASE("store: a directory that cannot be made is told as such") {
    base::SystemFiles files;
    const auto store = agent::FileStore::open(files, "/proc/renewd", /*allow_volatile=*/true);
    REQUIRE_FALSE(store);
    CHECK(base::to_string(store.error().code) == "state/unwritable");
}

TEST_CASE("store: what happened is added line by line") {
    Home home;
    const auto lease = home.store().lease("example.com").value();
    REQUIRE(home.store().remember("example.com", R"({"event":"issued"})"));
    REQUIRE(home.store().remember("example.com", R"({"event":"served"})"));
    CHECK(home.read("history.jsonl") == "{\"event\":\"issued\"}\n{\"event\":\"served\"}\n");
    CHECK(mode_of(home.path("history.jsonl")) == 0600);
}

TEST_CASE("store: the newest lines of what happened are read, the file before included") {
    Home home;
    CHECK(home.store().history("example.com", 40).value().empty());
    const auto lease = home.store().lease("example.com").value();
    const std::string long_line(600'000, 'x');  // the third begins a new file
    for (const std::string& line : {std::string("first"), long_line, long_line, std::string("fourth")})
        REQUIRE(home.store().remember("example.com", line));
    REQUIRE(std::filesystem::exists(home.path("history.jsonl.1")));
    CHECK(home.store().history("example.com", 1).value() == std::vector<std::string>{"fourth"});
    CHECK(home.store().history("example.com", 40).value() ==
          std::vector<std::string>{"first", long_line, long_line, "fourth"});
}

TEST_CASE("store: a history that many threads add to at once loses no line when a new file begins") {
    Home home;
    const auto lease = home.store().lease("example.com").value();
    constexpr std::size_t kThreads = 8;
    const std::string filler(1'048'570, 'x');  // the next one but one begins a new file
    REQUIRE(home.store().remember("example.com", filler));
    std::atomic<int> failures{0};
    base::in_parallel(kThreads, kThreads, [&](std::size_t i) {
        if (!home.store().remember("example.com", "line " + std::to_string(i))) ++failures;
    });
    CHECK(failures == 0);
    const auto lines = home.store().history("example.com", 40).value();
    CHECK(lines.size() == kThreads + 1);
    CHECK(std::ranges::find(lines, filler) != lines.end());
}

TEST_CASE("store: a disk that takes part of a line spoils no other") {
    const tests::TemporaryDirectory directory;
    tests::FaultyFiles files;
    const auto store = agent::FileStore::open(files, directory / "state", /*allow_volatile=*/true).value();
    const auto lease = store->lease("example.com").value();
    files.set_write_max(3);
    REQUIRE(store->remember("example.com", "in many parts"));
    files.set_write_max(0);
    CHECK(base::to_string(store->remember("example.com", "nothing").error().code) == "state/unwritable");
    files.set_write_max(tests::FaultyFiles::kNever);
    REQUIRE(store->remember("example.com", "whole"));
    CHECK(store->history("example.com", 40).value() == std::vector<std::string>{"in many parts", "whole"});
}

TEST_CASE("store: a line that was begun and could not be ended does not take the next one with it") {
    for (std::size_t at = 1;; ++at) {
        CAPTURE(at);
        const tests::TemporaryDirectory directory;
        tests::FaultyFiles files(tests::Fault::Fail, at, base::Code::StateNoSpace);
        files.set_write_max(3);
        auto store = agent::FileStore::open(files, directory / "state", /*allow_volatile=*/true);
        if (!store || !base::make_directories(files, directory / "state/certificates/example.com", 0700))
            continue;
        const bool was_written = (*store)->remember("example.com", "in many parts").has_value();
        if (!files.struck()) break;
        REQUIRE((*store)->remember("example.com", "whole"));
        const auto lines = (*store)->history("example.com", 40).value();
        REQUIRE_FALSE(lines.empty());
        CHECK(lines.back() == "whole");
        CHECK((lines.front() == "in many parts") == was_written);
    }
}

TEST_CASE("store: wildcards have a directory that no shell expands") {
    Home home;
    const auto lease = home.store().lease("*.example.com").value();
    REQUIRE(home.store().save({.name = "*.example.com", .first_seen = kNow}));
    CHECK(std::filesystem::exists(home.directory() / "state/certificates/_wildcard.example.com/record.json"));
    CHECK(home.store().certificates().value() == std::vector<std::string>{"*.example.com"});
}
