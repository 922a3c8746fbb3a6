// SPDX-License-Identifier: Apache-2.0
// The little of HTTP that http-01 needs, as a table.
#include "acme/solvers/http_answer.hpp"

#include <ostream>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

namespace {

std::optional<std::string> answer(std::string_view received) {
    return acme::answer_http(received, [](std::string_view token) {
        return token == "one" ? std::optional<std::string>("one.thumb") : std::nullopt;
    });
}

/// "200", or "-" while more is waited for.
std::string status(std::string_view received) {
    const auto whole = answer(received);
    return whole ? whole->substr(9, 3) : "-";
}

const std::string kPath = "/.well-known/acme-challenge/";

}  // namespace

TEST_CASE("http answer: the whole of it") {
    const std::string head =
        "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 9\r\n"
        "Connection: close\r\n\r\n";
    CHECK(answer("GET " + kPath + "one HTTP/1.1\r\nHost: a.example\r\n\r\n") == head + "one.thumb");
    CHECK(answer("HEAD " + kPath + "one HTTP/1.1\r\nHost: a.example\r\n\r\n") == head);
    CHECK(answer("GET / HTTP/1.1\r\n\r\n") ==
          "HTTP/1.1 404 Not Found\r\nContent-Type: application/octet-stream\r\nContent-Length: 0\r\n"
          "Connection: close\r\n\r\n");
}

TEST_CASE("http answer: what is asked for, and what is no HTTP") {
    struct Case {
        std::string received;
        std::string_view want;
    };

    const std::string one = kPath + "one";
    for (const Case& c : {
             Case{"GET " + one + " HTTP/1.0\r\n\r\n", "200"},
             Case{"GET " + one + " HTTP/1.1\nHost: x\n\n", "200"},
             Case{"GET " + one + "?x=1 HTTP/1.1\r\n\r\n", "200"},
             Case{"GET http://a.example" + one + " HTTP/1.1\r\n\r\n", "200"},
             Case{"GET HTTP://[2001:db8::1]:80" + one + " HTTP/1.1\r\nHost: b.example\r\n\r\n", "200"},
             Case{"GET http://a.example HTTP/1.1\r\n\r\n", "404"},
             Case{"GET /x?y=http://a.example" + one + " HTTP/1.1\r\n\r\n", "404"},
             Case{"GET " + kPath + " HTTP/1.1\r\n\r\n", "404"},
             Case{"GET " + kPath + "two HTTP/1.1\r\n\r\n", "404"},
             Case{"GET " + one + "/ HTTP/1.1\r\n\r\n", "404"},
             Case{"GET /x" + one + " HTTP/1.1\r\n\r\n", "404"},
             Case{"GET * HTTP/1.1\r\n\r\n", "404"},
             Case{"POST " + one + " HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", "404"},
             Case{"", "-"},
             Case{"GET " + one, "-"},
             Case{"GET " + one + " HTTP/1.1\r\n", "-"},
             Case{"GET " + one + " HTTP/1.1\r\nHost: a.example\r\n", "-"},
             Case{"\r\n\r\n", "400"},
             Case{"hello\n", "400"},
             Case{"GET " + one + "\r\n\r\n", "400"},
             Case{"GET " + one + " HTTP/2.0\r\n\r\n", "400"},
             Case{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400"},
             Case{"get " + one + " HTTP/1.1\r\n\r\n", "400"},
             Case{" " + one + " HTTP/1.1\r\n\r\n", "400"},
             Case{"GET  HTTP/1.1\r\n\r\n", "400"},
             Case{"GET " + kPath + "o ne HTTP/1.1\r\n\r\n", "400"},
             Case{"GET " + kPath + "\x01 HTTP/1.1\r\n\r\n", "400"},
             Case{std::string("\x16\x03\x01\x02\x00\x01\x00\n", 8), "400"},
             Case{std::string(acme::kHttpHeadMax, 'A'), "400"},
             Case{"GET " + one + " HTTP/1.1\r\nX: " + std::string(acme::kHttpHeadMax, 'A'), "400"},
         }) {
        CAPTURE(c.received.substr(0, 80));
        CHECK(status(c.received) == c.want);
    }
}
