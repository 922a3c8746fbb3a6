// SPDX-License-Identifier: Apache-2.0
// tls-alpn-01: the certificate, byte for byte, and the listener asked by a TLS client over loopback.
#include "acme/solvers/tls_alpn_01.hpp"

#include <array>
#include <atomic>
#include <memory>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/encoding.hpp"
#include "base/file.hpp"
#include "base/openssl.hpp"
#include "tests/unit/acme/fakes.hpp"
#include "tests/unit/acme/ports.hpp"

using fakes::code_of;
using fakes::contains;
using fakes::message_of;

namespace {

acme::ChallengeTask task(const std::string& name, const std::string& token = "t") {
    return {.identifier = base::parse_identifier(name).value(),
            .token = token,
            .key_authorization = token + ".thumb"};
}

/// What one handshake came to.
struct Shaken {
    bool is_connected = false;
    std::string alert{};  // the reason in OpenSSL's words, where it failed
    std::string protocol{};
    std::optional<base::Certificate> certificate{};
};

base::Descriptor connect_to(int port) {
    base::Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval patience{.tv_sec = 5, .tv_usec = 0};
    ::setsockopt(socket.number(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (::connect(socket.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return {};
    return socket;
}

/// `protocols` as RFC 7301 writes them, each behind its length; empty: the extension is not sent.
Shaken shake(int port, const std::string& name, const std::string& protocols, int version = 0) {
    Shaken shaken;
    const base::Descriptor socket = connect_to(port);
    shaken.is_connected = socket.is_open();
    if (!shaken.is_connected) return shaken;
    const std::unique_ptr<SSL_CTX, base::Deleter<SSL_CTX_free>> context(SSL_CTX_new(TLS_client_method()));
    if (version != 0) SSL_CTX_set_max_proto_version(context.get(), version);
    if (version == TLS1_1_VERSION) {
        SSL_CTX_set_min_proto_version(context.get(), version);
        SSL_CTX_set_security_level(context.get(), 0);
    }
    const std::unique_ptr<SSL, base::Deleter<SSL_free>> ssl(SSL_new(context.get()));
    if (!name.empty()) {  // what SSL_set_tlsext_host_name() is, without its old-style cast
        SSL_ctrl(ssl.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                 const_cast<char*>(name.c_str()));
    }
    if (!protocols.empty()) {
        SSL_set_alpn_protos(ssl.get(), reinterpret_cast<const unsigned char*>(protocols.data()),
                            static_cast<unsigned int>(protocols.size()));
    }
    SSL_set_fd(ssl.get(), socket.number());
    if (SSL_connect(ssl.get()) != 1) shaken.alert = base::openssl_error();
    const unsigned char* chosen = nullptr;
    unsigned int size = 0;
    SSL_get0_alpn_selected(ssl.get(), &chosen, &size);
    if (size > 0) shaken.protocol.assign(reinterpret_cast<const char*>(chosen), size);
    if (X509* shown = SSL_get0_peer_certificate(ssl.get()))
        shaken.certificate = base::Certificate::share(shown);
    return shaken;
}

const std::string kAcme =
    "\x0a"
    "acme-tls/1";
const std::string kWeb = "\x02h2\x08http/1.1";

/// The value of the acmeIdentifier extension, and whether it is critical.
struct Extension {
    std::string value{};
    bool is_critical = false;
    int count = 0;
};

Extension acme_extension(const base::Certificate& certificate) {
    Extension found;
    const std::unique_ptr<ASN1_OBJECT, base::Deleter<ASN1_OBJECT_free>> oid(
        OBJ_txt2obj("1.3.6.1.5.5.7.1.31", 1));
    for (int at = -1; (at = X509_get_ext_by_OBJ(certificate.handle(), oid.get(), at)) >= 0; ++found.count) {
        X509_EXTENSION* extension = X509_get_ext(certificate.handle(), at);
        const ASN1_OCTET_STRING* data = X509_EXTENSION_get_data(extension);
        found.value.assign(reinterpret_cast<const char*>(ASN1_STRING_get0_data(data)),
                           static_cast<std::size_t>(ASN1_STRING_length(data)));
        found.is_critical = X509_EXTENSION_get_critical(extension) == 1;
    }
    return found;
}

}  // namespace

TEST_CASE("tls-alpn-01: the server name of an address is its reverse name") {
    const struct {
        std::string name;
        std::string want;
    } cases[] = {
        {"a.example", "a.example"},
        {"192.0.2.10", "10.2.0.192.in-addr.arpa"},
        {"255.1.0.9", "9.0.1.255.in-addr.arpa"},
        {"2001:db8::1", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"},
        {"xn--bcher-kva.example", "xn--bcher-kva.example"},
    };

    for (const auto& each : cases)
        CHECK(acme::alpn_server_name(base::parse_identifier(each.name).value()) == each.want);
}

TEST_CASE("tls-alpn-01: the certificate holds one name and the digest in a critical extension") {
    const auto key = base::PrivateKey::generate(base::KeyType::EcdsaP256).value();
    const base::Instant now = base::parse_instant("2026-11-21T12:00:00Z").value();
    for (const std::string name : {"a.example", "192.0.2.10", "2001:db8::1"}) {
        CAPTURE(name);
        const base::Identifier identifier = base::parse_identifier(name).value();
        const auto certificate = acme::make_alpn_certificate(key, identifier, "token.thumb", now);
        REQUIRE(certificate);
        CHECK(certificate->names() == std::vector<base::Identifier>{identifier});
        CHECK(certificate->is_self_signed());
        CHECK(certificate->not_before() < now);
        CHECK(certificate->not_after() > now);
        const Extension extension = acme_extension(*certificate);
        CHECK(extension.count == 1);
        CHECK(extension.is_critical);
        // An OCTET STRING of 32 bytes: SHA-256("token.thumb").
        CHECK(base::hex(extension.value) == "0420" + base::sha256_hex("token.thumb"));
    }
}

TEST_CASE("tls-alpn-01: what a CA would take for the answer, and what not") {
    const auto key = base::PrivateKey::generate(base::KeyType::EcdsaP256).value();
    const auto made = [&](const acme::ChallengeTask& of) {
        return acme::make_alpn_certificate(key, of.identifier, of.key_authorization, fakes::kNow).value();
    };
    for (const std::string name : {"a.example", "192.0.2.1"}) {
        const auto right = task(name);
        CHECK(acme::is_alpn_answer(made(right), right));
        CHECK_FALSE(acme::is_alpn_answer(made(task("b.example")), right));
        CHECK_FALSE(acme::is_alpn_answer(made(task(name, "u")), right));
        const auto plain = base::self_sign(key, {right.identifier}, fakes::kNow, fakes::kNow + 1h).value();
        CHECK_FALSE(acme::is_alpn_answer(plain, right));
    }
}

TEST_CASE("tls-alpn-01: shows its certificate to acme-tls/1 alone, by name, while something is presented") {
    base::SystemClock clock;
    const int port = tests::free_port();
    const auto solver = acme::make_tls_alpn_solver("127.0.0.1:" + std::to_string(port), clock);
    CHECK(solver->type() == "tls-alpn-01");
    CHECK_FALSE(shake(port, "a.example", kAcme).is_connected);

    REQUIRE(solver->present(task("a.example", "one")));
    REQUIRE(solver->present(task("a.example", "one")));
    REQUIRE(solver->present(task("127.0.0.1", "two")));
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        for (const std::string name : {"a.example", "A.Example"}) {
            const Shaken shaken = shake(port, name, kAcme, version);
            CHECK(shaken.alert == "");
            CHECK(shaken.protocol == "acme-tls/1");
            REQUIRE(shaken.certificate);
            CHECK(base::hex(acme_extension(*shaken.certificate).value) ==
                  "0420" + base::sha256_hex("one.thumb"));
        }
    }
    const Shaken address = shake(port, "1.0.0.127.in-addr.arpa", kAcme);
    REQUIRE(address.certificate);
    CHECK(address.certificate->names().front().value == "127.0.0.1");

    const struct {
        std::string name;
        std::string protocols;
        std::string alert;
    } strangers[] = {
        {"a.example", "", "no application protocol"},
        {"a.example", kWeb, "no application protocol"},
        {"a.example", kWeb + kAcme, "no application protocol"},
        {"b.example", kAcme, "unrecognized name"},
        {"127.0.0.1", kAcme, "unrecognized name"},
        {"", kAcme, "unrecognized name"},
    };

    for (const auto& each : strangers) {
        CAPTURE(each.name);
        CAPTURE(each.protocols);
        const Shaken shaken = shake(port, each.name, each.protocols);
        CHECK(shaken.is_connected);
        CHECK_FALSE(shaken.certificate);
        CHECK_MESSAGE(contains(shaken.alert, each.alert), shaken.alert);
    }
    CHECK_FALSE(shake(port, "a.example", kAcme, TLS1_1_VERSION).certificate);

    REQUIRE(solver->clean_up(task("a.example", "one")));
    REQUIRE(solver->clean_up(task("a.example", "one")));
    CHECK_FALSE(shake(port, "a.example", kAcme).certificate);
    REQUIRE(solver->clean_up(task("127.0.0.1", "two")));
    CHECK_FALSE(shake(port, "1.0.0.127.in-addr.arpa", kAcme).is_connected);
    REQUIRE(solver->present(task("a.example", "again")));  // the port can be had again at once
    CHECK(shake(port, "a.example", kAcme).certificate);
}

TEST_CASE("tls-alpn-01: of two orders for one name the newer is shown, then the older again") {
    base::SystemClock clock;
    const int port = tests::free_port();
    const auto solver = acme::make_tls_alpn_solver("127.0.0.1:" + std::to_string(port), clock);
    REQUIRE(solver->present(task("a.example", "old")));
    REQUIRE(solver->present(task("a.example", "new")));
    const auto shown = [&] {
        return acme_extension(shake(port, "a.example", kAcme).certificate.value()).value;
    };
    CHECK(base::hex(shown()) == "0420" + base::sha256_hex("new.thumb"));
    REQUIRE(solver->clean_up(task("a.example", "new")));
    CHECK(base::hex(shown()) == "0420" + base::sha256_hex("old.thumb"));
}

TEST_CASE("tls-alpn-01: two orders for one name are shown one after the other, however they overlap") {
    base::SystemClock clock;
    const int port = tests::free_port();
    const auto solver = acme::make_tls_alpn_solver("127.0.0.1:" + std::to_string(port), clock);
    const auto shown = [&](const std::string& name) {
        return base::hex(acme_extension(shake(port, name, kAcme).certificate.value()).value);
    };
    const std::vector<acme::ChallengeTask> first{task("a.example", "one"), task("b.example", "two")};
    const std::vector<acme::ChallengeTask> second{task("b.example", "three"), task("a.example", "four")};
    for (const auto& each : first) REQUIRE(solver->present(each));
    REQUIRE(solver->wait_until_seen(first));
    for (const auto& each : second) REQUIRE(solver->present(each));
    CHECK(shown("a.example") == "0420" + base::sha256_hex("one.thumb"));
    CHECK(shown("b.example") == "0420" + base::sha256_hex("two.thumb"));

    std::atomic<bool> is_seen = false;
    std::thread waiting([&] {
        (void)solver->wait_until_seen(second);
        is_seen = true;
    });
    REQUIRE(solver->clean_up(first[0]));
    // Half is none: the other name is still shown for the first order.
    CHECK(shown("b.example") == "0420" + base::sha256_hex("two.thumb"));
    CHECK_FALSE(is_seen);
    REQUIRE(solver->clean_up(first[1]));
    waiting.join();
    CHECK(shown("a.example") == "0420" + base::sha256_hex("four.thumb"));
    CHECK(shown("b.example") == "0420" + base::sha256_hex("three.thumb"));
}

TEST_CASE("tls-alpn-01: a turn that never comes is not waited for without end") {
    fakes::Clock clock;
    const auto solver = acme::make_tls_alpn_solver("127.0.0.1:" + std::to_string(tests::free_port()), clock);
    const std::vector<acme::ChallengeTask> first{task("a.example", "one")};
    const std::vector<acme::ChallengeTask> second{task("a.example", "two")};
    REQUIRE(solver->present(first[0]));
    REQUIRE(solver->wait_until_seen(first));
    CHECK(clock.slept().empty());
    REQUIRE(solver->present(second[0]));
    REQUIRE(solver->wait_until_seen(second));
    CHECK(clock.passed() == 660s);
}

TEST_CASE("tls-alpn-01: silent and talkative strangers do not keep a CA out") {
    base::SystemClock clock;
    const int port = tests::free_port();
    const auto solver = acme::make_tls_alpn_solver("127.0.0.1:" + std::to_string(port), clock);
    REQUIRE(solver->present(task("a.example")));
    std::vector<base::Descriptor> silent;
    for (int i = 0; i < 260; ++i) silent.push_back(connect_to(port));
    const std::string noise = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
    CHECK(::send(silent.back().number(), noise.data(), noise.size(), MSG_NOSIGNAL) > 0);
    CHECK(shake(port, "a.example", kAcme).certificate);
    // The oldest lost its place to the newer ones; it is told by the end of its connection.
    std::array<char, 1> byte{};
    CHECK(::recv(silent.front().number(), byte.data(), byte.size(), 0) <= 0);
}

TEST_CASE("tls-alpn-01: shared by many certificates at once") {
    base::SystemClock clock;
    const int port = tests::free_port();
    const auto solver = acme::make_tls_alpn_solver("127.0.0.1:" + std::to_string(port), clock);
    std::atomic<int> right = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&, i] {
            const std::string name = "n" + std::to_string(i) + ".example";
            for (int round = 0; round < 5; ++round) {
                if (!solver->present(task(name))) continue;
                const Shaken shaken = shake(port, name, kAcme);
                if (shaken.certificate && shaken.certificate->names().front().value == name) ++right;
                (void)solver->clean_up(task(name));
            }
        });
    }
    for (std::thread& each : threads) each.join();
    CHECK(right == 20);
    CHECK_FALSE(shake(port, "n0.example", kAcme).is_connected);
}

TEST_CASE("tls-alpn-01: what cannot be presented is said, with what to do") {
    base::SystemClock clock;
    const tests::TakenPort taken;
    const auto busy = acme::make_tls_alpn_solver("127.0.0.1:" + std::to_string(taken.port), clock);
    const auto presented = busy->present(task("a.example"));
    CHECK(code_of(presented) == "solver/port-busy");
    CHECK(contains(presented.error().hint, "dns-01"));
    const auto wildcard = busy->present(task("*.a.example"));
    CHECK(code_of(wildcard) == "solver/present");
    CHECK(contains(message_of(wildcard), "wildcard"));
    CHECK(code_of(acme::make_tls_alpn_solver("443", clock)->present(task("a.example"))) ==
          "config/wrong-value");
}
