// SPDX-License-Identifier: Apache-2.0
// deploy(): what the endpoints show after the installation, and what is done about it.
#include <algorithm>
#include <chrono>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "tests/unit/deployers/deployment_stage.hpp"
#include "tests/unit/deployers/no_descriptors.hpp"

namespace {

using namespace std::chrono_literals;
using deployers::DeploymentOutcome;
using deployers::InstallOutcome;
using deployers::InstallReport;
using deployers::Verdict;
using tests::check_error;
using tests::endpoint_of;
using tests::Identity;
using tests::kNow;
using tests::says;
using tests::Stage;
using tests::TlsServer;
using tests::world;
using Calls = std::vector<std::string>;

TEST_CASE("deploy: while the old one is served, the reload is sent again and nothing is written") {
    Stage stage;
    base::Milliseconds reloaded_at{0};
    stage.host.on_reload = [&] {
        reloaded_at = stage.clock.passed;
        stage.server.serve(world().wanted);
    };
    const DeploymentOutcome outcome = stage.run();
    CHECK_FALSE(outcome.error);
    CHECK(outcome.served);
    CHECK(stage.host.calls == Calls{"install", "reload", "commit", "gone"});
    CHECK(stage.progress == Calls{"write", "verify", "reload"});
    CHECK(reloaded_at >= 5s);  // a quarter of verify_for
    CHECK(reloaded_at < 7s);
}

TEST_CASE("deploy: at the end the old one is still served") {
    Stage stage;
    SUBCASE("although the reload says it worked: stale, and the files stay") {
        const DeploymentOutcome outcome = stage.run();
        check_error(outcome, "verify/stale", "verify",
                    "0 of 1 address serves what it should; " + stage.server.address() +
                        ": still serves the one that expires in 19 days (2026-12-11)",
                    "renewd deploy example.com");
        CHECK(outcome.endpoints[0].verdict == Verdict::Stale);
    }
    SUBCASE("and the reload says why") {
        stage.host.report.reload = says(1, "Job for nginx.service failed");
        stage.host.reload_answer = stage.host.report;
        const DeploymentOutcome outcome = stage.run();
        check_error(outcome, "deploy/reload-failed", "deploy",
                    "the new files are in place, but systemctl reload nginx did not work: exit 1: Job for "
                    "nginx.service failed",
                    "renewd deploy example.com");
    }
    SUBCASE("a later reload that fails counts as well") {
        stage.host.reload_answer =
            InstallReport{.outcome = InstallOutcome::Installed, .reload = says(124, "")};
        check_error(stage.run(), "deploy/reload-failed", "deploy", "did not work: took too long",
                    "renewd deploy example.com");
    }
    SUBCASE("somebody else's, at a first deployment, is the old one too") {
        stage.server.serve(world().strange);
        stage.request.earlier.clear();
        check_error(stage.run(), "verify/foreign", "verify", "not ours: for example.com",
                    "renewd verify example.com");
    }
    const DeploymentOutcome again = stage.run();
    CHECK(again.installed);
    CHECK(again.wrote);
    CHECK_FALSE(again.served);
    CHECK(stage.host.count("reload") == 2 * 3);  // at 5, 10 and 15 s; at 20 s it is over
    CHECK(stage.host.count("commit") == 2);
    CHECK(stage.host.count("restore") == 0);
}

TEST_CASE("deploy: what has no reload is not reloaded again") {
    Stage stage;
    stage.request.installation.reload.clear();
    stage.host.report.reload = {};
    check_error(stage.run(), "verify/stale", "verify", "still serves", "");
    CHECK(stage.host.calls == Calls{"install", "commit", "gone"});
}

TEST_CASE("deploy: one of two addresses keeps the old one") {
    Stage stage;
    TlsServer second("127.0.0.2");
    second.serve(world().earlier);
    stage.request.endpoints.push_back(endpoint_of(second));
    stage.host.on_install = stage.serving(world().wanted);
    const DeploymentOutcome outcome = stage.run();
    check_error(outcome, "verify/stale", "verify",
                "1 of 2 addresses serve what they should; " + second.address() + ": still serves",
                "renewd deploy example.com");
    CHECK(outcome.installed);
    CHECK_FALSE(outcome.served);
    CHECK(outcome.endpoints[0].verdict == Verdict::Serving);
    CHECK(outcome.endpoints[1].verdict == Verdict::Stale);
}

TEST_CASE("deploy: a service that dies of the new certificate gets the old one back") {
    Stage stage;
    TlsServer second("127.0.0.2");
    stage.host.on_install = stage.refusing();
    stage.host.on_restore = stage.serving(world().earlier);
    std::string words =
        stage.server.address() + ": connection refused. What was there before is back and is served again";
    SUBCASE("it is gone") {}
    SUBCASE("it does not speak TLS any more") {
        stage.host.on_install = [&] { stage.server.talk_plain_text(); };
        words = "does not speak TLS). What was there before is back";
    }
    SUBCASE("it serves neither the old nor the new one") {
        stage.host.on_install = stage.serving(world().strange);
        words = "not ours: for example.com";
    }
    SUBCASE("it was somebody else's before our first") {
        stage.server.serve(world().strange);
        stage.request.earlier.clear();
        stage.host.on_restore = stage.serving(world().strange);
    }
    SUBCASE("it dies just before the end of the patience") {
        stage.host.on_install = {};
        stage.clock.after_sleep = [&] {
            if (stage.clock.passed >= 19s && stage.host.count("restore") == 0) stage.server.refuse();
        };
    }
    SUBCASE("one of its two endpoints is gone") {
        stage.request.endpoints.push_back(endpoint_of(stage.server));
        second.serve(world().earlier);
        stage.request.endpoints[0] = endpoint_of(second);
        stage.host.on_install = [&] {
            second.serve(world().wanted);
            stage.server.refuse();
        };
        stage.host.on_restore = [&] {
            second.serve(world().earlier);
            stage.server.serve(world().earlier);
        };
    }
    const DeploymentOutcome outcome = stage.run();
    check_error(outcome, "deploy/restored", "deploy", words, "renewd deploy example.com");
    CHECK_FALSE(outcome.installed);
    CHECK_FALSE(outcome.served);
    CHECK(stage.host.count("restore") == 1);
    CHECK(stage.host.count("commit") == 0);
    CHECK(stage.host.calls.back() == "gone");
    for (const auto& endpoint : outcome.endpoints)
        CHECK(endpoint.addresses[0].sha256 != world().wanted.sha256());
}

TEST_CASE("deploy: a silent service is gone too, in real time") {
    Stage stage;
    base::SystemClock clock;
    stage.request.verify_for = 400ms;
    stage.host.on_install = [&] { stage.server.hang(); };
    stage.host.on_restore = stage.serving(world().earlier);
    check_error(stage.run(clock), "deploy/restored", "deploy", "no TLS handshake within ",
                "renewd deploy example.com");
    CHECK(stage.host.calls == Calls{"install", "restore", "gone"});
}

TEST_CASE("deploy: a short absence is a restart, not a death") {
    Stage stage;
    stage.host.on_install = stage.refusing();
    stage.clock.after_sleep = [&] {
        if (stage.clock.passed >= 3s) stage.server.serve(world().wanted);
    };
    const DeploymentOutcome outcome = stage.run();
    CHECK_FALSE(outcome.error);
    CHECK(outcome.served);
    CHECK(stage.host.calls == Calls{"install", "commit", "gone"});
}

TEST_CASE("deploy: never back to an expired or revoked certificate") {
    static const Identity expired = world().ours.issue({"example.com"}, kNow - 1h);
    Stage stage;
    stage.host.on_install = stage.refusing();
    SUBCASE("an earlier generation, although the newest one before ours is valid") {
        stage.server.serve(expired);
        stage.request.earlier.insert(stage.request.earlier.begin(), {.sha256 = expired.sha256()});
    }
    SUBCASE("an earlier generation that was revoked") {
        stage.request.revoked = {world().earlier.sha256()};
    }
    SUBCASE("somebody else's") {
        stage.server.serve(world().strange_expired);
    }
    const DeploymentOutcome outcome = stage.run();
    check_error(outcome, "verify/unreachable", "verify",
                "connection refused; the one before has expired or is revoked, so it is not put back",
                "renewd verify example.com");
    CHECK(outcome.installed);
    CHECK(stage.host.calls == Calls{"install", "commit", "gone"});
}

TEST_CASE("deploy: what was served here comes back, whatever has become of generations that were not") {
    static const Identity expired = world().ours.issue({"example.com"}, kNow - 1h);
    static const Identity revoked = world().ours.issue({"example.com"});
    Stage stage;
    stage.host.on_install = stage.refusing();
    stage.host.on_restore = stage.serving(world().earlier);
    stage.request.earlier.push_back({.sha256 = expired.sha256()});
    stage.request.earlier.push_back({.sha256 = revoked.sha256()});
    stage.request.revoked = {revoked.sha256()};
    check_error(stage.run(), "deploy/restored", "deploy", "is back and is served again",
                "renewd deploy example.com");
    CHECK(stage.host.calls == Calls{"install", "restore", "gone"});
}

TEST_CASE("deploy: where nothing was written nothing is put back, and the service is started again") {
    Stage stage;
    stage.server.serve(world().wanted);
    stage.host.report.outcome = InstallOutcome::Unchanged;
    stage.host.on_install = stage.refusing();
    SUBCASE("and serves again") {
        stage.host.on_restore = stage.serving(world().wanted);
        const DeploymentOutcome outcome = stage.run();
        CHECK_FALSE(outcome.error);
        CHECK(outcome.installed);
        CHECK_FALSE(outcome.wrote);
        CHECK(outcome.served);
        REQUIRE(outcome.remarks.size() == 1);
        CHECK(
            outcome.remarks[0].ends_with("connection refused; no file had been changed, so the service was "
                                         "started again"));
    }
    SUBCASE("in vain") {
        const DeploymentOutcome outcome = stage.run();
        check_error(
            outcome, "verify/unreachable", "verify",
            "connection refused; no file had been changed, and starting the service again did not help",
            "renewd verify example.com");
        CHECK(outcome.installed);
        CHECK_FALSE(outcome.served);
    }
    SUBCASE("but what an interrupted run had written goes back") {
        stage.host.report.interrupted_before = true;
        stage.host.on_restore = stage.serving(world().wanted);
        const DeploymentOutcome outcome = stage.run();
        check_error(outcome, "deploy/restored", "deploy", "is back", "renewd deploy example.com");
        CHECK_FALSE(outcome.installed);
    }
    CHECK(stage.host.calls == Calls{"install", "restore", "gone"});
}

TEST_CASE("deploy: putting back can go wrong as well") {
    Stage stage;
    stage.host.on_install = stage.refusing();
    SUBCASE("the connection is lost") {
        stage.host.restore_answer = base::fail(base::Code::HostTimeout, "no answer from web within 30 s");
        const DeploymentOutcome outcome = stage.run();
        check_error(outcome, "deploy/outcome-unknown", "deploy",
                    "what was there before was to come back, but: no answer from web within 30 s",
                    "renewd deploy example.com");
    }
    SUBCASE("the host cannot") {
        stage.host.restore_answer =
            InstallReport{.outcome = InstallOutcome::WriteFailed, .message = "Read-only file system"};
        check_error(stage.run(), "deploy/outcome-unknown", "deploy", "but: Read-only file system",
                    "see whether the service runs");
    }
    SUBCASE("the host cannot, and does not say why") {
        stage.host.restore_answer = InstallReport{.outcome = InstallOutcome::WriteFailed};
        check_error(stage.run(), "deploy/outcome-unknown", "deploy", "but: the host does not say why",
                    "see whether the service runs");
    }
    SUBCASE("what comes back cannot be synced: a remark") {
        stage.host.restore_answer =
            InstallReport{.outcome = InstallOutcome::Restored, .message = "I/O error"};
        stage.host.on_restore = stage.serving(world().earlier);
        const DeploymentOutcome outcome = stage.run();
        check_error(outcome, "deploy/restored", "deploy", "What was there before is back and is served again",
                    "renewd deploy example.com");
        REQUIRE(outcome.remarks.size() == 1);
        CHECK(outcome.remarks[0].ends_with("the next deployment does it: I/O error"));
    }
    SUBCASE("it does not pass its test any more, and is not restarted") {
        stage.request.installation.restart = {"systemctl", "restart", "nginx"};
        stage.host.restore_answer =
            InstallReport{.outcome = InstallOutcome::Restored, .test_after = says(1, "unknown directive")};
        check_error(stage.run(), "deploy/restored", "deploy",
                    "; the service was not restarted, for nginx -t fails: exit 1: unknown directive",
                    "start the service");
    }
    SUBCASE("the service stays down") {
        const DeploymentOutcome outcome = stage.run();
        check_error(outcome, "deploy/restored", "deploy",
                    "What was there before is back, but is not served: ", "start the service");
        CHECK_FALSE(outcome.installed);
    }
    CHECK(stage.host.calls == Calls{"install", "restore", "gone"});
}

TEST_CASE("deploy: other ways of not being served, by their names") {
    const auto& w = world();
    Stage stage;
    stage.host.on_install = stage.serving(w.wanted);
    std::string_view code;
    std::string_view words;
    SUBCASE("without the intermediate") {
        static const Identity alone = w.wanted.leaf_only();
        stage.host.on_install = stage.serving(alone);
        code = "verify/incomplete-chain";
        words = "the chain it sends is incomplete";
    }
    SUBCASE("by a CA that nobody trusts here") {
        static Identity untrusted = w.theirs.issue({"example.com"});
        untrusted.chain.push_back(w.theirs.root());
        stage.generation.chain = untrusted.chain;
        stage.generation.key_pem = untrusted.key.to_pem().value();
        stage.host.on_install = stage.serving(untrusted);
        code = "verify/untrusted";
        words = "leads to no root that is trusted here";
    }
    SUBCASE("for a name that is not in it") {
        stage.request.endpoints = {endpoint_of(stage.server, "www.example.com")};
        code = "verify/name-mismatch";
        words = "does not cover www.example.com";
    }
    SUBCASE("no TLS, before as after") {
        stage.server.talk_plain_text();
        stage.host.on_install = {};
        code = "verify/handshake-failed";
        words = "does not speak TLS";
    }
    SUBCASE("no address") {
        stage.request.endpoints = {{.text = "https://no..such", .host = "no..such", .port = 443}};
        code = "verify/unresolved";
        words = "https://no..such: its host does not resolve";
    }
    SUBCASE("no way to look from here") {
        stage.request.endpoints[0].address = "224.0.0.1";
        code = "verify/unreachable";
        words = "no route from here";
    }
    SUBCASE("it expires while the service takes its time") {
        static const Identity brief = w.ours.issue({"example.com"}, kNow + 90s);
        stage.generation.chain = brief.chain;
        stage.generation.key_pem = brief.key.to_pem().value();
        stage.request.verify_for = 120s;
        stage.host.on_install = {};
        stage.clock.after_sleep = [&] {
            stage.clock.passed = std::max(stage.clock.passed, base::Milliseconds(115s));
            stage.server.serve(brief);
        };
        code = "verify/expired";
        words = "serves a certificate that expired";
    }
    const DeploymentOutcome outcome = stage.run();
    check_error(outcome, code, "verify", words, "");
    CHECK_FALSE(outcome.error->hint.empty());
    CHECK(outcome.installed);
    CHECK_FALSE(outcome.served);
    CHECK(stage.host.count("commit") == 1);
    CHECK(stage.host.count("restore") == 0);
}

TEST_CASE("deploy: a service that was slow before is missed as any other") {
    Stage stage;
    stage.server.serve_slowly(world().earlier, 2200ms);
    stage.host.on_install = stage.refusing();
    stage.host.on_restore = stage.serving(world().earlier);
    check_error(stage.run(), "deploy/restored", "deploy", "is back and is served again",
                "renewd deploy example.com");
}

TEST_CASE("deploy: what this machine is short of takes no certificate back") {
    Stage stage;
    std::optional<tests::NoDescriptors> none;
    stage.host.on_install = [&] {
        stage.server.serve(world().wanted);
        none.emplace();
    };
    const DeploymentOutcome outcome = stage.run();
    none.reset();
    check_error(outcome, "verify/unreachable", "verify", "this machine could not look: Too many open files",
                "LimitNOFILE");
    CHECK(outcome.installed);
    CHECK_FALSE(outcome.served);
    CHECK(stage.host.count("restore") == 0);
}

}  // namespace
