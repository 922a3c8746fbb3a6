// SPDX-License-Identifier: Apache-2.0
// Signed requests against what other tools make of the same key: base64url, `openssl dgst -sha256 -sign
// key.pem`, and `openssl rsa -noout -modulus` for the JWK. The key signs nothing but these lines.
#include "acme/jws.hpp"

#include <ostream>
#include <string>
#include <string_view>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "base/encoding.hpp"
#include "tests/unit/acme/fakes.hpp"

namespace {

constexpr const char* kKey = R"(-----BEGIN PRIVATE KEY-----
MIIEvwIBADANBgkqhkiG9w0BAQEFAASCBKkwggSlAgEAAoIBAQC6faVnp6Alv6UK
PatusbeeE/jPJNG4v/suK58Hz7SqX7DwO64VujrpbHQvkcd9bNuMHP2UBkgNr4iI
tYgD1iorS0z5RRl432P8TR3LY6nJ+8LA3y8K/hCq81et0I0bYQ3lWeuUsIei0C3f
PoX6gHE18FX0FVM3HHn0cBL2nUp66XtNAaNrvfoZjKywB/KtY8XqGdANN0yMda/c
0mB44kfxiVaAAPQulVHeNGJDdNlDJQKS99DRBdKAe+dctXw1ckiwbo4+GGl9Cn4t
RcOO/Y9lBdWYRr+gZQ4V6lA4aFP0SEE/ZJPc3A2p4xhV4ceT/pNQQ9hFEjOCFofE
qppLswDjAgMBAAECggEAA5bXesnnHdLfwkqy5KEsVNvdi18SCj7nqVkoPmY+UT52
O/6/YvuqlpjXw51H/En+umZJxceOgMpCvnQqof2ajNVuLdNT94I/0mNJki3g3q+n
F+neZept4lxnRkPKnh7yvYSgMW8UV+CEgX9v5K+u03LvXzs/LBhdiy7SWUdoX4/b
vEA77I76LitwDizFwh1Ce7IXdvhZgRl8AldkT6iqIk8pq359PuHr8lnrzGXof+mU
aVvVwhFCXsSCGH0LSXsBaN49ELq06+rRif9JgKDc+TpMzhOuZW9JZa82d+aECFYW
02rPaumpObAqsJ1OY/y2IF5QueNfzh8KlZB/B/RnwQKBgQDkyxTNpjhtwkkhEWg2
IlkjHfhvVHrT+9dvkNKJGTKSWNR//gj1aDz2ViZ1xyHVL2yVHCGRPufYwJGb7CSj
PoYKIxhiJy0r7o+ol1FFbgI5zWg/zP/EbUbMdBZ5OBqDM3U6DliHs20luO+n+VkY
iWzf0bVADgS6lPRNSlti6S9UjQKBgQDQqss+VoXN3fis2S3Sawmz7Dd3x2MShS/i
+IBiqV2ezXu+J405OCvxqpWbGgQV1q5ZYjhjt6lApRTgWGKeRTS5Kl0WG9YRdI3A
lT8DSaKEy7iBJqVURogIVe6ZezuyrXNmrtIaJ5czCHt7BwVeItYCBgtlTGkjG+nM
Nx0INOUnLwKBgQCAhfBOwdQrHBvWfp/K4SqvhnN7nrpNAMj5vCH4r/XvrgTZTYwc
x4yPWL/MI6vGxRg6/w2AORUmdq6VJ2dBaKsFYMeew6Elb6K1syMNXInVjKTGSlNX
NYey7Hd/atvB3hM5JLvopwtmSGggNPsuxGwrovMtY3KWmXxPOrjxbEqRNQKBgQDE
/qkX9fkmTIuLKxFuWCz11mjbRLpMbr6xqWcTPc+rr1RGRfK2dUhPQ3svzVTUBTPe
ILMZuPcpl2/pCKg5wR4wPUVaLPdgzUdR69RsVyT995H9I63rrRaZv/6cmVHXspaC
90JU/NFqlXR1xkAUChE+IdS6UnPjeGO1rsZSzBUWcwKBgQCCzH90DpdY+Q3F9jXk
EwxTgiqwihlUENO9tgwMt8eE+0QTKcHZCNcTBozCbs54zXE4F2Qjc27hEpFhwa8n
qoGk3PybyMIwKgdVMlrMGYUdpcI2odRbX/iSTeif9iEKZFji0wlvHSa7pb3LICi3
4T5xnpjPJys1N5rBt0pi7eQtjg==
-----END PRIVATE KEY-----
)";

// {"alg":"RS256","jwk":{…},"nonce":"oFvnlFP1wIhRlYS2jTaXbA","url":"https://ca.test/acct"}
constexpr std::string_view kWithJwk =
    R"({"payload":"eyJ0ZXJtc09mU2VydmljZUFncmVlZCI6dHJ1ZX0","protected":"eyJhbGciOiJSUzI1NiIsImp3ayI6e)"
    R"(yJlIjoiQVFBQiIsImt0eSI6IlJTQSIsIm4iOiJ1bjJsWjZlZ0piLWxDajJyYnJHM25oUDR6eVRSdUxfN0xpdWZCOC0wcWwt)"
    R"(dzhEdXVGYm82Nld4MEw1SEhmV3piakJ6OWxBWklEYS1JaUxXSUE5WXFLMHRNLVVVWmVOOWpfRTBkeTJPcHlmdkN3Tjh2Q3Y)"
    R"(0UXF2TlhyZENORzJFTjVWbnJsTENIb3RBdDN6NkYtb0J4TmZCVjlCVlROeHg1OUhBUzlwMUtldWw3VFFHamE3MzZHWXlzc0)"
    R"(FmeXJXUEY2aG5RRFRkTWpIV3YzTkpnZU9KSDhZbFdnQUQwTHBWUjNqUmlRM1RaUXlVQ2t2ZlEwUVhTZ0h2blhMVjhOWEpJc)"
    R"(0c2T1BoaHBmUXAtTFVYRGp2MlBaUVhWbUVhX29HVU9GZXBRT0doVDlFaEJQMlNUM053TnFlTVlWZUhIa182VFVFUFlSUkl6)"
    R"(Z2hhSHhLcWFTN01BNHcifSwibm9uY2UiOiJvRnZubEZQMXdJaFJsWVMyalRhWGJBIiwidXJsIjoiaHR0cHM6Ly9jYS50ZXN)"
    R"(0L2FjY3QifQ","signature":"q7vSfqY2Ndp6TDepk-5wG13yFq0LSB9Y3XBqSFw6x56iRBdqOQN1YCueTLK6CFij9dhZT)"
    R"(X9hhjeO7adN0nEcetpcVUFZc9flwD3fSV87BmIdwHB0NYpvkr2wWWwN_pnWmz2ann1j7k3BlwW7fS2GVqJNGwgW3eX4-fTd)"
    R"(ld_UY61d0w8rGm8EibcMAKYVfkp8mjlCEkm4DOHikoYgaWtxWn2745MJR-twzIIvLPmkznJ0XMFREIrJ1nntV35snyvcn-e)"
    R"(7HJI-oSqXQ3y92IhM6MhQ6I5jM3EETrxy4BtyIabGY18LhJ5B5g64DNZm_4Q2Jpf1yeHAijkQu6J5XhOe5Q"})";

// {"alg":"RS256","kid":"https://ca.test/acct/1","nonce":"oFvnlFP1wIhRlYS2jTaXbA","url":"https://ca.test/order/1"}
constexpr std::string_view kWithKid =
    R"({"payload":"","protected":"eyJhbGciOiJSUzI1NiIsImtpZCI6Imh0dHBzOi8vY2EudGVzdC9hY2N0LzEiLCJub25j)"
    R"(ZSI6Im9Gdm5sRlAxd0loUmxZUzJqVGFYYkEiLCJ1cmwiOiJodHRwczovL2NhLnRlc3Qvb3JkZXIvMSJ9","signature":")"
    R"(K7ccALNiGJZpbYLHiLn7HD1fbAs1PExZ6EdWnnxwQDJQSlytf08DUdYfxEfoH2KKoxWT8ybScGCRNPxSDWD6-iGQLibdJ7u)"
    R"(XsKRQIVQ8QKIr-U_1shWBrKPY0w4bJcA3bMARxRaksiQ7Pw12_2ty7ERF_qlOyUBeNZOG9HPdbUdebnhUhTy13NTu-bOGht)"
    R"(q7QNqgT1Cqn563cYUohTYIGSxfAROFUluAAkeZiushcH40P1VCvouNoFaxvG8by8D8G6ugtDIK4gWR1LwyaGmR3Ik28NGIX)"
    R"(_gqUgcnGjdrqBvf24E5OywXMMO6q65fiHwLggDITtInuQA1TBOzuB763g"})";

base::PrivateKey golden_key() {
    return base::PrivateKey::parse(base::Secret(kKey)).value();
}

}  // namespace

TEST_CASE("jws: byte for byte what openssl signs") {
    const base::PrivateKey key = golden_key();
    CHECK(acme::sign(key, {.url = "https://ca.test/acct",
                           .nonce = "oFvnlFP1wIhRlYS2jTaXbA",
                           .payload = R"({"termsOfServiceAgreed":true})"}) == std::string(kWithJwk));
    CHECK(acme::sign(key, {.url = "https://ca.test/order/1",
                           .nonce = "oFvnlFP1wIhRlYS2jTaXbA",
                           .kid = "https://ca.test/acct/1"}) == std::string(kWithKid));
}

TEST_CASE("jws: thumbprint and key authorization (RFC 7638, RFC 8555 §8.1)") {
    const base::PrivateKey key = golden_key();
    CHECK(acme::thumbprint(key) == "3OMRA7bvkLA7cxSQG3LEz7FNVHFvwA7LhYGvehrT8Vg");
    CHECK(acme::key_authorization("tok-en_1", key) == "tok-en_1.3OMRA7bvkLA7cxSQG3LEz7FNVHFvwA7LhYGvehrT8Vg");
}

TEST_CASE("jws: an ECDSA signature has fixed width, and the header names the algorithm") {
    for (const auto& [type, algorithm, bytes] : {std::tuple(base::KeyType::EcdsaP256, "ES256", 64U),
                                                 std::tuple(base::KeyType::EcdsaP384, "ES384", 96U)}) {
        const base::PrivateKey key = base::PrivateKey::generate(type).value();
        const auto jws = nlohmann::json::parse(
            acme::sign(key, {.url = "https://ca.test/x", .nonce = "n", .kid = "https://ca.test/a/1"})
                .value());
        CHECK(base::parse_base64url(jws.at("signature").get<std::string>()).value().size() == bytes);
        const auto header =
            nlohmann::json::parse(base::parse_base64url(jws.at("protected").get<std::string>()).value());
        CHECK(header.at("alg") == algorithm);
        CHECK(jws.at("payload") == "");
    }
}

TEST_CASE("jws: with a key that both sides know, and without nonce (RFC 8555 §7.3.4)") {
    // printf %s PROTECTED.PAYLOAD | openssl dgst -sha256 -mac HMAC -macopt key:secret-key-of-the-customer
    // -binary
    const base::Secret key("secret-key-of-the-customer");
    const acme::SignedRequest request{
        .url = "https://ca.test/acct", .kid = "k1", .payload = R"({"kty":"EC"})"};
    CHECK(
        acme::sign_with_mac(key, acme::MacAlgorithm::Hs256, request) ==
        R"({"payload":"eyJrdHkiOiJFQyJ9","protected":"eyJhbGciOiJIUzI1NiIsImtpZCI6ImsxIiwidXJsIjoiaHR0cHM6L)"
        R"(y9jYS50ZXN0L2FjY3QifQ","signature":"XguoyAaCkX2v39b-TD3VJOX6Me_QZCQvqVyBn7ebg2E"})");
    CHECK(acme::sign_with_mac(key, acme::MacAlgorithm::Hs384, request)
              .find("Pv7dSFskI8rs-FJoA3ampyh8oJXhdpNLpKmLjcF6JXFJ7HKSINnPqZPobRXhBK4j") != std::string::npos);
    CHECK(
        acme::sign_with_mac(key, acme::MacAlgorithm::Hs512, request)
            .find("y8jt24P143oh0kFd-yQnF9RaYT_Qg5Fe06KgsJlambbIqEbCkQSSSKqOmw6R09NsIHWY5eJMmCGbv75HlREYtw") !=
        std::string::npos);
    for (const std::string_view name : {"HS256", "HS384", "HS512"})
        CHECK(acme::to_string(acme::parse_mac_algorithm(name).value()) == name);
    CHECK_FALSE(acme::parse_mac_algorithm("none"));
}
