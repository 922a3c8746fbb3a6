// SPDX-License-Identifier: Apache-2.0
// State as crashes, disks and people leave it: what can be read again is, what cannot is told and kept, and
// nothing is ordered because of it.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <ostream>

#include <doctest/doctest.h>

#include "agent/memory/reserve.hpp"
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

TEST_CASE("damaged: an order of a later version is refused and stays as it is") {
    Home home;
    const Material material;
    const auto lease = home.store().lease(kName).value();
    REQUIRE(home.store().begin_order(kName, material.order));
    std::string later = home.read("next-letsencrypt/order.json");
    later.replace(later.find("\"version\": 1"), 12, "\"version\": 9");
    home.write("next-letsencrypt/order.json", later);
    const auto open = home.store().open_orders(kName);
    REQUIRE_FALSE(open);
    CHECK(base::to_string(open.error().code) == "state/newer-version");
    CHECK(open.error().message.find(home.path("next-letsencrypt/order.json")) != std::string::npos);
    CHECK(home.read("next-letsencrypt/order.json") == later);
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

TEST_CASE("damaged: an order that cannot be gone on with waits for a person, who is told what there is") {
    struct Case {
        std::string_view name;
        std::function<void(const Home&, const std::string& key)> damage;
        std::string_view told;
    };

    for (const Case& c : {
             Case{"its file is torn",
                  [](const Home& home, const auto&) { home.write("next-letsencrypt/order.json", "{\"torn"); },
                  "order.json is no record of renewd's. Which order it was cannot be told"},
             Case{"its key is gone",
                  [](const Home& home, const auto&) {
                      std::filesystem::remove(home.path("next-letsencrypt/privkey.pem"));
                  },
                  "privkey.pem is missing. Without this key a certificate of the order "
                  "(https://ca.test/order/1) is of no use"},
             Case{"its key is empty",
                  [](const Home& home, const auto&) { home.write("next-letsencrypt/privkey.pem", ""); },
                  "privkey.pem is not what was written"},
             Case{"another key",
                  [](const Home& home, const std::string& key) {
                      home.write("next-letsencrypt/privkey.pem", key);
                  },
                  "privkey.pem is not what was written"},
         }) {
        CAPTURE(c.name);
        Home home;
        const Material material;
        const auto lease = home.store().lease(kName).value();
        REQUIRE(home.store().begin_order(kName, material.order));
        agent::OpenOrder placed = material.order;
        placed.url = "https://ca.test/order/1";
        REQUIRE(home.store().order_placed(kName, placed));
        c.damage(home, Material().key.to_pem().value().reveal());
        const auto open = home.store().open_orders(kName);
        REQUIRE_FALSE(open);
        CHECK(base::to_string(open.error().code) == "state/corrupt");
        CAPTURE(open.error().message);
        CHECK(open.error().message.find(c.told) != std::string::npos);
        CHECK(open.error().hint.find("rm -r " + home.path("next-letsencrypt")) != std::string::npos);
    }
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

TEST_CASE("damaged: an account's key that is gone or unreadable is told, with the two ways out") {
    struct Case {
        std::string_view key;
        std::string_view told;
    };

    for (const Case& c :
         {Case{"", "cannot be read"}, Case{"torn", "cannot be read"}, Case{"gone", "is gone"}}) {
        CAPTURE(c.key);
        Home home;
        const Material material;
        REQUIRE(home.store().save_account("ca", "https://one.test/dir",
                                          {.key = material.key, .url = "https://one.test/acct/1"}));
        const std::string file = home.store().account_place("ca", "https://one.test/dir") + "/account.key";
        if (c.key == "gone") {
            std::filesystem::remove(file);
        } else {
            std::ofstream(file) << c.key;
        }
        const auto account = home.store().account("ca", "https://one.test/dir");
        REQUIRE_FALSE(account);
        CHECK(base::to_string(account.error().code) == "state/corrupt");
        CHECK(account.error().message.find(c.told) != std::string::npos);
        CHECK(account.error().hint.find("renewd account register ca --new") != std::string::npos);
    }
}

TEST_CASE("store: a new account key that cannot be read is no reason to give the account up") {
    Home home;
    const Material material;
    const std::string url = "https://one.test/dir";
    REQUIRE(home.store().save_account("ca", url, {.key = material.key, .url = "https://one.test/acct/1"}));
    const auto next = base::PrivateKey::generate(base::KeyType::EcdsaP256).value();
    REQUIRE(home.store().begin_key_change("ca", url, next));
    CHECK(home.store().account("ca", url).value()->next_key->is_same_as(next));
    const std::string file = home.store().account_place("ca", url) + "/account.key.next";
    REQUIRE(std::filesystem::exists(file));
    std::ofstream(file) << "torn";
    const auto account = home.store().account("ca", url);
    REQUIRE_FALSE(account);
    CHECK(base::to_string(account.error().code) == "state/corrupt");
    CHECK(account.error().hint.find("rm " + file) != std::string::npos);
}

TEST_CASE("reserve: room is taken with an order, and given back for its certificate") {
    Home home;
    const Material material;
    const auto lease = home.store().lease(kName).value();
    REQUIRE(home.store().begin_order(kName, material.order));
    CHECK(std::filesystem::file_size(home.path("next-letsencrypt/reserve")) >= 256 * 1024);
    CHECK(std::filesystem::exists(home.path("next-letsencrypt/reserve.2")));
    CHECK(std::filesystem::is_empty(home.path("next-letsencrypt/meta.json")));
    REQUIRE(home.store().complete(kName, material.generation(1), material.chain));
    for (const auto& entry : std::filesystem::directory_iterator(home.path("1")))
        CHECK(entry.path().filename().string().find("reserve") == std::string::npos);
}

TEST_CASE("reserve: where there is no room no order is begun, and nothing is left of it") {
    const Material material;
    constexpr std::array<std::string_view, 4> kKept{"cert.pem", "chain.pem", "fullchain.pem", "meta.json"};
    std::unique_ptr<tests::TemporaryDirectory> directory;
    base::Result<void> begun;
    const auto work = [&](base::Files& files) {
        directory = std::make_unique<tests::TemporaryDirectory>();
        begun = agent::make_reserve(files, *directory / "", kKept);
    };
    std::size_t failed = 0;
    for (std::size_t at = 1;; ++at) {
        tests::FaultyFiles files(tests::Fault::Fail, at, base::Code::StateNoSpace);
        work(files);
        if (!files.struck()) break;
        if (begun) continue;  // giving back is tried, and is not what counts here
        ++failed;
        CHECK(base::to_string(begun.error().code) == "state/no-space");
        CHECK(std::filesystem::is_empty(*directory / ""));
    }
    CHECK(failed > 8);
}

TEST_CASE("store: writing a generation can be tried again after any error") {
    const Material material;
    std::size_t failed = 0;
    for (std::size_t at = 1;; ++at) {
        tests::TemporaryDirectory directory;
        base::SystemFiles system;
        const auto before =
            agent::FileStore::open(system, directory / "state", /*allow_volatile=*/true).value();
        const auto lease = before->lease(kName).value();
        REQUIRE(before->begin_order(kName, material.order));
        tests::FaultyFiles files(tests::Fault::Fail, at);
        const auto store = agent::FileStore::open_read_only(files, directory / "state");
        const auto first = store->complete(kName, material.generation(1), material.chain);
        if (!files.struck()) break;
        if (!first) ++failed;
        CAPTURE(files.calls().back());
        // Whatever has failed, the room is there, or is used.
        const std::string home = directory / "state/certificates/example.com";
        const auto is_there = [&](const char* file) {
            std::error_code missing;
            return std::filesystem::file_size(home + file, missing) > 0 && !missing;
        };
        const bool is_used = is_there("/next-letsencrypt/meta.json") || is_there("/1/meta.json");
        CHECK((is_used || is_there("/next-letsencrypt/reserve")));
        REQUIRE(store->complete(kName, material.generation(1), material.chain));
        CHECK(before->generation(kName, 1));
        CHECK(std::filesystem::read_symlink(directory / "state/certificates/example.com/live") == "1");
    }
    CHECK(failed > 20);
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
