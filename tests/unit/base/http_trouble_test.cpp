// SPDX-License-Identifier: Apache-2.0
// The transport where nobody answers, or somebody who is not trusted, or in a way that no decent server does.
#include <array>
#include <fstream>
#include <future>
#include <memory>
#include <ostream>
#include <tuple>

#include <doctest/doctest.h>

#include "base/http.hpp"
#include "tests/unit/base/http_site.hpp"

using base::CurlTransport;
using base::HttpRequest;
using base::HttpResponse;
using base::Milliseconds;
using base::Result;
using tests::check_error;
using tests::FixedServer;
using tests::kServer;
using tests::LoopbackPort;
using tests::plain;
using tests::Site;

TEST_CASE("http: who is not trusted, and what to do about it") {
    const Site site;
    CurlTransport transport("renewd/test");
    HttpRequest system_roots = site.request("/seen");
    system_roots.trust.roots_file.clear();
    const auto unknown = transport.exchange(system_roots);
    check_error(unknown, "net/untrusted", "127.0.0.1 port ");
    CHECK(unknown.error().hint.find("`roots`") != std::string::npos);

    HttpRequest other_roots = site.request("/seen");
    other_roots.trust.roots_file = site.directory / "other.pem";
    std::ofstream(other_roots.trust.roots_file) << test_ca::make_root("Other").certificate.pem();
    check_error(transport.exchange(other_roots), "net/untrusted", "is not trusted");
    CHECK(transport.exchange(other_roots).error().hint.find(other_roots.trust.roots_file) !=
          std::string::npos);

    HttpRequest no_file = site.request("/seen");
    no_file.trust.roots_file = site.directory / "missing.pem";
    check_error(transport.exchange(no_file), "net/untrusted", "missing.pem");

    HttpRequest other_name = site.request("/seen");
    other_name.url.replace(other_name.url.find("127.0.0.1"), 9, "localhost");
    check_error(transport.exchange(other_name), "net/untrusted", "localhost port ");
}

TEST_CASE("http: a certificate of another time may be the fault of our clock") {
    const base::Instant past = test_ca::kAuthorityFrom + std::chrono::days(90);
    const base::Instant future = test_ca::kAuthorityUntil - std::chrono::days(90);
    CurlTransport transport("renewd/test");
    for (const auto& [from, until, cause] :
         {std::tuple{test_ca::kAuthorityFrom, past, "certificate has expired"},
          std::tuple{future, test_ca::kAuthorityUntil, "certificate is not yet valid"}}) {
        CAPTURE(std::string(cause));
        const Site site(std::string(kServer), from, until);
        const auto answer = transport.exchange(site.request("/seen"));
        check_error(answer, "net/untrusted", cause);
        const std::string today = base::format_instant(base::SystemClock().now()).substr(0, 10);
        CHECK(answer.error().hint.find("this machine's clock shows " + today) != std::string::npos);
    }
}

TEST_CASE("http: TLS that ends badly is told apart from TLS that is cut off") {
    CurlTransport transport("renewd/test");
    const FixedServer no_tls("HTTP/1.1 400 Bad Request\r\n\r\n");
    check_error(transport.exchange({.url = "https://127.0.0.1:" + no_tls.port() + "/"}), "net/untrusted",
                "no TLS with");
    const FixedServer cut_off("");
    check_error(transport.exchange({.url = "https://127.0.0.1:" + cut_off.port() + "/"}), "net/unreachable",
                "broke off");
}

TEST_CASE("http: nobody there") {
    CurlTransport transport("renewd/test");
    const LoopbackPort closed(/*listening=*/false);
    check_error(transport.exchange({.url = "https://127.0.0.1:" + closed.port() + "/dir?token=secret"}),
                "net/unreachable",
                "https://127.0.0.1:" + closed.port() + "/dir: 127.0.0.1 port " + closed.port() +
                    " could not be reached: connection refused");
    // A label of 64 characters cannot even be asked for: no resolver hears of it.
    const std::string unresolvable = std::string(64, 'a') + ".invalid";
    check_error(transport.exchange({.url = "https://" + unresolvable + "/"}), "net/unreachable",
                unresolvable + " port 443 could not be reached");
}

TEST_CASE("http: of a name's two address families one may refuse or be silent") {
    // libcurl knows localhost itself, as ::1 and 127.0.0.1, and tries them in this order.
    const FixedServer server("HTTP/1.1 204 No Content\r\n\r\n");
    const HttpRequest request = plain("http://localhost:" + server.port() + "/");
    CHECK(CurlTransport("renewd/test").exchange(request).value().status == 204);
    const tests::SilentPort silent(server.port());
    HttpRequest first = plain("http://[::1]:" + server.port() + "/");
    first.deadline = Milliseconds(300);
    check_error(CurlTransport("renewd/test").exchange(first), "net/timeout", "did not answer in time");
    CHECK(CurlTransport("renewd/test").exchange(request).value().status == 204);
}

TEST_CASE("http: an answer that does not come, or not in time") {
    CurlTransport transport("renewd/test");
    const FixedServer silent("", FixedServer::Then::Hold);
    HttpRequest request = plain(silent.url("/"));
    request.deadline = Milliseconds(200);
    check_error(transport.exchange(request), "net/timeout", "did not answer in time");
    request.deadline = Milliseconds(0);
    check_error(transport.exchange(request), "net/timeout", "no time was left");

    const FixedServer half("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", FixedServer::Then::Hold);
    HttpRequest waiting = plain(half.url("/"));
    waiting.deadline = Milliseconds(200);
    check_error(transport.exchange(waiting), "net/timeout", "did not answer in time");
}

TEST_CASE("http: answers are bounded while they arrive") {
    const Site site;
    std::ofstream(site.nginx.directory() / "big") << std::string(3'000'000, 'x');
    CurlTransport transport("renewd/test");
    check_error(transport.exchange(site.request("/big")), "net/too-large", "longer than 1048576 bytes");
    HttpRequest enough = site.request("/big");
    enough.body_max = 3'000'000;
    CHECK(transport.exchange(enough).value().body.size() == 3'000'000);
    enough.body_max = 2'999'999;
    check_error(transport.exchange(enough), "net/too-large", "longer than 2999999 bytes");

    std::string chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (int i = 0; i < 200; ++i) chunks += "2000\r\n" + std::string(0x2000, 'x') + "\r\n";
    const FixedServer endless(chunks, FixedServer::Then::Hold);  // never says that it is done
    check_error(transport.exchange(plain(endless.url("/"))), "net/too-large", "longer than 1048576 bytes");

    std::string headers = "HTTP/1.1 200 OK\r\n";
    for (int i = 0; i < 70; ++i) headers += "X-Many: " + std::string(1000, 'x') + "\r\n";
    const FixedServer chatty(headers + "\r\n");
    check_error(transport.exchange(plain(chatty.url("/"))), "net/too-large",
                "headers are longer than 64 KiB");
}

TEST_CASE("http: odd answers") {
    struct Case {
        std::string_view name;
        std::string_view answer;
        std::string_view error;  // or none:
        std::string_view body;
        std::size_t headers;
    };

    for (const Case& c : std::vector<Case>{
             {"1xx in front",
              "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nA: b\r\n\r\nbody", "", "body",
              1},
             {"a trailer is no header",
              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nReplay-Nonce: "
              "late\r\n\r\n",
              "", "body", 1},
             {"a header without a name", "HTTP/1.1 200 OK\r\n: x\r\nb ad: x\r\nGood: x\r\n\r\nbody", "",
              "body", 1},
             {"cut off", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", "net/unreachable", "", 0},
             {"cut off among the chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\nhalf",
              "net/unreachable", "", 0},
             {"nothing", "", "net/unreachable", "", 0},
             {"no HTTP", "SSH-2.0-OpenSSH_9.2\r\n", "net/unreachable", "", 0},
         }) {
        CAPTURE(c.name);
        const FixedServer server{std::string(c.answer)};
        CurlTransport transport("renewd/test");
        const auto response = transport.exchange(plain(server.url("/")));
        if (!c.error.empty()) {
            check_error(response, c.error, "broke off");
            continue;
        }
        REQUIRE(response.has_value());
        CHECK(response->body == c.body);
        CHECK(response->headers.size() == c.headers);
    }
}

TEST_CASE("http: who waits works for all who wait, and another goes on when he has his answer") {
    const Site site;
    FixedServer first("", FixedServer::Then::Hold);
    FixedServer second("", FixedServer::Then::Hold);
    CurlTransport transport("renewd/test");
    const auto ask = [&transport](const FixedServer& server, Milliseconds deadline) {
        return std::async(std::launch::async, [&transport, &server, deadline] {
            HttpRequest request = plain(server.url("/"));
            request.deadline = deadline;
            return transport.exchange(request);
        });
    };
    auto sooner = ask(first, Milliseconds(500));
    CHECK(first.first_request().starts_with("GET / "));
    auto later = ask(second, Milliseconds(1'500));
    CHECK(second.first_request().starts_with("GET / "));
    CHECK(transport.exchange(site.request("/seen")).value().status == 200);
    check_error(sooner.get(), "net/timeout", "did not answer in time");
    CHECK(transport.exchange(site.request("/seen")).value().status == 200);
    check_error(later.get(), "net/timeout", "did not answer in time");
}

TEST_CASE("http: a transport that goes ends what is under way") {
    std::array<FixedServer, 2> silent{FixedServer("", FixedServer::Then::Hold),
                                      FixedServer("", FixedServer::Then::Hold)};
    auto transport = std::make_unique<CurlTransport>("renewd/test");
    std::vector<std::future<Result<HttpResponse>>> answers;
    answers.reserve(silent.size());
    for (FixedServer& server : silent) {
        answers.push_back(std::async(std::launch::async, [&server, bare = transport.get()] {
            return bare->exchange(plain(server.url("/dir")));
        }));
    }
    for (FixedServer& server : silent) CHECK(server.first_request().starts_with("GET /dir "));
    transport.reset();
    for (auto& answer : answers) check_error(answer.get(), "net/unreachable", "shutting down");
}
