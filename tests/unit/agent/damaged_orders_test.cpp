// SPDX-License-Identifier: Apache-2.0
// Open orders and the keys of accounts as crashes, disks and people leave them: what cannot be gone on with
// waits for a person, who is told; and the room that is kept for what an order leads to.
#include <array>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <ostream>

#include <doctest/doctest.h>

#include "agent/memory/reserve.hpp"
#include "tests/unit/agent/store_home.hpp"
#include "tests/unit/base/faulty_files.hpp"

using store_home::Home;
using store_home::Material;

namespace {

constexpr const char* kName = "example.com";

}  // namespace

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

    // A revocation wants no order that was begun before it: nor does it get rid of this one, or of any.
    agent::OpenOrder other = Material().order;
    other.ordered_for.ca = "another";
    REQUIRE(home.store().begin_order(kName, other));
    REQUIRE(home.store().order_placed(kName, other));
    const auto dropped = home.store().drop_orders(kName);
    REQUIRE_FALSE(dropped);
    CHECK(base::to_string(dropped.error().code) == "state/newer-version");
    CHECK(dropped.error().message.find(home.path("next-letsencrypt/order.json")) != std::string::npos);
    CHECK(home.read("next-letsencrypt/order.json") == later);
    CHECK(std::filesystem::exists(home.path("next-another/order.json")));
    home.write("next-letsencrypt/order.json", "{\"torn");
    CHECK(home.store().drop_orders(kName));
    CHECK_FALSE(std::filesystem::exists(home.path("next-letsencrypt")));
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
