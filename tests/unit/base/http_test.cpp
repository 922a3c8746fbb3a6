// SPDX-License-Identifier: Apache-2.0
// The transport against a real nginx over TLS and HTTP/2: connections, what is sent and what comes back.
#include "base/http.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <future>
#include <iterator>
#include <ostream>
#include <set>
#include <thread>

#include <doctest/doctest.h>

#include "tests/unit/base/http_site.hpp"

using base::CurlTransport;
using base::HttpRequest;
using base::HttpResponse;
using base::Milliseconds;
using base::Result;
using tests::check_error;
using tests::FixedServer;
using tests::LoopbackPort;
using tests::plain;
using tests::Site;

namespace {

/// A variable of the environment, for a while. Only while no other thread is up.
class Variable {
  public:
    Variable(const char* name, const std::string& value) : name_(name) {
        REQUIRE(setenv(name, value.c_str(), 1) == 0);  // NOLINT(concurrency-mt-unsafe)
    }

    Variable(const Variable&) = delete;
    Variable& operator=(const Variable&) = delete;

    ~Variable() { unsetenv(name_); }  // NOLINT(concurrency-mt-unsafe)

  private:
    const char* name_;
};

/// The connections that as many requests at once were answered on, as nginx numbers them.
std::set<std::string> connections_of(CurlTransport& transport, const HttpRequest& request, int count) {
    std::vector<std::future<Result<HttpResponse>>> answers;
    answers.reserve(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) {
        answers.push_back(std::async(std::launch::async, [&] { return transport.exchange(request); }));
    }
    std::set<std::string> connections;
    for (auto& answer : answers) {
        const Result<HttpResponse> response = answer.get();
        REQUIRE(response.has_value());
        CHECK(response->status == 200);
        connections.insert(response->body);
    }
    return connections;
}

}  // namespace

TEST_CASE("http: requests at once share one HTTP/2 connection") {
    const Site site;
    CurlTransport transport("renewd/test");
    const auto connections = connections_of(transport, site.request("/connection"), 20);
    REQUIRE(connections.size() == 1);
    CHECK(connections.begin()->ends_with(" HTTP/2.0"));
    CHECK(connections_of(transport, site.request("/connection"), 1) == connections);

    // Another set of anchors has not vouched for that connection.
    const std::string copy = site.directory / "copy.pem";
    std::ofstream(copy) << site.root.certificate.pem();
    HttpRequest other = site.request("/connection");
    other.trust.roots_file = copy;
    CHECK(connections_of(transport, other, 1) != connections);
}

TEST_CASE(
    "http: what is under way when a server ends its HTTP/2 connection (GOAWAY) is done once, and answered") {
    const Site site(R"(
        listen 127.0.0.1:PORT ssl http2; keepalive_requests 4; access_log DIR/access.log combined;
        location / { return 200 "$connection $server_protocol"; })");
    CurlTransport transport("renewd/test");
    HttpRequest request = site.request("/");
    for (const std::string method : {"GET", "POST"}) {
        request.method = method;
        if (method == "POST") request.body = "{}";
        const auto connections = connections_of(transport, request, 12);
        CHECK(connections.size() >= 3);  // of four requests each
        for (const std::string& each : connections) CHECK(each.ends_with(" HTTP/2.0"));
    }
    // nginx writes a line down when its answer has gone out.
    std::size_t lines = 0;
    for (int look = 0; look < 500 && lines < 24; ++look) {
        std::this_thread::sleep_for(Milliseconds(10));
        std::ifstream log(site.nginx.directory() / "access.log");
        lines = static_cast<std::size_t>(std::count(std::istreambuf_iterator<char>(log), {}, '\n'));
    }
    CHECK(lines == 24);
}

TEST_CASE("http: HTTP/1.1 connections are kept alive") {
    const Site site("listen 127.0.0.1:PORT ssl; location / { return 200 \"$connection $server_protocol\"; }");
    CurlTransport transport("renewd/test");
    std::set<std::string> connections;
    for (int i = 0; i < 5; ++i) connections.merge(connections_of(transport, site.request("/"), 1));
    REQUIRE(connections.size() == 1);
    CHECK(connections.begin()->ends_with(" HTTP/1.1"));
    CHECK(connections_of(transport, site.request("/"), 20).size() <= 20);
}

TEST_CASE("http: a request that went out twice is told from others") {
    // From the second request on a connection ends without an answer: nginx's 444.
    const Site site(
        "listen 127.0.0.1:PORT ssl; location / { if ($connection_requests = 2) { return 444; } "
        "return 200 $connection_requests; }");
    CurlTransport transport("renewd/test");
    const auto first = transport.exchange(site.request("/"));
    REQUIRE(first);
    CHECK(first->body == "1");
    CHECK_FALSE(first->was_sent_again);
    HttpRequest order = site.request("/");
    order.method = "POST";
    order.body = "{}";
    const auto second = transport.exchange(order);
    REQUIRE(second);
    CHECK(second->body == "1");
    CHECK(second->was_sent_again);
}

TEST_CASE("http: what a request says of itself") {
    const Site site;
    CurlTransport transport("renewd/1.2 libcurl");
    const auto seen = [&](const HttpRequest& request) { return transport.exchange(request).value().body; };

    HttpRequest request = site.request("/seen");
    CHECK(seen(request) == "GET|||renewd/1.2 libcurl|||");
    request.headers = {{"X-Test", "some value"}};
    CHECK(seen(request) == "GET|||renewd/1.2 libcurl||some value|");

    request.method = "POST";
    CHECK(seen(request) == "POST|0||renewd/1.2 libcurl||some value|");  // an empty body has a length, too
    request.headers = {{"content-type", "application/jose+json"}};
    request.body = std::string(5000, 'x');
    CHECK(seen(request) == "POST|5000||renewd/1.2 libcurl|application/jose+json||");

    for (const std::string method : {"PUT", "PATCH", "DELETE"}) {
        request.method = method;
        CHECK(seen(request) == method + "|5000||renewd/1.2 libcurl|application/jose+json||");
    }

    HttpRequest echo = site.request("/echo");
    echo.method = "POST";
    echo.body = R"({"protected":"abc"})";
    CHECK(seen(echo) == echo.body);

    FixedServer server("HTTP/1.1 204 No Content\r\n\r\n");
    HttpRequest empty_header = plain(server.url("/"));
    empty_header.headers = {{"X-Empty", ""}};
    CHECK(transport.exchange(empty_header).has_value());
    CHECK(server.first_request().find("\r\nX-Empty:\r\n") != std::string::npos);

    // Over HTTP/1.1 and beyond 1 MiB curl would ask whether it may go on: "Expect: 100-continue".
    FixedServer unwilling("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n");
    HttpRequest big = plain(unwilling.url("/"));
    big.method = "POST";
    big.body = std::string(2'000'000, 'x');
    CHECK(transport.exchange(big).value().status == 413);
    CHECK(unwilling.first_request().find("Content-Length: 2000000\r\n") != std::string::npos);
    CHECK(unwilling.first_request().find("Expect:") == std::string::npos);
}

TEST_CASE("http: what a response holds") {
    const Site site;
    CurlTransport transport("renewd/test");
    const HttpResponse response = transport.exchange(site.request("/headers")).value();
    CHECK(response.status == 204);
    CHECK(response.header("x-twice") == "one");
    CHECK(response.all("x-twice") == std::vector<std::string_view>{"one", "two"});
    CHECK(response.header("x-upper") == "padded");
    CHECK(response.header("x-none") == "");
    CHECK(response.all("x-none").empty());

    HttpRequest head = site.request("/connection");
    head.method = "HEAD";
    CHECK(transport.exchange(head).value().body.empty());
    CHECK(transport.exchange(site.request("/refused")).value().status == 503);
}

TEST_CASE("http: redirects are followed as often as allowed, never for POST, never to http") {
    const Site site;
    CurlTransport transport("renewd/test");
    HttpRequest request = site.request("/twice");
    CHECK(transport.exchange(request).value().status == 302);
    request.redirects_max = 2;
    const HttpResponse response = transport.exchange(request).value();
    CHECK(response.status == 200);
    CHECK(response.header("location") == "");  // of the last response only
    CHECK(response.body.ends_with("HTTP/2.0"));
    request.redirects_max = 1;
    check_error(transport.exchange(request), "net/unreachable", "redirects");
    request.redirects_max = 2;
    request.method = "POST";
    CHECK(transport.exchange(request).value().status == 302);

    HttpRequest to_http = site.request("/to-http");
    to_http.redirects_max = 3;
    check_error(transport.exchange(to_http), "net/refused-scheme", "something else than https");
}

TEST_CASE("http: what is no https URL is refused before anything is sent") {
    CurlTransport transport("renewd/test");
    for (const std::string_view url :
         {"http://127.0.0.1:1/dir", "HTTP://127.0.0.1:1/dir", "ftp://127.0.0.1/", "file:///etc/passwd",
          "example.com", "", "https://", "https://a b/", "https://127.0.0.1:99999/"}) {
        CAPTURE(url);
        const auto response = transport.exchange({.url = std::string(url)});
        REQUIRE_FALSE(response.has_value());
        CHECK(to_string(response.error().code) == "net/refused-scheme");
    }
    check_error(transport.exchange({.url = "http://user:secret@ca.example/dir?token=secret"}),
                "net/refused-scheme", "http://ca.example/dir: refused, only https");
    check_error(transport.exchange(plain("ftp://127.0.0.1/")), "net/refused-scheme", "ftp://127.0.0.1/");
}

TEST_CASE("http: a request of ours that is malformed is not sent") {
    CurlTransport transport("renewd/test");
    for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{
             {"X-Test", "a\r\nX-Evil: b"}, {"X Test", "a"}, {"", "a"}}) {
        check_error(transport.exchange({.url = "https://127.0.0.1:1/", .headers = {{name, value}}}),
                    "internal/unexpected", "malformed");
    }
    check_error(transport.exchange({.method = "TRACE", .url = "https://127.0.0.1:1/"}), "internal/unexpected",
                "TRACE is no method");
}

TEST_CASE("http: only the proxy that was named is used") {
    const Site site;
    const LoopbackPort nobody(/*listening=*/false);
    const std::string bogus = "http://127.0.0.1:" + nobody.port();
    {
        const Variable lower("https_proxy", bogus);
        const Variable upper("HTTPS_PROXY", bogus);
        const Variable all("all_proxy", bogus);
        CurlTransport transport("renewd/test");
        CHECK(transport.exchange(site.request("/seen")).has_value());
    }
    const Variable none("no_proxy", "*");
    FixedServer proxy("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    HttpRequest request = site.request("/seen");
    request.trust.proxy = "http://127.0.0.1:" + proxy.port();
    CurlTransport transport("renewd/test");
    check_error(transport.exchange(request), "net/unreachable", "through the proxy");
    CHECK(proxy.first_request().starts_with("CONNECT 127.0.0.1:"));
}
