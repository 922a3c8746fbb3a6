// SPDX-License-Identifier: Apache-2.0
// Records and generations as crashes, disks and people leave them: what can be read again is, what cannot is
// told and kept, and nothing is ordered because of it.
#include <algorithm>
#include <filesystem>
#include <functional>
#include <ostream>

#include <doctest/doctest.h>

#include "tests/unit/agent/store_home.hpp"
#include "tests/unit/base/faulty_files.hpp"

using fixtures::well;
using store_home::Home;
using store_home::Material;

namespace {

constexpr const char* kName = "example.com";

/// A record with a counter, saved as often as it says; no generation is on disk.
agent::Record saved(Home& home, int times) {
    agent::Record record = well();
    record.generations.clear();
    for (int i = 1; i <= times; ++i) {
        record.served_told = i;
        REQUIRE(home.store().save(record));
    }
    return record;
}

void issue(Home& home, const Material& material, int number) {
    REQUIRE(home.store().begin_order(kName, material.order));
    REQUIRE(home.store().complete(kName, material.generation(number), material.chain));
}

std::string flipped(std::string text) {
    const std::size_t at = text.find("served_told");
    text[at] = static_cast<char>(text[at] ^ 1);
    return text;
}

bool mentions(const std::vector<std::string>& findings, const std::string& words) {
    return std::ranges::any_of(
        findings, [&](const std::string& each) { return each.find(words) != std::string::npos; });
}

}  // namespace

TEST_CASE("damaged: the record before is used, what is wrong is told once, and the damaged one is kept") {
    struct Case {
        std::string_view name;
        std::function<std::string(const std::string&)> damage;
        std::string_view told;
    };

    for (const Case& c : {
             Case{"empty", [](const auto&) { return ""; }, "record.json is no record of renewd's"},
             Case{"truncated", [](const std::string& text) { return text.substr(0, text.size() / 2); },
                  "record.json is no record of renewd's"},
             Case{"a bit flipped", flipped, "record.json does not match its own digest"},
             Case{"of another certificate",
                  [](const std::string&) { return agent::to_text(agent::Record{.name = "other.example"}); },
                  "record.json is the record of other.example"},
         }) {
        CAPTURE(c.name);
        Home home;
        const auto lease = home.store().lease(kName).value();
        agent::Record record = saved(home, 2);
        const std::string damaged = c.damage(home.read("record.json"));
        home.write("record.json", damaged);
        CHECK(home.store().load(kName).value()->served_told == 1);
        const auto findings = home.store().findings(kName);
        CHECK(findings.size() == 1);
        CHECK(mentions(findings, std::string(c.told)));
        CHECK(home.store().findings(kName).empty());
        record.served_told = 3;
        REQUIRE(home.store().save(record));
        CHECK(home.store().load(kName).value()->served_told == 3);
        CHECK(home.store().findings(kName).empty());
        CHECK(home.read("record.json.corrupt") == damaged);
        CHECK(home.read("record.json.1").find("\"served_told\": 1") != std::string::npos);
    }
}

TEST_CASE("damaged: evidence takes the place of nothing, and there is an end to it") {
    Home home;
    const auto lease = home.store().lease(kName).value();
    const agent::Record record = saved(home, 2);
    for (int i = 1; i <= 12; ++i) {
        home.write("record.json", "torn " + std::to_string(i));
        REQUIRE(home.store().save(record));
    }
    CHECK(home.read("record.json.corrupt") == "torn 1");
    CHECK(home.read("record.json.corrupt.2") == "torn 2");
    CHECK(home.read("record.json.corrupt.9") == "torn 9");
    CHECK_FALSE(std::filesystem::exists(home.path("record.json.corrupt.10")));
}

TEST_CASE("damaged: a record of a later version is not written over, whatever is asked") {
    Home home;
    const auto lease = home.store().lease(kName).value();
    const agent::Record record = saved(home, 1);
    std::string later = home.read("record.json");
    later.replace(later.find("\"version\": 1"), 12, "\"version\": 9");
    home.write("record.json", later);
    const auto kept = home.store().save(record);
    REQUIRE_FALSE(kept);
    CHECK(base::to_string(kept.error().code) == "state/newer-version");
    CHECK(home.read("record.json") == later);
}

TEST_CASE(
    "damaged: of two records that are whole and differ the one before is never taken for the last one") {
    struct Case {
        std::string_view name;
        int before;         // what record.json.1 says; record.json says 2
        bool has_last;      // record.json is whole
        bool is_later;      // record.json.1 is of a later version
        int loaded;         // 0: refused
        std::size_t tells;  // findings
    };

    for (const Case& c : {
             Case{"the one before", 1, true, false, 2, 0},
             Case{"one from another place, which has seen more", 9, true, false, 2, 0},
             Case{"one of a later version", 9, true, true, 2, 0},
             Case{"the last one torn, and one from another place", 9, false, false, 9, 1},
             Case{"the last one torn, and one of a later version", 9, false, true, 0, 1},
         }) {
        CAPTURE(c.name);
        Home home;
        const auto lease = home.store().lease(kName).value();
        agent::Record record = saved(home, 2);
        record.served_told = c.before;
        std::string before = agent::to_text(record);
        if (c.is_later) before.replace(before.find("\"version\": 1"), 12, "\"version\": 9");
        std::filesystem::remove(home.path("record.json.1"));  // a link, maybe
        home.write("record.json.1", before);
        if (!c.has_last) home.write("record.json", "torn");
        const auto loaded = home.store().load(kName);
        CHECK(home.store().findings(kName).size() == c.tells);
        CHECK(home.read("record.json.1") == before);
        if (c.loaded != 0) {
            REQUIRE(loaded);
            CHECK(loaded.value()->served_told == c.loaded);
        } else {
            REQUIRE_FALSE(loaded);
            CHECK(base::to_string(loaded.error().code) == "state/newer-version");
        }
    }
}

TEST_CASE("damaged: what belongs to another user is refused, with the chown, and nothing takes its place") {
    const auto orders = [](agent::FileStore& store) { return store.open_orders(kName).map([](auto&&) {}); };
    const auto record = [](agent::FileStore& store) { return store.load(kName).map([](auto&&) {}); };

    struct Case {
        const char* file;
        std::function<base::Result<void>(agent::FileStore&)> read;
    };

    for (const Case& c : {
             Case{"record.json", record},
             Case{"1/meta.json", record},
             Case{"next-letsencrypt/order.json", orders},
             Case{"next-letsencrypt/privkey.pem", orders},
         }) {
        CAPTURE(c.file);
        Home home;
        const Material material;
        const auto lease = home.store().lease(kName).value();
        saved(home, 2);
        issue(home, material, 1);
        REQUIRE(home.store().begin_order(kName, material.order));
        const std::string content = home.read(c.file);
        // To root nothing is denied: the file system says what it would say to another.
        const auto open = [&](tests::FaultyFiles& files) {
            const auto store = agent::FileStore::open_read_only(files, home.directory() / "state");
            return c.read(*store);
        };
        tests::FaultyFiles undisturbed;
        REQUIRE(open(undisturbed));
        const auto& calls = undisturbed.calls();
        const auto at = std::ranges::find(calls, "open " + home.path(c.file));
        REQUIRE(at != calls.end());
        tests::FaultyFiles denying(tests::Fault::Fail, static_cast<std::size_t>(at - calls.begin()) + 1,
                                   base::Code::FileDenied);
        const auto refused = open(denying);
        REQUIRE_FALSE(refused);
        CHECK(base::to_string(refused.error().code) == "state/unwritable");
        CHECK(refused.error().hint.find("chown -R USER: " +
                                        (home.directory() / "state/certificates/example.com")) !=
              std::string::npos);
        CHECK(home.read(c.file) == content);
    }
}

TEST_CASE("damaged: a record that is gone is told of, and the one before it used") {
    Home home;
    const auto lease = home.store().lease(kName).value();
    saved(home, 2);
    std::filesystem::remove(home.path("record.json"));
    CHECK(home.store().load(kName).value()->served_told == 1);
    CHECK(mentions(home.store().findings(kName), "record.json is missing"));
}

TEST_CASE("damaged: a lost record is put together again from generations that can be read") {
    Home home;
    const Material material;
    const auto lease = home.store().lease(kName).value();
    for (int number = 1; number <= 3; ++number) issue(home, material, number);
    home.write("2/meta.json", "torn");
    std::filesystem::remove(home.path("1/meta.json"));
    const auto rebuilt = home.store().load(kName).value();
    REQUIRE(rebuilt);
    REQUIRE(rebuilt->generations.size() == 1);
    CHECK(rebuilt->wanted()->number == 3);
    CHECK(rebuilt->hooks.empty());
    const auto findings = home.store().findings(kName);
    CHECK(mentions(findings, "1/meta.json is missing; generation 1 is left as it is"));
    CHECK(mentions(findings, "2/meta.json is no record of renewd's"));
    CHECK(mentions(findings, "the record was lost"));
    CHECK(home.store().next_number(kName).value() == 4);
}

TEST_CASE("damaged: where nothing can be read, nothing is ordered anew in silence") {
    Home home;
    const Material material;
    const auto lease = home.store().lease(kName).value();
    issue(home, material, 1);
    home.write("1/meta.json", "torn");
    home.write("record.json", "torn");
    const auto loaded = home.store().load(kName);
    REQUIRE_FALSE(loaded);
    CHECK(base::to_string(loaded.error().code) == "state/corrupt");
    CHECK(loaded.error().message.find("neither its record nor one of them can be read") != std::string::npos);
    CHECK_FALSE(loaded.error().hint.empty());
    CHECK(home.read("record.json") == "torn");
}

TEST_CASE(
    "damaged: a generation that a killed run finished is remembered, with the hook it is owed, and live "
    "leads to it") {
    Home home;
    const Material material;
    const auto lease = home.store().lease(kName).value();
    issue(home, material, 1);
    agent::Record record{
        .name = kName, .first_seen = fixtures::kNow, .generations = {material.generation(1)}};
    record.issuance = fixtures::failure(base::Code::CaUnreachable);
    REQUIRE(home.store().save(record));
    issue(home, material, 2);
    std::filesystem::remove(home.path("live"));
    std::filesystem::create_symlink("1", home.path("live"));
    const auto loaded = home.store().load(kName).value();
    CHECK(loaded->wanted()->number == 2);
    CHECK_FALSE(loaded->issuance);
    REQUIRE(loaded->hooks.size() == 1);
    CHECK(loaded->hooks[0].event == "renewed");
    CHECK(loaded->hooks[0].generation == 2);
    REQUIRE(home.store().save(*loaded));
    CHECK(std::filesystem::read_symlink(home.path("live")) == "2");
    CHECK(home.store().load(kName).value()->hooks.size() == 1);
}

TEST_CASE("damaged: files of a generation are told with what is wrong, and with the two ways out") {
    struct Case {
        std::string_view file;
        std::string_view content;
        std::string_view told;
    };

    for (const Case& c : {
             Case{"meta.json", "torn", "1/meta.json: is no record of renewd's"},
             Case{"fullchain.pem", "torn", "1/fullchain.pem is no chain"},
             Case{"fullchain.pem", "other", "1/fullchain.pem is not the certificate that was issued"},
             Case{"fullchain.pem", "", "1/fullchain.pem is missing"},
             Case{"privkey.pem", "", "1/privkey.pem is missing"},
         }) {
        CAPTURE(c.told);
        Home home;
        const Material material;
        const auto lease = home.store().lease(kName).value();
        issue(home, material, 1);
        const std::string file = "1/" + std::string(c.file);
        if (c.content.empty()) {
            std::filesystem::remove(home.path(file));
        } else {
            home.write(file, c.content == "other" ? base::to_pem(Material().chain) : std::string(c.content));
        }
        const auto held = home.store().generation(kName, 1);
        REQUIRE_FALSE(held);
        CHECK(base::to_string(held.error().code) == "state/corrupt");
        CAPTURE(held.error().message);
        CHECK(held.error().message.find(c.told) != std::string::npos);
        CHECK(held.error().hint.find("renewd renew example.com --force") != std::string::npos);
    }
}

TEST_CASE("store: a generation that a run was killed while removing is there whole, or not at all") {
    const Material material;
    for (const tests::Fault fault : {tests::Fault::Kill, tests::Fault::PowerCut}) {
        std::unique_ptr<Home> home;
        const auto prune = [&](base::Files& files) {
            home = std::make_unique<Home>();
            const auto lease = home->store().lease(kName).value();
            for (int number = 1; number <= 2; ++number) issue(*home, material, number);
            const auto store = agent::FileStore::open_read_only(files, home->directory() / "state");
            (void)store->prune(kName, {2});
        };
        const std::size_t struck = tests::at_every_call(fault, prune, [&](base::Files&, std::size_t number) {
            CAPTURE(number);
            const auto lease = home->store().lease(kName).value();
            const auto record = home->store().load(kName).value();
            REQUIRE(record);
            for (const agent::GenerationRecord& each : record->generations) {
                const auto held = home->store().generation(kName, each.number);
                CAPTURE(held ? std::string() : held.error().message);
                CHECK(held);
            }
            CHECK_FALSE(std::filesystem::exists(home->path(".1.renewd-removed")));
        });
        CHECK(struck > 5);
    }
}
