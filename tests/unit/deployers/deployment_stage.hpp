// SPDX-License-Identifier: Apache-2.0
// Where the tests of deploy() play: a real TLS server, a host that follows a script, and a clock on which
// only waiting takes time.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "deployers/transaction.hpp"
#include "tests/unit/deployers/fake_clock.hpp"
#include "tests/unit/deployers/identities.hpp"
#include "tests/unit/deployers/printed_verdict.hpp"
#include "tests/unit/deployers/scripted_host.hpp"
#include "tests/unit/deployers/tls_server.hpp"

namespace tests {

inline const base::Instant kNow = base::parse_instant("2026-11-21T12:00:00Z").value();

/// What the server can show; made once, keys take a while.
struct World {
    tests::Hierarchy ours;
    tests::Hierarchy theirs{"Stranger"};
    base::Anchors anchors = ours.anchors();
    Identity wanted = ours.issue({"example.com"});
    Identity earlier = ours.issue({"example.com"}, kNow + std::chrono::hours(24 * 20));
    Identity strange = theirs.issue({"example.com"});
    Identity strange_expired = theirs.issue({"example.com"}, kNow - std::chrono::hours(24));
};

inline const World& world() {
    static const World made;
    return made;
}

inline deployers::Endpoint endpoint_of(const TlsServer& server, std::string name = "example.com") {
    return {.text = "https://" + name,
            .host = name,
            .port = 443,
            .address = server.ip(),
            .address_port = server.port(),
            .sni = name,
            .connections = 1};  // that all must agree is look()'s business
}

inline deployers::CommandReport says(int exit_code, std::string output) {
    return {.ran = true, .exit_code = exit_code, .output = std::move(output)};
}

/// One server, one target, everything as it should be until a test changes it.
struct Stage {
    TlsServer server;
    FakeClock clock{kNow};
    ScriptedHost host;
    deployers::Generation generation{.certificate = "example.com",
                                     .number = 2,
                                     .names = tests::dns_names({"example.com"}),
                                     .chain = world().wanted.chain,
                                     .key_pem = world().wanted.key.to_pem().value()};
    deployers::DeploymentRequest request{};
    std::vector<std::string> progress;

    Stage() {
        server.serve(world().earlier);
        request.earlier = {{.sha256 = world().earlier.sha256()}};
        request.installation = {.id = "example.com/web",
                                .published = {{.path = "/etc/tls/a.pem", .content = base::Secret("a")}},
                                .test = {"nginx", "-t"},
                                .reload = {"systemctl", "reload", "nginx"}};
        request.endpoints = {endpoint_of(server)};
        request.anchors = &world().anchors;
        request.verify_for = std::chrono::seconds(20);
        request.progress = [this](std::string_view step, std::string_view) { progress.emplace_back(step); };
    }

    /// When the host is told to, the server begins to serve `identity`.
    [[nodiscard]] std::function<void()> serving(const Identity& identity) {
        return [this, &identity] { server.serve(identity); };
    }

    [[nodiscard]] std::function<void()> refusing() {
        return [this] { server.refuse(); };
    }

    [[nodiscard]] deployers::DeploymentOutcome run(base::Clock& with_clock) {
        request.wanted = &generation;
        return deploy(request, host, with_clock);
    }

    [[nodiscard]] deployers::DeploymentOutcome run() { return run(clock); }
};

/// Every error names the place and the step, and carries `words`; the hint says what to type.
inline void check_error(const deployers::DeploymentOutcome& outcome, std::string_view code,
                        std::string_view step, std::string_view words, std::string_view hint) {
    REQUIRE(outcome.error);
    CAPTURE(outcome.error->message);
    CAPTURE(outcome.error->hint);
    CHECK(to_string(outcome.error->code) == code);
    CHECK(outcome.error->step == step);
    CHECK(outcome.error->message.starts_with("example.com on web: "));
    CHECK(outcome.error->message.find(words) != std::string::npos);
    CHECK(outcome.error->hint.find(hint) != std::string::npos);
}

}  // namespace tests
