// SPDX-License-Identifier: Apache-2.0
// Ordering with a request of the user's own: it is sent byte for byte, and the chain is proven against its
// key.
#include <ostream>

#include <doctest/doctest.h>

#include "base/encoding.hpp"
#include "tests/unit/acme/fakes.hpp"
#include "tests/unit/base/requests.hpp"

using fakes::code_of;
using fakes::message_of;
using fakes::World;

namespace {

base::Request request_for(const base::PrivateKey& key, const std::string& names) {
    return base::parse_request(tests::request_pem(key.handle(), {.names = names})).value();
}

}  // namespace

TEST_CASE("own request: sent as it is, and the chain is for its key") {
    World world({"a.example", "b.example"});
    const auto key = base::PrivateKey::generate(base::KeyType::EcdsaP256).value();
    const base::Request request = request_for(key, "DNS:a.example,DNS:b.example");
    world.request.key = request;
    const auto issued = world.issue();
    CAPTURE(message_of(issued));
    REQUIRE(issued);
    CHECK(issued->chain.front().public_key_der() == key.public_key_der());
    CHECK(world.ca.payload("/finalize/1") == R"({"csr":")" + base::base64url(request.der) + R"("})");
}

TEST_CASE("own request: a certificate for another key is not taken") {
    World world({"a.example"});
    const auto key = base::PrivateKey::generate(base::KeyType::EcdsaP256).value();
    base::Request request = request_for(key, "DNS:a.example");
    request.public_key_der = base::PrivateKey::generate(base::KeyType::EcdsaP256).value().public_key_der();
    world.request.key = request;
    CHECK(code_of(world.issue()) == "ca/wrong-certificate");
}

TEST_CASE("own request: the account's key in a certificate is refused before anything is ordered") {
    World world({"a.example"});
    SUBCASE("in a request") {
        world.request.key = request_for(world.account.key, "DNS:a.example");
    }
    SUBCASE("as a key of ours") {
        world.request.key = world.account.key;
    }
    const auto issued = world.issue();
    CHECK(code_of(issued) == "config/conflict");
    CHECK(message_of(issued).find("is the key of the account at CA fake") != std::string::npos);
    CHECK(world.ca.log().empty());
}
