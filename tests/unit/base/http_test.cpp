// SPDX-License-Identifier: Apache-2.0
// The transport against a real nginx over TLS and HTTP/2, and against answers no decent server gives.
#include "base/http.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <future>
#include <iterator>
#include <ostream>
#include <set>
#include <thread>
#include <tuple>

#include <doctest/doctest.h>

#include "tests/unit/base/http_peers.hpp"
#include "tests/unit/base/test_ca.hpp"

using base::CurlTransport;
using base::HttpRequest;
using base::HttpResponse;
using base::HttpTrust;
using base::Milliseconds;
using base::Result;
using tests::FixedServer;
using tests::LoopbackPort;
using tests::Nginx;

namespace {

constexpr std::string_view kServer = R"(
    listen 127.0.0.1:PORT ssl http2;
    location = /connection { default_type text/plain; return 200 "$connection $server_protocol"; }
    location = /seen {
        default_type text/plain;
        return 200 "$request_method|$http_content_length|$http_expect|$http_user_agent|$http_content_type|$http_x_test|$http_accept_encoding";
    }
    location = /echo { proxy_set_header X-Echo $request_body; proxy_method GET; proxy_pass_request_body off;
                       proxy_set_header Content-Length ""; proxy_ssl_verify off;
                       proxy_pass https://127.0.0.1:PORT/echoed; }
    location = /echoed { default_type text/plain; return 200 "$http_x_echo"; }
    location = /headers { add_header X-Twice one; add_header X-Twice two; add_header X-UPPER "  padded  ";
                          return 204; }
    location = /once { return 302 /connection; }
    location = /twice { return 302 /once; }
    location = /to-http { return 302 http://127.0.0.1:1/; }
    location = /refused { return 503; }
    location / { root DIR; })";

/// A CA of the test's own, a server under it, and the file that names the CA as trusted.
struct Site {
    explicit Site(const std::string& server = std::string(kServer),
                  base::Instant not_before = test_ca::kAuthorityFrom,
                  base::Instant not_after = test_ca::kAuthorityUntil)
        : certificate(test_ca::issue(root, {.public_key = key.handle(),
                                            .names = {base::parse_identifier("127.0.0.1").value()},
                                            .not_before = not_before,
                                            .not_after = not_after})),
          nginx(server, certificate.pem(), key.to_pem().value().reveal()) {
        std::ofstream(roots) << root.certificate.pem();
    }

    [[nodiscard]] HttpRequest request(const std::string& path) const {
        return {.url = nginx.url(path), .trust = {.roots_file = roots}};
    }

    test_ca::Authority root = test_ca::make_root("Test Root");
    base::PrivateKey key = base::PrivateKey::generate(base::KeyType::EcdsaP256).value();
    base::Certificate certificate;
    tests::TemporaryDirectory directory;
    std::string roots = directory / "roots.pem";
    Nginx nginx;
};

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

HttpRequest plain(const std::string& url) {
    return {.url = url, .trust = {.https_only = false}};
}

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

void check_error(const Result<HttpResponse>& response, std::string_view code, std::string_view says) {
    REQUIRE_FALSE(response.has_value());
    CHECK(to_string(response.error().code) == code);
    CAPTURE(response.error().message);
    CHECK(response.error().message.find(says) != std::string::npos);
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
