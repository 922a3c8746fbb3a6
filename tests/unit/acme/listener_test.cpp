// SPDX-License-Identifier: Apache-2.0
// http-01 by a listener of our own, asked over loopback.
#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <ostream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "acme/solvers/http_01.hpp"
#include "acme/solvers/http_answer.hpp"
#include "acme/solvers/listen_socket.hpp"
#include "tests/unit/acme/fakes.hpp"
#include "tests/unit/acme/ports.hpp"

using fakes::code_of;
using fakes::contains;
using fakes::message_of;

namespace {

acme::ChallengeTask task(const std::string& token) {
    return {.identifier = {.value = "a.example"}, .token = token, .key_authorization = token + ".thumb"};
}

std::string free_port() {
    return std::to_string(tests::free_port());
}

base::Result<base::HttpResponse> ask(const std::string& origin, const std::string& path,
                                     const std::string& method = "GET") {
    static base::CurlTransport transport("renewd-test");
    return transport.exchange({.method = method,
                               .url = "http://" + origin + path,
                               .trust = {.https_only = false},
                               .connect_deadline = base::Milliseconds(2000),
                               .deadline = base::Milliseconds(5000)});
}

base::Descriptor connect_to(int port) {
    base::Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval patience{.tv_sec = 5, .tv_usec = 0};
    ::setsockopt(socket.number(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    REQUIRE(::connect(socket.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    return socket;
}

/// Waits for it, for at most five seconds.
bool is_hung_up(const base::Descriptor& socket) {
    std::array<char, 1> byte{};
    const ssize_t got = ::recv(socket.number(), byte.data(), byte.size(), 0);
    return got == 0 || (got < 0 && errno == ECONNRESET);
}

const std::string kPath = "/.well-known/acme-challenge/";

}  // namespace

TEST_CASE("listener: what may stand in `listen`") {
    struct Case {
        std::string_view text;
        acme::ListenAddress want;
    };

    for (const Case& c : {
             Case{.text = "*:80", .want = {.address = "", .port = 80}},
             Case{.text = "192.0.2.1:8080", .want = {.address = "192.0.2.1", .port = 8080}},
             Case{.text = "[2001:db8::1]:65535", .want = {.address = "2001:db8::1", .port = 65535}},
         }) {
        CAPTURE(c.text);
        CHECK((acme::parse_listen(c.text) == c.want));
    }
    for (const std::string_view wrong :
         {"", "80", "*", "*:", "*:0", "*:65536", "*:-1", "*:80x", "::1:80", "[::1]", "[192.0.2.1]:80",
          "example.com:80", ":80", "localhost:80"}) {
        CAPTURE(wrong);
        CHECK(code_of(acme::parse_listen(wrong)) == "config/wrong-value");
    }
    CHECK(code_of(acme::make_listener_solver("80")->present(task("t"))) == "config/wrong-value");
}

TEST_CASE("listener: answers presented tokens and nothing else, and only while there are any") {
    const std::string origin = "127.0.0.1:" + free_port();
    const auto solver = acme::make_listener_solver(origin);
    CHECK(solver->type() == "http-01");
    CHECK_FALSE(ask(origin, kPath + "one"));

    REQUIRE(solver->present(task("one")));
    REQUIRE(solver->present(task("one")));
    REQUIRE(solver->present(task("two")));
    const auto answer = ask(origin, kPath + "one");
    REQUIRE(answer);
    CHECK(answer->status == 200);
    CHECK(answer->body == "one.thumb");
    CHECK(ask(origin, kPath + "two?x=1").value().body == "two.thumb");
    const auto head = ask(origin, kPath + "one", "HEAD");
    CHECK(head.value().status == 200);
    CHECK(head.value().header("content-length") == "9");
    for (const std::string& path : {std::string("/"), kPath, kPath + "three", kPath + "../one",
                                    kPath + "one/", std::string("/one"), "/x" + kPath + "one"}) {
        CAPTURE(path);
        CHECK(ask(origin, path).value().status == 404);
    }
    CHECK(ask(origin, kPath + "one", "POST").value().status == 404);

    REQUIRE(solver->clean_up(task("one")));
    REQUIRE(solver->clean_up(task("one")));
    CHECK(ask(origin, kPath + "one").value().status == 404);
    CHECK(ask(origin, kPath + "two").value().status == 200);
    REQUIRE(solver->clean_up(task("two")));
    CHECK_FALSE(ask(origin, kPath + "two"));

    REQUIRE(solver->present(task("again")));  // the port can be had again at once
    CHECK(ask(origin, kPath + "again").value().body == "again.thumb");
}

TEST_CASE("listener: a token is checked before it is anything") {
    const auto solver = acme::make_listener_solver("127.0.0.1:" + free_port());
    for (const std::string& token : {std::string("../x"), std::string(), std::string(300, 'a')}) {
        CHECK(code_of(solver->present(task(token))) == "solver/present");
    }
}

TEST_CASE("listener: every address of both families") {
    const std::string port = free_port();
    const auto solver = acme::make_listener_solver("*:" + port);
    REQUIRE(solver->present(task("t")));
    CHECK(ask("127.0.0.1:" + port, kPath + "t").value().body == "t.thumb");
    // A machine without IPv6 is no error; one with it answers there, too.
    const auto other_port = static_cast<std::uint16_t>(std::stoi(free_port()));
    const bool has_ipv6 = acme::open_listen_sockets({.address = "::1", .port = other_port}, {}).has_value();
    if (has_ipv6) CHECK(ask("[::1]:" + port, kPath + "t").value().body == "t.thumb");
}

TEST_CASE("listener: a port that somebody has is named, with what to do") {
    const tests::TakenPort taken;
    for (const std::string& listen :
         {"127.0.0.1:" + std::to_string(taken.port), "*:" + std::to_string(taken.port)}) {
        CAPTURE(listen);
        const auto solver = acme::make_listener_solver(listen);
        const auto presented = solver->present(task("t"));
        CHECK(code_of(presented) == "solver/port-busy");
        CHECK(contains(message_of(presented), std::to_string(taken.port)));
        CHECK(contains(presented.error().hint, "webroot"));
    }
    const auto foreign = acme::make_listener_solver("192.0.2.1:" + free_port())->present(task("t"));
    CHECK(code_of(foreign) == "solver/present");
    CHECK(contains(message_of(foreign), "no address of this machine"));
}

TEST_CASE("listener: peers that say little, nothing or far too much keep nobody out") {
    const int port = tests::free_port();
    const std::string origin = "127.0.0.1:" + std::to_string(port);
    const auto solver = acme::make_listener_solver(origin);
    REQUIRE(solver->present(task("t")));
    std::vector<base::Descriptor> idle;
    for (int i = 0; i < 300; ++i) idle.push_back(connect_to(port));
    CHECK(ask(origin, kPath + "t").value().body == "t.thumb");
    CHECK(is_hung_up(idle.front()));  // the oldest lost its place to the newer ones

    std::vector<base::Descriptor> slow;
    for (int i = 0; i < 20; ++i) {
        slow.push_back(connect_to(port));
        CHECK(::send(slow.back().number(), "G", 1, MSG_NOSIGNAL) == 1);
    }
    CHECK(ask(origin, kPath + "t").value().body == "t.thumb");

    const base::Descriptor endless = connect_to(port);
    const std::string line = "GET / HTTP/1.1\r\nX: " + std::string(acme::kHttpHeadMax, 'x');
    CHECK(::send(endless.number(), line.data(), line.size(), MSG_NOSIGNAL) > 0);
    std::array<char, 64> answer{};
    const ssize_t got = ::recv(endless.number(), answer.data(), answer.size(), 0);
    REQUIRE(got > 12);
    CHECK(std::string_view(answer.data(), 12) == "HTTP/1.1 400");

    const auto began = std::chrono::steady_clock::now();
    REQUIRE(solver->clean_up(task("t")));
    CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(1));
    CHECK(is_hung_up(slow.back()));
}

TEST_CASE("listener: a CA that looks for a hundred names at once is answered everywhere") {
    const int port = tests::free_port();
    const auto solver = acme::make_listener_solver("127.0.0.1:" + std::to_string(port));
    REQUIRE(solver->present(task("t")));
    const auto ask_on = [](const base::Descriptor& peer) {
        const std::string request = "GET " + kPath + "t HTTP/1.1\r\nHost: a.example\r\n\r\n";
        REQUIRE(::send(peer.number(), request.data(), request.size(), MSG_NOSIGNAL) > 0);
    };
    int answered = 0;
    const auto hear = [&answered](base::Descriptor& peer) {
        std::array<char, 512> answer{};
        const ssize_t got = ::recv(peer.number(), answer.data(), answer.size(), 0);
        answered += got > 0 && contains(std::string(answer.data(), static_cast<std::size_t>(got)), "t.thumb");
        peer = base::Descriptor();
    };
    std::vector<base::Descriptor> peers;
    // Connected before any of them says a word.
    for (int i = 0; i < 250; ++i) peers.push_back(connect_to(port));
    std::ranges::for_each(peers, ask_on);
    std::ranges::for_each(peers, hear);
    CHECK(answered == 250);
    // More than there is room for; nobody leaves before all have come.
    peers.clear();
    for (int i = 0; i < 400; ++i) {
        peers.push_back(connect_to(port));
        ask_on(peers.back());
    }
    std::ranges::for_each(peers, hear);
    CHECK(answered == 650);
}

TEST_CASE("listener: shared by many certificates at once") {
    const std::string origin = "127.0.0.1:" + free_port();
    const auto solver = acme::make_listener_solver(origin);
    std::atomic<int> right = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&, i] {
            for (int round = 0; round < 5; ++round) {
                const std::string token = "t" + std::to_string(i) + "-" + std::to_string(round);
                if (!solver->present(task(token))) continue;
                const auto answer = ask(origin, kPath + token);
                if (answer && answer->body == token + ".thumb") ++right;
                (void)solver->clean_up(task(token));
            }
        });
    }
    for (std::thread& each : threads) each.join();
    CHECK(right == 20);
    CHECK_FALSE(ask(origin, kPath + "t0-0"));
}
