// SPDX-License-Identifier: Apache-2.0
#include "acme/session.hpp"

#include <ostream>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "tests/unit/acme/fakes.hpp"

using fakes::Ca;
using fakes::code_of;
using fakes::contains;
using fakes::message_of;
using fakes::problem;
using fakes::reply;
using fakes::World;

namespace {

using Answer = Ca::Answer;
using Log = std::vector<std::string>;

const std::string kOrder = fakes::kOrigin + "/order";
const std::string kNames = R"({"identifiers":[{"type":"dns","value":"a.example"}]})";

/// Answers the first `times` requests for `path` with `answer`.
Ca::Before first(const std::string& path, int times, const Answer& answer) {
    return [=](const std::string& asked, int count) -> std::optional<Answer> {
        if (asked == path && count <= times) return answer;
        return std::nullopt;
    };
}

}  // namespace

TEST_CASE("session: directory once, nonces from every answer") {
    World world({});
    REQUIRE(world.session.post(world.account, kOrder, kNames));
    REQUIRE(world.session.post(world.account, kOrder + "/1", std::nullopt));
    REQUIRE(world.session.post(world.account, kOrder + "/1", std::nullopt));
    CHECK(world.ca.log() == Log{"GET /dir", "HEAD /nonce", "POST /order", "POST /order/1", "POST /order/1"});
}

TEST_CASE("session: the directory is asked for again after 12 hours, and when a URL of it is gone") {
    World world({});
    REQUIRE(world.session.directory());
    world.clock.sleep(11h);
    REQUIRE(world.session.directory());
    CHECK(world.ca.count("/dir") == 1);
    world.clock.sleep(2h);
    REQUIRE(world.session.directory());
    CHECK(world.ca.count("/dir") == 2);

    world.ca.before = first("/order", 1, reply(405));
    CHECK(code_of(world.session.post_to(world.account, &acme::Directory::new_order, kNames, {})) ==
          "ca/refused");
    CHECK(world.ca.count("/dir") == 3);
    CHECK(world.ca.count("/order") == 1);  // the new directory names the same URL: the CA means it
}

TEST_CASE("session: a directory that was kept saves a request, until it is old, broken, or gone") {
    fakes::Clock clock;
    std::optional<acme::KeptDirectory> shelf;
    const acme::DirectoryShelf shelves{.recall = [&] { return shelf; },
                                       .keep = [&](const acme::KeptDirectory& kept) { shelf = kept; }};
    Ca ca;
    const auto asks = [&] {
        ca.clear_log();
        acme::Session session({.name = "fake", .directory = fakes::kOrigin + "/dir"}, ca, clock, shelves);
        REQUIRE(session.directory());
        REQUIRE(session.directory());
        return ca.count("/dir");
    };
    CHECK(asks() == 1);
    CHECK(asks() == 0);
    clock.sleep(11h);
    CHECK(asks() == 0);
    clock.sleep(2h);
    CHECK(asks() == 1);
    shelf->fetched_at += 1h;  // from the future: our clock was wrong
    CHECK(asks() == 1);
    shelf->body = "<html>";
    CHECK(asks() == 1);
}

TEST_CASE(
    "session: a kept directory whose URL is gone is fetched again, and the request goes to the new one") {
    World world({});
    world.ca.before = first("/moved", 1, reply(404));
    const std::string kept = R"({"newNonce":"https://ca.test/nonce","newAccount":"https://ca.test/account",)"
                             R"("newOrder":"https://ca.test/moved"})";
    acme::Session session(
        {.name = "fake", .directory = fakes::kOrigin + "/dir"}, world.ca, world.clock,
        {.recall = [&] { return acme::KeptDirectory{.body = kept, .fetched_at = fakes::kNow}; }});
    const auto posted = session.post_to(world.account, &acme::Directory::new_order, kNames, {});
    REQUIRE(posted);
    CHECK(posted->url == kOrder);
    CHECK(world.ca.count("/moved") == 1);
}

TEST_CASE("session: a CA whose directory names another dead URL each time is asked at two of them") {
    World world({});
    int made = 0;
    world.ca.before = [&made](const std::string& path, int) -> std::optional<Answer> {
        if (path.starts_with("/moved")) return reply(404);
        if (path != "/dir") return std::nullopt;
        return reply(200, R"({"newNonce":"https://ca.test/nonce","newAccount":"https://ca.test/account",)"
                          R"("newOrder":"https://ca.test/moved)" +
                              std::to_string(++made) + "\"}");
    };
    CHECK(code_of(world.session.post_to(world.account, &acme::Directory::new_order, kNames, {})) ==
          "ca/refused");
    CHECK(world.ca.count("/moved1") == 1);
    CHECK(world.ca.count("/moved2") == 1);
    CHECK(world.ca.count("/dir") == 2);
}

TEST_CASE("session: many requests go at once, each with a nonce of its own") {
    World world({});
    REQUIRE(world.session.post(world.account, kOrder, kNames));
    world.ca.clear_log();
    const std::vector<acme::Call> calls(40, {.url = kOrder + "/1"});
    for (const auto& answer : world.session.post_all(world.account, calls)) CHECK(answer.has_value());
    CHECK(world.ca.count("/order/1") == 40);
    CHECK(world.ca.count("/nonce") == 39);
    CHECK(world.ca.round_trips() == 2);  // the nonces, the requests

    world.ca.clear_log();
    world.ca.before = first("/order/1", 20, problem(400, "badNonce"));
    for (const auto& answer : world.session.post_all(world.account, calls)) CHECK(answer.has_value());
    CHECK(world.ca.count("/order/1") == 60);
    CHECK(world.ca.round_trips() == 2);  // half of them twice
}

TEST_CASE("session: what is no directory") {
    fakes::Clock clock;

    struct Case {
        std::string_view name;
        Answer answer;
        std::string_view want;
        int asked;
    };

    for (const Case& c : {
             Case{"404", reply(404), "ca/protocol", 1},
             Case{"html", reply(200, "<html>Welcome</html>"), "ca/protocol", 1},
             Case{"http URLs", reply(200, R"({"newNonce":"http://ca.test/n"})"), "ca/protocol", 1},
             Case{"502", reply(502, "<html>"), "ca/server-error", 3},
             Case{"no answer", fakes::lost(), "ca/unreachable", 3},
             Case{"another's certificate", base::fail(base::Code::NetUntrusted, "self-signed"),
                  "net/untrusted", 1},
             Case{"too large", base::fail(base::Code::NetTooLarge, "more than 1 MiB"), "net/too-large", 1},
         }) {
        CAPTURE(c.name);
        Ca ca;
        ca.before = first("/dir", 99, c.answer);
        acme::Session session({.name = "fake", .directory = fakes::kOrigin + "/dir"}, ca, clock);
        const auto directory = session.directory();
        CHECK(code_of(directory) == c.want);
        CHECK(contains(message_of(directory), "fake"));
        CHECK(ca.count("/dir") == c.asked);
    }
    Ca ca;
    acme::Session plain({.name = "fake", .directory = "http://ca.test/dir"}, ca, clock);
    CHECK(code_of(plain.directory()) == "net/refused-scheme");
    CHECK(ca.log().empty());
}

TEST_CASE("session: a rejected nonce is replaced by that of the rejection, with a new signature") {
    World world({});
    world.ca.before = first("/order", 3, problem(400, "badNonce"));
    REQUIRE(world.session.post(world.account, kOrder, kNames));
    CHECK(world.ca.log() ==
          Log{"GET /dir", "HEAD /nonce", "POST /order", "POST /order", "POST /order", "POST /order"});
}

TEST_CASE("session: a nonce that a copy of the request has used up is no reason to ask once more") {
    World world({});
    Answer copied = problem(400, "badNonce");
    copied->was_sent_again = true;
    world.ca.before = first("/order", 1, copied);
    const auto posted = world.session.post(world.account, kOrder, kNames);
    CHECK(code_of(posted) == "ca/unreachable");
    CHECK(contains(message_of(posted), "may have been heard"));
    CHECK(world.ca.count("/order") == 1);
    // What only asks is asked again.
    REQUIRE(world.session.post(world.account, kOrder, kNames));
    world.ca.before = first("/order/1", 1, copied);
    CHECK(world.session.post(world.account, acme::Call{.url = kOrder + "/1"}));
    CHECK(world.ca.count("/order/1") == 2);
}

TEST_CASE("session: a CA that rejects every nonce is given up on after sixty tries, within 20 s") {
    World world({});
    world.ca.before = first("/order", 1000, problem(400, "badNonce", "again"));
    CHECK(code_of(world.session.post(world.account, kOrder, kNames)) == "ca/bad-nonce");
    CHECK(world.ca.count("/order") == 60);
    CHECK(world.clock.passed() <= 20s);
}

TEST_CASE("session: a slow CA that rejects every nonce is given up on after 20 s") {
    World world({});
    world.ca.before = [&world](const std::string& path, int) -> std::optional<Answer> {
        if (path != "/order") return std::nullopt;
        world.clock.sleep(9s);
        return problem(400, "badNonce");
    };
    CHECK(code_of(world.session.post(world.account, kOrder, kNames)) == "ca/bad-nonce");
    CHECK(world.ca.count("/order") == 4);
}

TEST_CASE("session: one nonce that is rejected after a long wait is not the last") {
    World world({});
    world.ca.before = [&world](const std::string& path, int count) -> std::optional<Answer> {
        if (path != "/order" || count > 1) return std::nullopt;
        world.clock.sleep(30s);
        return problem(400, "badNonce");
    };
    CHECK(message_of(world.session.post(world.account, kOrder, kNames)) == "");
}

TEST_CASE("session: answers without nonces, or with broken ones") {
    World world({});
    world.ca.gives_nonces = false;
    REQUIRE(world.session.post(world.account, kOrder, kNames));
    REQUIRE(world.session.post(world.account, kOrder + "/1", std::nullopt));
    CHECK(world.ca.log() == Log{"GET /dir", "HEAD /nonce", "POST /order", "HEAD /nonce", "POST /order/1"});

    World broken({});
    broken.ca.after = [](const std::string& path, int, base::HttpResponse answer) -> Answer {
        if (path.starts_with("/order")) answer.headers.emplace_back("replay-nonce", "not\"base64url");
        return answer;
    };
    REQUIRE(broken.session.post(broken.account, kOrder, kNames));
    REQUIRE(broken.session.post(broken.account, kOrder + "/1", std::nullopt));
    CHECK(broken.ca.count("/nonce") == 2);
}

TEST_CASE("session: newNonce by HEAD, else by GET, else an error that names it") {
    World world({});
    world.ca.gives_nonces = false;
    world.ca.before = first("/nonce", 1, reply(200));
    REQUIRE(world.session.post(world.account, kOrder, kNames));
    CHECK(world.ca.log() == Log{"GET /dir", "HEAD /nonce", "GET /nonce", "POST /order"});

    World refuses({});
    refuses.ca.gives_nonces = false;
    refuses.ca.before = first("/nonce", 1, reply(405));
    REQUIRE(refuses.session.post(refuses.account, kOrder, kNames));
    CHECK(refuses.ca.log() == Log{"GET /dir", "HEAD /nonce", "GET /nonce", "POST /order"});

    World none({});
    none.ca.gives_nonces = false;
    none.ca.before = first("/nonce", 99, reply(204));
    const auto posted = none.session.post(none.account, kOrder, kNames);
    CHECK(code_of(posted) == "ca/protocol");
    CHECK(contains(message_of(posted), "Replay-Nonce"));
}

TEST_CASE("session: a lost answer is asked for again only where asking changes nothing") {
    World world({});
    world.ca.before = first("/order", 1, fakes::lost());
    const auto posted = world.session.post(world.account, kOrder, kNames);
    CHECK(code_of(posted) == "ca/unreachable");
    CHECK(contains(message_of(posted), "the CA fake: no answer"));
    CHECK(world.ca.count("/order") == 1);

    World reading({});
    REQUIRE(reading.session.post(reading.account, kOrder, kNames));
    reading.ca.before = first("/order/1", 2, fakes::lost());
    REQUIRE(reading.session.post(reading.account, kOrder + "/1", std::nullopt));
    CHECK(reading.ca.count("/order/1") == 3);
    CHECK(reading.ca.count("/nonce") == 3);  // after an I/O error no kept nonce is trusted

    reading.ca.before = first("/order/1", 99, fakes::lost());
    CHECK(code_of(reading.session.post(reading.account, kOrder + "/1", std::nullopt)) == "ca/unreachable");
    CHECK(reading.ca.count("/order/1") == 6);
}

TEST_CASE("session: a hiccup is waited out, unless the CA says that it takes longer") {
    World world({});
    REQUIRE(world.session.post(world.account, kOrder, kNames));
    world.ca.before = first("/order/1", 1, reply(503));
    REQUIRE(world.session.post(world.account, kOrder + "/1", std::nullopt));

    base::HttpResponse brief = reply(503);
    brief.headers = {{"retry-after", "4"}};
    for (const std::string path : {"/order/1", "/moment"}) {
        CAPTURE(path);
        world.ca.clear_log();
        world.ca.before = [&](const std::string& asked, int count) -> std::optional<Answer> {
            if (asked != path) return std::nullopt;
            return count == 1 ? Answer(brief) : Answer(reply(200));
        };
        const base::Milliseconds before = world.clock.passed();
        const bool is_signed = path == "/order/1";
        CHECK((is_signed ? world.session.post(world.account, fakes::kOrigin + path, std::nullopt)
                         : world.session.fetch(fakes::kOrigin + path)));
        CHECK((world.clock.passed() - before == 4s));
    }
    world.ca.clear_log();

    base::HttpResponse busy = reply(503, "<html>");
    busy.headers = {{"retry-after", "90"}};
    world.ca.before = first("/order/1", 99, busy);
    const auto posted = world.session.post(world.account, kOrder + "/1", std::nullopt);
    CHECK(code_of(posted) == "ca/server-error");
    const auto in_90_s = world.clock.now() + 90s;
    CHECK((posted.error().retry_at == in_90_s));
    CHECK(world.ca.count("/order/1") == 1);
}

TEST_CASE("session: rate limits say until when, refusals say why") {
    World world({});
    base::HttpResponse limited = problem(429, "rateLimited", "too many certificates");
    limited.headers.emplace_back("retry-after", "Sat, 21 Nov 2026 13:00:00 GMT");
    world.ca.before = first("/order", 1, limited);
    const auto posted = world.session.post(world.account, kOrder, kNames);
    CHECK(code_of(posted) == "ca/rate-limited");
    const auto at_13 = fakes::kNow + 3600s;
    CHECK((posted.error().retry_at == at_13));

    World paused({});
    paused.ca.before =
        first("/order", 1, problem(429, "rateLimited", "unpause at https://ca.test/unpause?jwt=x"));
    const auto held = paused.session.post(paused.account, kOrder, kNames);
    CHECK(code_of(held) == "ca/paused");
    CHECK(held.error().hint == "somebody has to visit https://ca.test/unpause?jwt=x");
    CHECK_FALSE(held.error().retry_at);
    CHECK(contains(message_of(held), "https://ca.test/unpause?jwt=x"));

    World unknown({});
    unknown.ca.before = first("/order", 1, problem(400, "accountDoesNotExist", "who?"));
    CHECK(code_of(unknown.session.post(unknown.account, kOrder, kNames)) == "ca/account-missing");

    World redirected({});
    redirected.ca.before = first("/order", 1, reply(307));
    CHECK(code_of(redirected.session.post(redirected.account, kOrder, kNames)) == "ca/protocol");
}

TEST_CASE("session: how far the CA's clock is from ours") {
    World world({});
    CHECK_FALSE(world.session.clock_skew());
    world.ca.after = [](const std::string&, int, base::HttpResponse answer) -> Answer {
        answer.headers.emplace_back("date", "Sat, 21 Nov 2026 14:00:00 GMT");
        return answer;
    };
    REQUIRE(world.session.directory());
    CHECK(world.session.clock_skew().value() == 2h);
}
