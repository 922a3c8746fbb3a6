// SPDX-License-Identifier: Apache-2.0
// The flow against a CA that refuses, loses answers, lies, or is hostile.
#include <ostream>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "acme/issuance.hpp"
#include "tests/unit/acme/fakes.hpp"

using fakes::code_of;
using fakes::contains;
using fakes::message_of;
using fakes::World;

namespace {

using Answer = fakes::Ca::Answer;
using Log = std::vector<std::string>;

/// The first answer at `path` is lost, after the CA has done what it was asked.
void lose_first_answer(World& world, const std::string& lost_path) {
    world.ca.after = [lost_path](const std::string& path, int count, base::HttpResponse answer) -> Answer {
        if (path == lost_path && count == 1) return fakes::lost();
        return answer;
    };
}

/// The first `times` requests for `path` get `answer` instead, and nothing is done.
void answer_first(World& world, const std::string& refused_path, int times, const Answer& answer) {
    world.ca.before = [=](const std::string& path, int count) -> std::optional<Answer> {
        if (path == refused_path && count <= times) return answer;
        return std::nullopt;
    };
}

}  // namespace

TEST_CASE("faults: names that fail are named, with the CA's reason") {
    World world({"a.example", "b.example", "c.example"});
    world.ca.refusing = {{"a.example", "connection refused"}, {"c.example", "timeout"}};
    const auto issued = world.issue();
    CHECK(code_of(issued) == "ca/validation-failed");
    CHECK(message_of(issued) ==
          "the CA fake could not validate 2 of 3 names (a.example: connection refused; c.example: timeout)");
    CHECK(issued.error().step == "authorize");
    CHECK(issued.error().problem == "urn:ietf:params:acme:error:connection");
    CHECK(contains(issued.error().hint, "port 80"));
    CHECK(world.solver.held() == 0);
    CHECK(world.ca.count("/finalize/1") == 0);
}

TEST_CASE("faults: an order that becomes invalid says why, if only by its own error") {
    struct Case {
        std::string error;
        std::string_view code;
        std::string_view message;
    };

    for (const Case& c : {
             Case{R"(,"error":{"type":"urn:ietf:params:acme:error:caa","detail":"CAA forbids"})",
                  "ca/identifier-refused", "CAA forbids"},
             Case{R"(,"error":{"type":"urn:ietf:params:acme:error:unauthorized","detail":"too late"})",
                  "ca/refused", "too late"},
             Case{"", "ca/refused", "without saying why"},
         }) {
        CAPTURE(c.message);
        World world({"a.example"});
        world.ca.after = [&c](const std::string& path, int, base::HttpResponse answer) -> Answer {
            if (path != "/finalize/1") return answer;
            return fakes::reply(
                200,
                R"({"status":"invalid","finalize":"/f","authorizations":["/authz/1/0"])" + c.error + "}");
        };
        const auto issued = world.issue();
        CHECK(code_of(issued) == c.code);
        CHECK(contains(message_of(issued), c.message));
        CHECK(issued.error().step == "finalize");
    }
}

TEST_CASE("faults: an authorization that has ended ends the order") {
    for (const std::string status : {"invalid", "deactivated", "expired", "revoked"}) {
        CAPTURE(status);
        World world({"a.example"});
        answer_first(
            world, "/authz/1/0", 1,
            fakes::reply(200, R"({"status":")" + status +
                                  R"(","identifier":{"type":"dns","value":"a.example"},"challenges":[]})"));
        CHECK(code_of(world.issue()) == "ca/order-gone");
        CHECK(world.solver.presents() == 0);
    }
}

TEST_CASE("faults: a pending order whose name has failed is not waited for") {
    World world({"a.example"});
    world.ca.refusing = {{"a.example", "connection refused"}};
    world.ca.after = [](const std::string& path, int, base::HttpResponse answer) -> Answer {
        if (path == "/order/1") {
            answer.body = fakes::with_member(answer.body, "status", R"("pending")");
        }
        return answer;
    };
    CHECK(code_of(world.issue()) == "ca/validation-failed");
    CHECK(world.ca.count("/order/1") == 4);
}

TEST_CASE("faults: newOrder is never repeated after a lost answer") {
    World world({"a.example"});
    lose_first_answer(world, "/order");
    const auto issued = world.issue();
    CHECK(code_of(issued) == "ca/unreachable");
    CHECK(issued.error().step == "order");
    CHECK(world.ca.count("/order") == 1);
}

TEST_CASE("faults: answers lost anywhere else lose nothing, and cost one certificate") {
    for (const std::string path :
         {"/dir", "/nonce", "/authz/1/0", "/chall/1/0", "/order/1", "/finalize/1", "/cert/1"}) {
        CAPTURE(path);
        World world({"a.example"});
        lose_first_answer(world, path);
        CHECK(message_of(world.issue()) == "");
        CHECK(world.ca.issued() == 1);
        CHECK(world.ca.count("/order") == 1);
        CHECK(world.ca.count("/finalize/1") == 1);
        CHECK(world.ca.count("/chall/1/0") == 1);
        CHECK(world.solver.held() == 0);
    }
}

TEST_CASE("faults: requests lost on their way are sent again") {
    World challenge({"a.example"});
    answer_first(challenge, "/chall/1/0", 1, fakes::lost());
    CHECK(message_of(challenge.issue()) == "");
    CHECK(challenge.ca.count("/chall/1/0") == 2);

    World hiccup({"a.example"});
    answer_first(hiccup, "/chall/1/0", 1, fakes::reply(503));
    CHECK(message_of(hiccup.issue()) == "");
    CHECK(hiccup.ca.count("/chall/1/0") == 2);

    World finalize({"a.example"});
    answer_first(finalize, "/finalize/1", 2, fakes::lost());
    CHECK(message_of(finalize.issue()) == "");
    CHECK(finalize.ca.issued() == 1);

    World dead({"a.example"});
    answer_first(dead, "/finalize/1", 99, fakes::reply(500));
    const auto issued = dead.issue();
    CHECK(code_of(issued) == "ca/server-error");
    CHECK(issued.error().step == "finalize");
    CHECK(dead.ca.count("/finalize/1") == 3);
}

TEST_CASE("faults: orderNotReady means: ask the order") {
    World world({"a.example"});
    answer_first(world, "/finalize/1", 1, fakes::problem(403, "orderNotReady"));
    CHECK(message_of(world.issue()) == "");
    CHECK(world.ca.issued() == 1);

    World never({"a.example"});
    answer_first(never, "/finalize/1", 99, fakes::problem(403, "orderNotReady", "no"));
    CHECK(code_of(never.issue()) == "ca/refused");
    CHECK(never.ca.count("/finalize/1") == 3);
}

TEST_CASE("faults: a finalize that was heard, if never answered, and is sent again costs one certificate") {
    for (const int looks : {1, 3}) {  // by the second finalize the order is valid, or still processing
        CAPTURE(looks);
        World world({"a.example"});
        world.ca.finalize_looks = looks;
        base::HttpResponse ready;
        std::string refusal;
        world.ca.after = [&](const std::string& path, int count, base::HttpResponse answer) -> Answer {
            if (path == "/finalize/1" && count == 1) return fakes::lost();
            if (path == "/finalize/1") refusal = answer.body;
            if (path == "/order/1" && count == 1) ready = answer;
            if (path == "/order/1" && count == 2) return ready;  // by a copy of the database that lags
            return answer;
        };
        const auto issued = world.issue();
        CHECK(message_of(issued) == "");
        CHECK(contains(refusal, "orderNotReady"));
        CHECK(contains(refusal, looks == 1 ? "the order is valid" : "the order is processing"));
        CHECK(world.ca.count("/finalize/1") == 2);
        CHECK(world.ca.count("/order") == 1);
        CHECK(world.ca.issued() == 1);
        CHECK(issued->order_url == world.placed.front());
    }
}

TEST_CASE("faults: an order that stays ready is not finalized for ever") {
    World world({"a.example"});
    world.ca.after = [](const std::string& path, int, base::HttpResponse answer) -> Answer {
        if (!path.starts_with("/finalize") && !path.starts_with("/order/")) return answer;
        if (!answer.body.starts_with("{\"auth")) return answer;
        return fakes::reply(200, fakes::with_member(answer.body, "status", R"("ready")"));
    };
    const auto issued = world.issue();
    CHECK_FALSE(issued);
    CHECK(world.ca.count("/finalize/1") <= 3);
}

TEST_CASE("faults: a finalize that is refused says why, and is not repeated") {
    World world({"a.example"});
    answer_first(world, "/finalize/1", 99, fakes::problem(403, "unauthorized", "authorizations expired"));
    const auto issued = world.issue();
    CHECK(code_of(issued) == "ca/refused");
    CHECK(contains(message_of(issued), "authorizations expired"));
    CHECK(world.ca.count("/finalize/1") == 1);

    World limited({"a.example"});
    answer_first(limited, "/finalize/1", 99, fakes::problem(429, "rateLimited"));
    CHECK(code_of(limited.issue()) == "ca/rate-limited");
}

TEST_CASE("faults: looks that fail for a while are survived, for ever they are not") {
    World world({"a.example"});
    answer_first(world, "/order/1", 9, fakes::reply(502, "<html>"));
    CHECK(message_of(world.issue()) == "");

    World down({"a.example"});
    answer_first(down, "/order/1", 1000, fakes::lost());
    CHECK(code_of(down.issue()) == "ca/unreachable");
    CHECK(down.ca.count("/order/1") == 15);
    CHECK(down.solver.held() == 0);

    // A CA that wants to be left alone is; the order is resumed after that.
    World limited({"a.example"});
    base::HttpResponse busy = fakes::problem(429, "rateLimited");
    busy.headers.emplace_back("retry-after", "3600");
    answer_first(limited, "/order/1", 1000, busy);
    const auto held = limited.issue();
    CHECK(code_of(held) == "ca/rate-limited");
    const auto in_an_hour = limited.clock.now() + 1h;
    CHECK((held.error().retry_at == in_an_hour));
    CHECK(limited.ca.count("/order/1") == 1);

    World refused({"a.example"});
    answer_first(refused, "/order/1", 1000, fakes::problem(403, "unauthorized", "deactivated"));
    CHECK(code_of(refused.issue()) == "ca/account-refused");
    CHECK(refused.ca.count("/order/1") == 1);
}

TEST_CASE("faults: what is not the CA's own word about an order does not end it") {
    struct Case {
        std::string_view name;
        std::string path;
        Answer answer;
        int asked;
    };

    for (const Case& c : {
             Case{"a page of maintenance", "/order/1", fakes::reply(200, "<html>Back soon</html>"), 5},
             Case{"a page of a load balancer", "/order/1", fakes::reply(403, "<html>Forbidden</html>"), 5},
             Case{"an order cut short", "/order/1", fakes::reply(200, R"({"status":"val)"), 5},
             Case{"an order without end", "/order/1", base::fail(base::Code::NetTooLarge, "1 MiB"), 5},
             Case{"a copy that lags", "/order/1", fakes::problem(404, "malformed", "no such order"), 5},
             Case{"an authorization hidden by a page", "/authz/1/0", fakes::reply(403, "<html>"), 1},
             Case{"a page at finalize", "/finalize/1", fakes::reply(403, "<html>Forbidden</html>"), 3},
         }) {
        CAPTURE(c.name);
        World world({"a.example"});
        answer_first(world, c.path, 1000, c.answer);
        const auto issued = world.issue();
        const bool is_large = !c.answer;
        CHECK(code_of(issued) == (is_large ? "net/too-large" : "ca/protocol"));
        CHECK((base::class_of(issued.error().code) == base::ErrorClass::Transient));
        CHECK(world.ca.count(c.path) == c.asked);
        world.ca.before = nullptr;
        world.request.order_url = world.placed.front();
        CHECK(message_of(world.issue()) == "");
        CHECK(world.ca.count("/order") == 1);
        CHECK(world.ca.issued() == 1);
    }
}

TEST_CASE("faults: a busy CA is not asked to finalize again before it wants to be") {
    World world({"a.example"});
    base::HttpResponse busy = fakes::reply(503, "");
    busy.headers.emplace_back("retry-after", "700");
    answer_first(world, "/finalize/1", 1, busy);
    const auto issued = world.issue();
    CHECK(code_of(issued) == "ca/server-error");
    CHECK(issued.error().retry_at.has_value());
    CHECK(world.ca.count("/finalize/1") == 1);
}

TEST_CASE("faults: a CA that is busy for a moment is asked to finalize again when that is over") {
    World world({"a.example"});
    base::HttpResponse busy = fakes::reply(503, "");
    busy.headers.emplace_back("retry-after", "30");
    std::vector<base::Milliseconds> asked;
    world.ca.before = [&](const std::string& path, int count) -> std::optional<Answer> {
        if (path != "/finalize/1") return std::nullopt;
        asked.push_back(world.clock.passed());
        return count <= 2 ? std::optional<Answer>(busy) : std::nullopt;
    };
    CHECK(message_of(world.issue()) == "");
    REQUIRE(asked.size() == 3);
    CHECK((asked[1] - asked[0] >= 30s));
    CHECK((asked[2] - asked[1] >= 30s));
    CHECK((asked[2] - asked[0] < 62s));
}

TEST_CASE("faults: more authorizations than names could need") {
    World world({"a.example"});
    world.ca.after = [](const std::string& path, int, base::HttpResponse answer) -> Answer {
        if (path != "/order" && path != "/order/1") return answer;
        std::string urls = R"("/authz/1/0")";
        for (int i = 0; i < 8; ++i) urls += R"(,"/authz/1/0")";
        answer.body = fakes::with_member(answer.body, "authorizations", "[" + urls + "]");
        return answer;
    };
    const auto issued = world.issue();
    CHECK(code_of(issued) == "ca/protocol");
    CHECK(contains(message_of(issued), "9 authorizations for 1 name"));
    CHECK(world.ca.count("/authz/1/0") == 0);
}

TEST_CASE("faults: an order for other names than asked for") {
    for (const std::string_view names :
         {R"([{"type":"dns","value":"b.example"}])", R"([])",
          R"([{"type":"dns","value":"a.example"},{"type":"dns","value":"b.example"}])"}) {
        CAPTURE(names);
        World world({"a.example"});
        world.ca.after = [names](const std::string& path, int, base::HttpResponse answer) -> Answer {
            if (path != "/order") return answer;
            answer.body = fakes::with_member(answer.body, "identifiers", std::string(names));
            return answer;
        };
        CHECK(code_of(world.issue()) == "ca/protocol");
        CHECK(world.ca.count("/authz/1/0") == 0);
    }
}

TEST_CASE("faults: newOrder's answer without a URL, or with a damaged body") {
    World none({"a.example"});
    answer_first(none, "/order", 1, fakes::reply(201, "{}"));
    CHECK(code_of(none.issue()) == "ca/protocol");

    World damaged({"a.example"});
    damaged.ca.after = [](const std::string& path, int, base::HttpResponse answer) -> Answer {
        if (path == "/order") answer.body.resize(answer.body.size() / 2);
        return answer;
    };
    CHECK(message_of(damaged.issue()) == "");
    CHECK(damaged.placed.size() == 1);
}

TEST_CASE("faults: what makes no sense is told with the CA and the address that sent it") {
    for (const std::string hurt : {"/order/1", "/authz/1/0"}) {
        CAPTURE(hurt);
        World world({"a.example"});
        answer_first(world, hurt, 1000, fakes::reply(200, "<html>Back soon</html>"));
        CHECK(contains(message_of(world.issue()),
                       "the CA fake, " + fakes::kOrigin + hurt + ": the CA's answer is no "));
    }
}

TEST_CASE("faults: an authorization for a name that was not asked for") {
    World world({"a.example"});
    answer_first(
        world, "/authz/1/0", 1,
        fakes::reply(200, R"({"status":"pending","identifier":{"type":"dns","value":"victim.example"},
                     "challenges":[{"type":"http-01","url":"/c","status":"pending","token":"abc"}]})"));
    CHECK(code_of(world.issue()) == "ca/protocol");
    CHECK(world.solver.presents() == 0);
}

TEST_CASE("faults: tokens that are none reach no solver") {
    for (const std::string& token : {std::string("../x"), std::string("a/b"), std::string(), std::string("."),
                                     std::string("%2e"), std::string(300, 'a'), std::string("a\nb"),
                                     std::string("`touch /tmp/x`"), std::string("a\0b", 3)}) {
        CAPTURE(token);
        World world({"ok.example", "a.example"});
        world.ca.tokens = {"fine", token};
        const auto issued = world.issue();
        CHECK(code_of(issued) == "ca/protocol");
        CHECK(contains(message_of(issued), "a.example"));
        CHECK(world.solver.presents() == 0);
        CHECK(world.ca.count("/chall/1/0") == 0);
    }
}

TEST_CASE("faults: a token may be as short as the CA likes, and 255 characters long") {
    for (const std::size_t length : {1, 21, 255}) {
        CAPTURE(length);
        World world({"a.example"});
        world.ca.tokens = {std::string(length, 'a')};
        CHECK(message_of(world.issue()) == "");
        CHECK(world.solver.last_task().token.size() == length);
    }
}

TEST_CASE("faults: http URLs and bodies too large, anywhere") {
    for (const std::string hurt : {"/order", "/authz/1/0", "/finalize/1"}) {
        CAPTURE(hurt);
        World plain({"a.example"});
        plain.request.patience = 30s;
        plain.ca.after = [hurt](const std::string& path, int, base::HttpResponse answer) -> Answer {
            if (path != hurt && !(hurt == "/finalize/1" && path == "/order/1")) return answer;
            for (std::size_t at = 0; (at = answer.body.find("https://", at)) != std::string::npos;) {
                answer.body.erase(at + 4, 1);
            }
            for (auto& [name, value] : answer.headers) {
                if (name == "location") value.erase(4, 1);
            }
            return answer;
        };
        CHECK(code_of(plain.issue()) == "ca/protocol");
    }
    for (const std::string hurt : {"/dir", "/order", "/authz/1/0", "/chall/1/0", "/order/1", "/cert/1"}) {
        CAPTURE(hurt);
        World large({"a.example"});
        answer_first(large, hurt, 1000, base::fail(base::Code::NetTooLarge, "more than 1 MiB"));
        CHECK(code_of(large.issue()) == "net/too-large");
        CHECK(large.solver.held() == 0);
    }
    World unbounded({"a.example"});
    answer_first(unbounded, "/cert/1", 1000, fakes::reply(200, std::string(3'000'000, 'x')));
    CHECK(code_of(unbounded.issue()) == "ca/protocol");
}

TEST_CASE("faults: refused at newOrder, name by name") {
    World world({"a.example", "b.example", "c.example"});
    answer_first(world, "/order", 1,
                 fakes::reply(400, R"({"type":"urn:ietf:params:acme:error:rejectedIdentifier",
        "subproblems":[{"type":"urn:ietf:params:acme:error:rejectedIdentifier","detail":"policy forbids",
                        "identifier":{"type":"dns","value":"b.example"}}]})"));
    const auto issued = world.issue();
    CHECK(code_of(issued) == "ca/identifier-refused");
    CHECK(message_of(issued) == "the CA fake refused 1 of 3 names (b.example: policy forbids)");
    CHECK(issued.error().step == "order");
}

TEST_CASE("faults: half of all nonces rejected") {
    World world({"a.example", "b.example", "c.example"});
    world.ca.before = [](const std::string& path, int count) -> std::optional<Answer> {
        if (path == "/dir" || path == "/nonce" || count % 2 == 0) return std::nullopt;
        return fakes::problem(400, "badNonce");
    };
    CHECK(message_of(world.issue()) == "");
    CHECK(world.ca.issued() == 1);
}
