// SPDX-License-Identifier: Apache-2.0
// Requests of the user's own: what is taken from a good one, and what is wrong with the others.
#include "base/request.hpp"

#include <ostream>

#include <doctest/doctest.h>

#include "base/certificate.hpp"
#include "base/encoding.hpp"
#include "tests/unit/base/key_fixtures.hpp"
#include "tests/unit/base/requests.hpp"

using base::KeyType;
using base::PrivateKey;
using tests::request_pem;
using tests::RequestWords;

namespace {

std::string message_of(const base::Result<base::Request>& result) {
    if (result) return "";
    CHECK(base::to_string(result.error().code) == "crypto/invalid");
    return result.error().message;
}

const PrivateKey& key() {
    static const PrivateKey made = PrivateKey::generate(KeyType::EcdsaP256).value();
    return made;
}

std::string good() {
    static const std::string made =
        request_pem(key().handle(), {.names = "DNS:WWW.example.com,DNS:*.example.com,DNS:www.example.com,"
                                              "IP:192.0.2.1,IP:2001:db8::1"});
    return made;
}

}  // namespace

TEST_CASE("request: names in their order and each once, the key, and the bytes as they were") {
    const auto request = base::parse_request(good());
    REQUIRE(request);
    std::string names;
    for (const base::Identifier& name : request->names) names += name.value + " ";
    CHECK(names == "www.example.com *.example.com 192.0.2.1 2001:db8::1 ");
    CHECK(request->key_type == "ecdsa-p256");
    CHECK(request->public_key_der == key().public_key_der());
    CHECK(request->key_sha256() == base::sha256_hex(key().public_key_der()));
    // DER, and PEM with the words of `openssl req -text` before it, are the same request.
    CHECK(base::parse_request(request->der) == request);
    CHECK(base::parse_request("Certificate Request:\n    Data:\n" + good()) == request);
    std::string old_label = good();
    for (std::size_t at = 0; (at = old_label.find("CERTIFICATE REQ", at)) != std::string::npos; at += 8)
        old_label.insert(at, "NEW ");
    CHECK(base::parse_request(old_label) == request);
    // What we make ourselves is no worse.
    const auto ours = base::make_request(key(), request->names);
    REQUIRE(ours);
    REQUIRE(base::parse_request(*ours));
    CHECK(base::parse_request(*ours)->der == *ours);
    CHECK(base::parse_request(*ours)->key_sha256() == request->key_sha256());
}

TEST_CASE("request: what kind of key it has") {
    struct Case {
        std::string_view type;
        base::PkeyPtr key;
    };

    const auto cases = [] {
        std::vector<Case> all;
        all.push_back({"ecdsa-p384", base::PkeyPtr(EVP_EC_gen("P-384"))});
        all.push_back({"ecdsa-secp521r1", base::PkeyPtr(EVP_EC_gen("P-521"))});
        all.push_back({"rsa-2048", base::PkeyPtr(EVP_RSA_gen(2048U))});
        all.push_back({"rsa-2304", base::PkeyPtr(EVP_RSA_gen(2304U))});
        return all;
    }();
    for (const Case& c : cases) {
        CAPTURE(c.type);
        const auto request = base::parse_request(request_pem(c.key.get(), {.names = "DNS:a.example"}));
        REQUIRE(request);
        CHECK(request->key_type == c.type);
    }
    const base::PkeyPtr edwards(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
    const auto request =
        base::parse_request(request_pem(edwards.get(), {.names = "DNS:a.example", .digest = nullptr}));
    REQUIRE(request);
    CHECK(request->key_type == "ed25519");
}

TEST_CASE("request: what is wrong with it is told") {
    const base::PkeyPtr weak(EVP_RSA_gen(1024U));
    const base::PkeyPtr weak_curve(EVP_EC_gen("prime192v1"));
    const base::PkeyPtr other(EVP_EC_gen("P-256"));
    const auto words = [](const RequestWords& said) { return request_pem(key().handle(), said); };
    const std::string der = base::parse_request(good())->der;
    std::string damaged = der;
    damaged[damaged.find("*.example.com") + 2] ^= 1;

    struct Case {
        std::string_view name;
        std::string text;
        std::string_view message;
    };

    for (const Case& c : {
             Case{"nothing", "", "it is no certificate request"},
             Case{"garbage", "hello\n", "it is no certificate request"},
             Case{"too long", good() + std::string(65536, '\n'), "longer than 64 KiB"},
             Case{"a certificate", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
                  "no whole CERTIFICATE REQUEST block"},
             Case{"cut off", good().substr(0, good().size() / 2), "no whole CERTIFICATE REQUEST block"},
             Case{"cut off, as DER", der.substr(0, der.size() - 1), "it is no certificate request"},
             Case{"bytes behind it", der + "x", "there are bytes behind the request"},
             Case{"its key beside it", good() + std::string(key_fixtures::kP256), "there is a private key"},
             Case{"damaged", damaged, "its signature is not that of its own key"},
             Case{"signed with another key", words({.names = "DNS:a.example", .signer = other.get()}),
                  "its signature is not that of its own key"},
             Case{"signed with SHA-1", words({.names = "DNS:a.example", .digest = EVP_sha1()}),
                  "it is signed with SHA1"},
             Case{"RSA of 1024 bits", request_pem(weak.get(), {.names = "DNS:a.example"}),
                  "an RSA key of 1024 bits"},
             Case{"a short curve", request_pem(weak_curve.get(), {.names = "DNS:a.example"}), "is too weak"},
             Case{"no names", words({}), "no subject alternative names"},
             Case{"a common name only", words({.common_name = "a.example"}), "no subject alternative names"},
             Case{"another common name", words({.names = "DNS:a.example", .common_name = "b.example"}),
                  "its common name \"b.example\" is not among its alternative names"},
             Case{"a common name that is none", words({.names = "DNS:a.example", .common_name = "Our box 7"}),
                  "its common name \"Our box 7\" is not among"},
             Case{"an address for people", words({.names = "DNS:a.example,email:a@a.example"}),
                  "neither a DNS name nor an IP address"},
             Case{"no DNS name", words({.names = "DNS:a_b"}), "its alternative name \"a_b\" is no DNS name"},
             Case{"an address as a DNS name", words({.names = "DNS:192.0.2.1"}), "is no DNS name"},
         }) {
        CAPTURE(c.name);
        const std::string message = message_of(base::parse_request(c.text));
        CAPTURE(message);
        CHECK(message.find(c.message) != std::string::npos);
    }
    CHECK(base::parse_request(words({.names = "DNS:a.example", .common_name = "A.example"})));
}
