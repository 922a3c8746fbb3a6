// SPDX-License-Identifier: Apache-2.0
// A certificate as configured and as remembered, to be bent by each test.
#pragma once

#include "agent/config/config.hpp"
#include "agent/memory/record.hpp"
#include "agent/plan/plan.hpp"

namespace fixtures {

using namespace std::chrono_literals;

inline constexpr base::Instant kNow{1795262400s};  // 2026-11-21T12:00:00Z

inline agent::TargetConfig target(const std::string& name) {
    agent::TargetConfig config{.name = name, .deployer = "nginx"};
    config.parameters.include = "/etc/nginx/renewd/" + name + ".conf";
    config.parameters.versions = "/etc/nginx/renewd/" + name + ".d";
    config.endpoints.push_back(
        {.text = "https://example.com", .host = "example.com", .port = 443, .sni = "example.com"});
    return config;
}

inline agent::CertificateConfig certificate(std::initializer_list<const char*> targets = {"web"}) {
    agent::CertificateConfig config{.name = "example.com",
                                    .names = {{.type = base::IdentifierType::Dns, .value = "example.com"}},
                                    .ca = {"letsencrypt"},
                                    .solver = "web"};
    for (const char* name : targets) config.targets.push_back(target(name));
    return config;
}

/// Generation `number`, issued `age` ago for `lifetime`.
inline agent::GenerationRecord generation(int number, base::Seconds age = 24h,
                                          base::Seconds lifetime = 90 * 24h) {
    return {.number = number,
            .ordered_for = agent::wanted_order(certificate(), "letsencrypt"),
            .sha256 = "leaf" + std::to_string(number),
            .serial = "0" + std::to_string(number),
            .not_before = kNow - age,
            .not_after = kNow - age + lifetime,
            .issued_at = kNow - age};
}

inline std::vector<deployers::EndpointVerdict> seen(deployers::Verdict verdict, const std::string& leaf) {
    return {
        {.endpoint = "https://example.com",
         .verdict = verdict,
         .addresses = {{.address = "192.0.2.7:443",
                        .verdict = verdict,
                        .sha256 = leaf,
                        .not_after = kNow + 24h * 30,
                        .error = verdict == deployers::Verdict::Serving ? "" : "serves something else"}}}};
}

/// Generation 3, installed and seen served on "web" five minutes ago.
inline agent::Record well() {
    agent::Record record{.name = "example.com", .first_seen = kNow - 24h * 90};
    record.generations = {generation(2, 24h * 60), generation(3)};
    record.targets = {{.name = "web",
                       .installed = 3,
                       .serving = 3,
                       .fingerprint = agent::fingerprint(target("web")),
                       .deployed_at = kNow - 24h,
                       .verified_at = kNow - 5min,
                       .endpoints = seen(deployers::Verdict::Serving, "leaf3")}};
    record.served_told = 3;
    return record;
}

inline agent::Failure failure(base::Code code, int count = 1, base::Seconds ago = 60s,
                              base::Seconds next_in = 300s) {
    return {.count = count,
            .since = kNow - ago,
            .next_attempt = kNow + next_in,
            .error = {.code = code, .message = "it did not work"}};
}

}  // namespace fixtures
