// SPDX-License-Identifier: Apache-2.0
// What the transport is tried against: a real nginx under a CA of the test's own.
#pragma once

#include <fstream>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "base/http.hpp"
#include "tests/unit/base/http_peers.hpp"
#include "tests/unit/base/test_ca.hpp"

namespace tests {

inline constexpr std::string_view kServer = R"(
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

    [[nodiscard]] base::HttpRequest request(const std::string& path) const {
        return {.url = nginx.url(path), .trust = {.roots_file = roots}};
    }

    test_ca::Authority root = test_ca::make_root("Test Root");
    base::PrivateKey key = base::PrivateKey::generate(base::KeyType::EcdsaP256).value();
    base::Certificate certificate;
    tests::TemporaryDirectory directory;
    std::string roots = directory / "roots.pem";
    Nginx nginx;
};

inline base::HttpRequest plain(const std::string& url) {
    return {.url = url, .trust = {.https_only = false}};
}

inline void check_error(const base::Result<base::HttpResponse>& response, std::string_view code,
                        std::string_view says) {
    REQUIRE_FALSE(response.has_value());
    CHECK(to_string(response.error().code) == code);
    CAPTURE(response.error().message);
    CHECK(response.error().message.find(says) != std::string::npos);
}

}  // namespace tests
