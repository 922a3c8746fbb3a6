// SPDX-License-Identifier: Apache-2.0
// An order whose URL nobody has: found in the account's list where there is one, and never somebody else's.
#include "acme/lost_order.hpp"

#include <ostream>

#include <doctest/doctest.h>

#include "acme/limits.hpp"
#include "tests/unit/acme/fakes.hpp"

using fakes::kOrigin;
using fakes::World;

namespace {

using Answer = fakes::Ca::Answer;

/// The account has a list of these pages; each is what stands between the brackets.
void list(World& world, const std::vector<std::string>& pages) {
    world.ca.before = [pages](const std::string& path, int) -> std::optional<Answer> {
        if (path == "/account/1") return fakes::reply(200, R"({"status":"valid","orders":"/orders/1"})");
        for (std::size_t i = 0; i < pages.size(); ++i) {
            if (path != "/orders/" + std::to_string(i + 1)) continue;
            base::HttpResponse page = fakes::reply(200, R"({"orders":[)" + pages[i] + "]}");
            if (i + 1 < pages.size())
                page.headers.emplace_back("link", "</orders/" + std::to_string(i + 2) + R"(>;rel="next")");
            return page;
        }
        return std::nullopt;
    };
}

std::string quoted_url(const std::string& path) {
    return '"' + kOrigin + path + '"';
}

/// A run that dies before it has kept the URL of its order.
void lose_order(World& world) {
    world.effects.order_placed = [](const std::string&) -> base::Result<void> {
        return base::fail(base::Code::StateUnwritable, "the process is gone");
    };
    REQUIRE_FALSE(world.issue());
    world.effects.order_placed = [&world](const std::string& url) -> base::Result<void> {
        world.placed.push_back(url);
        return {};
    };
    world.request.may_have_lost_order = true;
}

}  // namespace

TEST_CASE("lost order: found in the account's list, page by page, and gone on with") {
    World world({"a.example"});
    lose_order(world);
    list(world, {quoted_url("/order/77"), quoted_url("/order/1")});
    REQUIRE(world.issue());
    CHECK(world.ca.count("/order") == 1);
    CHECK(world.placed == std::vector<std::string>{kOrigin + "/order/1"});
    CHECK(world.ca.issued() == 1);
}

TEST_CASE("lost order: of a long list both ends are looked at, and no more") {
    constexpr int kMany = 5'000;
    for (const int at : {0, 19, kMany / 2, kMany - 20, kMany - 1}) {
        CAPTURE(at);
        World world({"a.example"});
        lose_order(world);
        std::vector<std::string> pages(3);
        for (int i = 0; i < kMany; ++i) {
            std::string& page = pages[static_cast<std::size_t>(i * 3 / kMany)];
            page += (page.empty() ? "" : ",") + quoted_url(i == at ? "/order/1" : "/order/77");
        }
        list(world, pages);
        REQUIRE(world.issue());
        CHECK(world.ca.count("/order") == (at == kMany / 2 ? 2 : 1));
        CHECK(world.ca.count("/order/77") <= 2 * static_cast<int>(acme::kOrdersLookedAt));
    }
}

TEST_CASE("lost order: where it is not found another one is placed") {
    struct Case {
        std::string_view name;
        std::vector<std::string> names;
        std::vector<std::string> pages;
    };

    for (const Case& c : {
             Case{"the CA keeps no list", {"a.example"}, {}},
             Case{"the list is empty", {"a.example"}, {""}},
             Case{"the list is nonsense", {"a.example"}, {R"(7, null, "http://plain.test/order")"}},
             Case{"it is for other names", {"b.example"}, {quoted_url("/order/1")}},
         }) {
        CAPTURE(c.name);
        World world({"a.example"});
        lose_order(world);
        if (!c.pages.empty()) list(world, c.pages);
        world.request.names = {base::parse_identifier(c.names.front()).value()};
        REQUIRE(world.issue());
        CHECK(world.ca.count("/order") == 2);
        CHECK(world.ca.issued() == 1);
    }
}

TEST_CASE("lost order: one of another profile is another's") {
    for (const std::string profile : {"short", "classic", ""}) {
        CAPTURE(profile);
        World world({"a.example"});
        world.ca.meta = R"({"profiles":{"classic":"as ever","short":"6 days"}})";
        world.request.profile = "short";
        lose_order(world);
        list(world, {quoted_url("/order/1")});
        world.request.profile = profile;
        REQUIRE(world.issue());
        CHECK(world.ca.count("/order") == (profile == "short" ? 1 : 2));
    }
}

TEST_CASE("lost order: one that has led to a certificate is another's, for its key is not ours") {
    World world({"a.example"});
    REQUIRE(world.issue());
    world.placed.clear();
    list(world, {quoted_url("/order/1")});
    world.request.may_have_lost_order = true;
    REQUIRE(world.issue());
    CHECK(world.placed == std::vector<std::string>{kOrigin + "/order/2"});
}

TEST_CASE("lost order: nobody looks for one where none can have been lost") {
    World world({"a.example"});
    list(world, {quoted_url("/order/1")});
    REQUIRE(world.issue());
    CHECK(world.ca.count("/orders/1") == 0);
}
