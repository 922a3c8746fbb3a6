// SPDX-License-Identifier: Apache-2.0
#include "hooks/event.hpp"

#include <ostream>

#include <doctest/doctest.h>

TEST_CASE("event: the environment names what happened, and certbot's names only where certbot has them") {
    struct Case {
        std::string event;
        bool has_certbot_names;
    };

    for (const Case& c :
         {Case{"renewed", true}, Case{"served", true}, Case{"deployed", false}, Case{"failed", false}}) {
        CAPTURE(c.event);
        const auto environment = hooks::environment_of({.name = c.event,
                                                        .certificate = "example.com",
                                                        .names = {"example.com", "www.example.com"},
                                                        .generation = 7,
                                                        .directory = "/state/7",
                                                        .target = "web",
                                                        .error = "verify/stale"});
        CHECK(environment.at("RENEWD_EVENT") == c.event);
        CHECK(environment.at("RENEWD_NAMES") == "example.com www.example.com");
        CHECK(environment.at("RENEWD_GENERATION") == "7");
        CHECK(environment.at("RENEWD_DIRECTORY") == "/state/7");
        CHECK(environment.at("RENEWD_TARGET") == "web");
        CHECK(environment.at("RENEWD_ERROR") == "verify/stale");
        CHECK(environment.contains("RENEWED_LINEAGE") == c.has_certbot_names);
        CHECK(environment.contains("RENEWED_DOMAINS") == c.has_certbot_names);
    }
}

TEST_CASE("event: a value the kernel might refuse is left out") {
    hooks::Event event{.name = "renewed", .certificate = "big"};
    for (int i = 0; i < 4000; ++i) event.names.push_back("host-" + std::to_string(i) + ".example.com");
    const auto environment = hooks::environment_of(event);
    CHECK_FALSE(environment.contains("RENEWD_NAMES"));
    CHECK_FALSE(environment.contains("RENEWED_DOMAINS"));
    CHECK(environment.at("RENEWD_CERTIFICATE") == "big");
}
