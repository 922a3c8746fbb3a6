// SPDX-License-Identifier: Apache-2.0
// What is read from a certificate, and what is no chain: both come from strangers.
#include "base/certificate.hpp"

#include <ostream>

#include <doctest/doctest.h>

#include "base/encoding.hpp"
#include "base/openssl.hpp"
#include "tests/unit/base/key_fixtures.hpp"
#include "tests/unit/base/test_ca.hpp"

using base::Certificate;
using base::Chain;
using base::Identifier;
using base::Instant;
using base::KeyType;
using base::PrivateKey;
using base::Seconds;
using test_ca::Authority;

namespace {

const Instant kFrom{Seconds(1'800'000'000)};   // 2027-01-15T08:00:00Z
const Instant kUntil{Seconds(1'807'776'000)};  // 90 days later

std::vector<Identifier> names_of(const std::vector<std::string_view>& texts) {
    std::vector<Identifier> names;
    names.reserve(texts.size());
    for (const std::string_view text : texts) names.push_back(base::parse_identifier(text).value());
    return names;
}

PrivateKey make_key() {
    return PrivateKey::generate(KeyType::EcdsaP256).value();
}

}  // namespace

TEST_CASE("certificate: says what it holds") {
    const Authority root = test_ca::make_root("Test Root \xc3\x84");
    const PrivateKey key = make_key();
    const auto names = names_of({"example.com", "*.example.com", "192.0.2.10", "2001:db8::1"});
    const Certificate leaf = test_ca::issue(
        root, {.public_key = key.handle(), .names = names, .not_before = kFrom, .not_after = kUntil});

    CHECK(leaf.not_before() == kFrom);
    CHECK(leaf.not_after() == kUntil);
    CHECK(leaf.names() == names_of({"*.example.com", "example.com", "192.0.2.10", "2001:db8::1"}));
    CHECK(leaf.issuer() == "CN=Test Root \xc3\x84");
    CHECK(leaf.subject() == "");
    CHECK(leaf.public_key_der() == key.public_key_der());
    CHECK(leaf.sha256() == base::sha256_hex(leaf.der()));
    CHECK(leaf.serial().size() == 32);  // the test CA's serials have 127 bits
    CHECK(leaf.is_signed_by(root.certificate));
    CHECK_FALSE(leaf.is_self_signed());
    CHECK(root.certificate.is_self_signed());

    const auto reread = Certificate::parse_der(leaf.der());
    REQUIRE(reread.has_value());
    CHECK(reread->pem() == leaf.pem());
}

TEST_CASE("certificate: names that are none of ours are left out, and never taken for another kind") {
    const Authority root = test_ca::make_root("Test Root");
    const PrivateKey key = make_key();
    const Certificate leaf = test_ca::issue(
        root, {.public_key = key.handle(),
               .names = names_of({"b.example", "a.example"}),
               .extra_names = "email:a@example.com,URI:https://a.example,DNS:a_b.example,DNS:192.0.2.1,"
                              "DNS:A.EXAMPLE,DNS:a.example"});
    CHECK(leaf.names() == names_of({"a.example", "b.example"}));
    CHECK(test_ca::issue(root, {.public_key = key.handle()}).names().empty());
}

TEST_CASE("certificate: another CA of the same name did not sign it") {
    const Authority root = test_ca::make_root("Test Root");
    const Authority impostor = test_ca::make_root("Test Root");
    const PrivateKey key = make_key();
    const Certificate leaf =
        test_ca::issue(root, {.public_key = key.handle(), .names = names_of({"a.example"})});
    CHECK_FALSE(leaf.is_signed_by(impostor.certificate));
    CHECK_FALSE(root.certificate.is_signed_by(leaf));
}

TEST_CASE("certificate: DER is read to its last byte") {
    const Certificate certificate =
        base::self_sign(make_key(), names_of({"a.example"}), kFrom, kUntil).value();
    const std::string der = certificate.der();

    struct Case {
        std::string_view name;
        std::string der;
        std::string_view says;
    };

    for (const Case& c : std::vector<Case>{
             {"nothing", "", "no certificate"},
             {"text", "hello", "no certificate"},
             {"cut off", der.substr(0, der.size() - 1), "no certificate"},
             {"more behind it", der + "x", "bytes behind"},
             {"too long", der + std::string(70'000, 'x'), "longer than 64 KiB"},
         }) {
        CAPTURE(c.name);
        const auto got = Certificate::parse_der(c.der);
        REQUIRE_FALSE(got.has_value());
        CHECK(to_string(got.error().code) == "crypto/invalid");
        CAPTURE(got.error().message);
        CHECK(got.error().message.find(c.says) != std::string::npos);
    }
    CHECK(Certificate::parse_der(der).has_value());
}

TEST_CASE("certificate: a validity that is no time is refused") {
    std::string der = base::self_sign(make_key(), names_of({"a.example"}), kFrom, kUntil).value().der();
    const std::size_t at = der.find("270115080000Z");
    REQUIRE(at != std::string::npos);
    der.replace(at, 4, "2799");  // month 99
    const auto got = Certificate::parse_der(der);
    REQUIRE_FALSE(got.has_value());
    CHECK(got.error().message.find("validity") != std::string::npos);
}

TEST_CASE("chain: one to ten certificates, and nothing else") {
    const Authority root = test_ca::make_root("Test Root");
    const PrivateKey key = make_key();
    const Certificate leaf =
        test_ca::issue(root, {.public_key = key.handle(), .names = names_of({"a.example"})});
    const std::string one = leaf.pem();
    const std::string two = base::to_pem({leaf, root.certificate});
    std::string ten;
    for (int i = 0; i < 10; ++i) ten += one;
    std::string crlf;
    for (const char character : two) {
        if (character == '\n') crlf += '\r';
        crlf += character;
    }

    SUBCASE("good") {
        CHECK(base::parse_chain(one).value().size() == 1);
        CHECK(base::parse_chain(ten).value().size() == 10);
        CHECK(base::parse_chain("\n\n" + one + "\n \t\n" + one + "\n\n").value().size() == 2);
        CHECK(base::parse_chain(one.substr(0, one.size() - 1)).value().size() == 1);
        CHECK(base::to_pem(base::parse_chain(crlf).value()) == two);
        CHECK(base::parse_chain(two).value().at(1).sha256() == root.certificate.sha256());
    }
    SUBCASE("bad") {
        struct Case {
            std::string_view name;
            std::string pem;
            std::string_view says;
        };

        const std::string key_pem(key_fixtures::kP256);
        std::string renamed = one;
        renamed.replace(renamed.find("BEGIN CERTIFICATE"), 17, "BEGIN X509 CRL");
        renamed.replace(renamed.find("END CERTIFICATE"), 15, "END X509 CRL");
        std::string altered = one;
        altered[100] = altered[100] == '*' ? '!' : '*';
        std::string proc_type = one;
        proc_type.insert(proc_type.find('\n') + 1, "Proc-Type: 4,ENCRYPTED\n\n");
        for (const Case& c : std::vector<Case>{
                 {"nothing", "", "no certificate"},
                 {"blank", " \n\n", "no certificate"},
                 {"a web page", "<html>503</html>",
                  "other than certificates in the chain: \"<html>503</html>\""},
                 {"text in front", "subject=CN = a\n" + one, "\"subject=CN = a\""},
                 {"text between", std::string(one).append("issuer\n").append(one), "\"issuer\""},
                 {"text behind", one + "\x1b[2J", "\"?[2J\""},
                 {"a private key", one + key_pem, "block 2 of the chain: it is a private key"},
                 {"a private key alone", key_pem, "block 1 of the chain: it is a private key"},
                 {"another kind of block", renamed, "of the kind X509 CRL"},
                 {"cut off", one.substr(0, 200), "was cut off"},
                 {"cut off in the second", one + one.substr(0, 200), "was cut off"},
                 {"cut off in the first line", one.substr(0, 15), "no complete first line"},
                 {"a begin in a body", one.substr(0, 200) + "\n" + one, "not base64"},
                 {"no base64", altered, "not base64"},
                 {"PEM headers", proc_type, "not base64"},
                 {"no DER", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                  "no certificate"},
                 {"padding in the middle",
                  "-----BEGIN CERTIFICATE-----\nAA==AAAA\n-----END CERTIFICATE-----\n", "not base64"},
                 {"eleven", ten + one, "more than 10"},
                 {"too long", std::string(70'000, '\n') + one, "longer than 64 KiB"},
             }) {
            CAPTURE(c.name);
            const auto chain = base::parse_chain(c.pem);
            REQUIRE_FALSE(chain.has_value());
            CHECK(to_string(chain.error().code) == "crypto/invalid");
            CAPTURE(chain.error().message);
            CHECK(chain.error().message.find(c.says) != std::string::npos);
        }
    }
}

TEST_CASE("request: holds the names and nothing else, signed by its key") {
    for (const KeyType type : {KeyType::EcdsaP256, KeyType::EcdsaP384, KeyType::Rsa2048}) {
        const PrivateKey key = PrivateKey::generate(type).value();
        const auto names = names_of({"example.com", "*.example.com", "192.0.2.10", "::1"});
        const auto der = base::make_request(key, names);
        REQUIRE(der.has_value());
        const auto* in = reinterpret_cast<const unsigned char*>(der->data());
        const base::RequestPtr request(d2i_X509_REQ(nullptr, &in, static_cast<long>(der->size())));
        REQUIRE(request);
        CHECK(X509_REQ_verify(request.get(), key.handle()) == 1);
        CHECK(X509_NAME_entry_count(X509_REQ_get_subject_name(request.get())) == 0);
        CHECK(X509_REQ_get_attr_count(request.get()) == 1);
        const base::ExtensionsPtr extensions(X509_REQ_get_extensions(request.get()));
        REQUIRE(sk_X509_EXTENSION_num(extensions.get()) == 1);
        X509_EXTENSION* extension = sk_X509_EXTENSION_value(extensions.get(), 0);
        CHECK(OBJ_obj2nid(X509_EXTENSION_get_object(extension)) == NID_subject_alt_name);
        const base::GeneralNamesPtr all(static_cast<GENERAL_NAMES*>(X509V3_EXT_d2i(extension)));
        CHECK(sk_GENERAL_NAME_num(all.get()) == 4);
    }
    CHECK_FALSE(base::make_request(make_key(), {}).has_value());
}

TEST_CASE("request: a name cannot smuggle in another one") {
    // parse_identifier lets no comma through; should one come anyway, it stays within its name.
    const std::vector<Identifier> hostile{
        {.type = base::IdentifierType::Dns, .value = "a.example,DNS:evil.example"}};
    const auto certificate = base::self_sign(make_key(), hostile, kFrom, kUntil);
    REQUIRE(certificate.has_value());
    CHECK(certificate->names().empty());
}

TEST_CASE("self-signed: is a pair with its key, and no CA") {
    const PrivateKey key = make_key();
    const std::string long_name = std::string(60, 'a') + ".example.com";
    const auto names = names_of({long_name, "192.0.2.1"});
    const auto certificate = base::self_sign(key, names, kFrom, kUntil);
    REQUIRE(certificate.has_value());
    CHECK(certificate->is_self_signed());
    CHECK(certificate->names() == names);
    CHECK(certificate->subject() == "CN=renewd placeholder");
    CHECK(base::prove_pair({*certificate}, key.public_key_der(), names, kFrom, base::Code::CryptoInvalid)
              .has_value());
    CHECK_FALSE(base::self_sign(key, {}, kFrom, kUntil).has_value());
    CHECK(base::self_sign(key, names_of({"a.example"}), kFrom, kUntil).value().subject() == "CN=a.example");
}
