// SPDX-License-Identifier: Apache-2.0
// deploy(): what the host answers, from the proof of the pair to the commit.
#include <chrono>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "base/encoding.hpp"
#include "deployers/limits.hpp"
#include "tests/unit/deployers/deployment_stage.hpp"

namespace {

using namespace std::chrono_literals;
using deployers::DeploymentOutcome;
using deployers::InstallOutcome;
using deployers::InstallReport;
using deployers::Verdict;
using tests::check_error;
using tests::Identity;
using tests::kNow;
using tests::says;
using tests::Stage;
using tests::world;
using Calls = std::vector<std::string>;

TEST_CASE("deploy: the new one is installed and seen everywhere") {
    Stage stage;
    stage.host.on_install = stage.serving(world().wanted);
    SUBCASE("new files") {}
    SUBCASE("a reload that complains but works is nothing to talk about") {
        stage.host.report.reload = says(1, "warning: conflicting server name");
    }
    SUBCASE("a server that was down and comes up") {
        stage.server.refuse();
    }
    const DeploymentOutcome outcome = stage.run();
    CHECK_FALSE(outcome.error);
    CHECK(outcome.installed);
    CHECK(outcome.wrote);
    CHECK(outcome.served);
    REQUIRE(outcome.endpoints.size() == 1);
    CHECK(outcome.endpoints[0].verdict == Verdict::Serving);
    CHECK(outcome.endpoints[0].addresses[0].sha256 == world().wanted.sha256());
    CHECK(stage.host.calls == Calls{"install", "commit", "gone"});
    CHECK(stage.progress == Calls{"write", "verify"});
    CHECK(outcome.remarks.empty());
}

TEST_CASE("deploy: the executor stays until what was there before can be put back") {
    Stage stage;
    stage.request.verify_for = 10min;
    stage.server.refuse();
    stage.host.report.reload = says(1, "not active");
    (void)stage.run();
    CHECK(stage.host.deadline > 10min + 10min / 4 + 6 * stage.request.installation.command_deadline);
    CHECK(stage.host.deadline == deployers::executor_deadline(30s, 10min));
    CHECK(deployers::executor_deadline(30s, 60s) < 10min);
    CHECK(deployers::executor_deadline(30s, deployers::kVerifyForMax) < deployers::kDeadlineMax);
    CHECK(deployers::executor_deadline(deployers::kDeadlineMax, 1h) == deployers::kDeadlineMax);
}

TEST_CASE("deploy: files that were there already are reloaded and seen, not written") {
    Stage stage;
    stage.host.report.outcome = InstallOutcome::Unchanged;
    stage.host.report.interrupted_before = true;
    stage.host.on_install = stage.serving(world().wanted);
    const DeploymentOutcome outcome = stage.run();
    CHECK_FALSE(outcome.error);
    CHECK(outcome.installed);
    CHECK_FALSE(outcome.wrote);
    CHECK(outcome.served);
    REQUIRE(outcome.remarks.size() == 1);
    CHECK(outcome.remarks[0] ==
          "example.com on web: an earlier deployment had been cut off here; it has been cleared up");
}

TEST_CASE("deploy: a certificate for a request of the user's own is proven without a private key") {
    Stage stage;
    stage.generation.key_pem = {};
    stage.generation.request_key = base::sha256_hex(world().wanted.leaf().public_key_der());
    stage.host.on_install = stage.serving(world().wanted);
    const DeploymentOutcome outcome = stage.run();
    CHECK_FALSE(outcome.error);
    CHECK(outcome.served);
}

TEST_CASE("deploy: what is no proven pair never reaches the host") {
    Stage stage;
    std::string_view words;
    SUBCASE("another key") {
        stage.generation.key_pem = world().earlier.key.to_pem().value();
        words = "the private key does not belong to the certificate";
    }
    SUBCASE("no key") {
        stage.generation.key_pem = {};
        words = "Its key cannot be used";
    }
    SUBCASE("a request's, made with another key") {
        stage.generation.key_pem = {};
        stage.generation.request_key = base::sha256_hex(world().earlier.leaf().public_key_der());
        words = "is not that of the request";
    }
    SUBCASE("a request's, and no certificate") {
        stage.generation.key_pem = {};
        stage.generation.request_key = base::sha256_hex(world().wanted.leaf().public_key_der());
        stage.generation.chain.clear();
        words = "there is no certificate";
    }
    SUBCASE("no certificate") {
        stage.generation.chain.clear();
        words = "there is no certificate";
    }
    SUBCASE("other names") {
        stage.generation.names = tests::dns_names({"example.com", "www.example.com"});
        words = "does not hold www.example.com";
    }
    SUBCASE("expired") {
        const Identity expired = world().ours.issue({"example.com"}, kNow - 1h);
        stage.generation.chain = expired.chain;
        stage.generation.key_pem = expired.key.to_pem().value();
        words = "expired";
    }
    const DeploymentOutcome outcome = stage.run();
    check_error(outcome, "deploy/unproven", "deploy", words, "renewd renew example.com --force");
    CHECK_FALSE(outcome.installed);
    CHECK(stage.host.calls.empty());
    CHECK(stage.server.seen().connections == 0);
}

TEST_CASE("deploy: a host that changed nothing says why") {
    Stage stage;
    std::string_view code;
    std::string_view words;
    SUBCASE("the service is broken without us") {
        stage.host.report = {
            .outcome = InstallOutcome::ServiceBroken,
            .test_before = says(1,
                                "nginx: [emerg] unknown directive \"sss\" in /etc/nginx/a:12\n"
                                "nginx: configuration file test failed\n")};
        code = "deploy/service-broken";
        words =
            "nothing was changed. nginx -t fails without us: exit 1: nginx: [emerg] unknown directive "
            "\"sss\" in "
            "/etc/nginx/a:12; nginx: configuration file test failed";
    }
    SUBCASE("its test takes too long") {
        stage.host.report = {.outcome = InstallOutcome::ServiceBroken, .test_before = says(124, "")};
        code = "deploy/service-broken";
        words = "nginx -t fails without us: took too long";
    }
    SUBCASE("the new files do not pass") {
        stage.host.report = {.outcome = InstallOutcome::TestFailed,
                             .test_before = says(0, "syntax is ok"),
                             .test_after = says(1, "key values mismatch")};
        code = "deploy/test-failed";
        words =
            "what was there before is back and nothing was reloaded. nginx -t does not accept the new files: "
            "exit 1: key values mismatch";
    }
    SUBCASE("neither the old nor the new pass") {
        stage.host.report = {.outcome = InstallOutcome::TestFailed,
                             .test_before = says(1, "no such file"),
                             .test_after = says(2, "key values mismatch")};
        code = "deploy/test-failed";
        words = "exit 2: key values mismatch. It failed before, too: exit 1: no such file";
    }
    SUBCASE("they cannot be written") {
        stage.host.report = {.outcome = InstallOutcome::WriteFailed,
                             .message = "/etc/tls/a.pem: No space left on device"};
        code = "deploy/write-failed";
        words = "what was there before is still there. /etc/tls/a.pem: No space left on device";
    }
    SUBCASE("it answers something else") {
        stage.host.report.outcome = InstallOutcome::Committed;
        code = "deploy/outcome-unknown";
        words = "not one to an installation";
    }
    const DeploymentOutcome outcome = stage.run();
    check_error(outcome, code, "deploy", words, "renewd deploy example.com");
    CHECK_FALSE(outcome.installed);
    CHECK_FALSE(outcome.wrote);
    CHECK_FALSE(outcome.served);
    CHECK(stage.host.calls == Calls{"install", "gone"});
    CHECK(stage.clock.pauses.empty());
}

TEST_CASE("deploy: a host that cannot be reached is told as it is") {
    Stage stage;
    stage.host.install_error = base::Error{
        .code = base::Code::HostUnreachable, .message = "no answer", .hint = "renewd host test web"};
    const DeploymentOutcome outcome = stage.run();
    check_error(outcome, "host/unreachable", "deploy", "no answer", "renewd host test web");
    CHECK_FALSE(outcome.installed);
    CHECK(stage.host.calls == Calls{"install"});
}

TEST_CASE("deploy: a connection that was lost on the way is asked about once") {
    Stage stage;
    stage.host.install_error =
        base::Error{.code = base::Code::DeployOutcomeUnknown, .message = "ssh was killed"};
    stage.host.found = digests_of(stage.request.installation);

    SUBCASE("everything is there and served") {
        stage.host.on_install = stage.serving(world().wanted);
        const DeploymentOutcome outcome = stage.run();
        CHECK_FALSE(outcome.error);
        CHECK(outcome.installed);
        CHECK(outcome.served);
        REQUIRE(outcome.remarks.size() == 1);
        CHECK(outcome.remarks[0].find("ssh was killed") != std::string::npos);
    }
    SUBCASE("everything is there, the old one is served, and no reload can be sent") {
        const DeploymentOutcome outcome = stage.run();
        check_error(outcome, "verify/stale", "verify", "the connection to its host was lost: ssh was killed",
                    "renewd deploy example.com");
        CHECK(outcome.installed);
    }
    SUBCASE("everything is there and the service is gone") {
        stage.host.on_install = stage.refusing();
        const DeploymentOutcome outcome = stage.run();
        check_error(outcome, "verify/unreachable", "verify", "what was there before cannot be put back",
                    "renewd verify");
        CHECK(outcome.installed);
    }
    SUBCASE("everything is there and nobody can look") {
        stage.request.endpoints.clear();
        const DeploymentOutcome outcome = stage.run();
        check_error(outcome, "deploy/outcome-unknown", "deploy", "ssh was killed; the new files are in place",
                    "");
        CHECK(outcome.installed);
        CHECK_FALSE(outcome.served);
    }
    SUBCASE("something else is there") {
        stage.host.found = std::vector<deployers::FileDigest>{{.path = "/etc/tls/a.pem", .sha256 = "00"}};
        const DeploymentOutcome outcome = stage.run();
        check_error(outcome, "deploy/outcome-unknown", "deploy", "ssh was killed", "");
        CHECK_FALSE(outcome.installed);
    }
    SUBCASE("it cannot be asked") {
        stage.host.found = base::fail(base::Code::HostTimeout, "still no answer");
        const DeploymentOutcome outcome = stage.run();
        check_error(outcome, "deploy/outcome-unknown", "deploy",
                    "ssh was killed; asked again: still no answer", "");
        CHECK_FALSE(outcome.installed);
    }
    CHECK(stage.host.calls == Calls{"install", "inspect"});
}

TEST_CASE("deploy: a service that was not running is not started") {
    Stage stage;
    stage.server.refuse();
    stage.host.report.reload = says(1, "nginx.service is not active, cannot reload.");
    SUBCASE("a systemd unit") {
        check_error(stage.run(), "deploy/not-running", "deploy",
                    "the new files are in place; the service was not running and was not started. systemctl "
                    "reload nginx: "
                    "exit 1: nginx.service is not active, cannot reload.",
                    "systemctl start nginx, then  renewd verify example.com");
    }
    SUBCASE("something else") {
        stage.request.installation.reload = {"/usr/local/bin/again"};
        check_error(stage.run(), "deploy/not-running", "deploy", "/usr/local/bin/again: exit 1",
                    "start it, then  renewd verify example.com");
    }
    SUBCASE("with a reload that says it worked, nobody knows") {
        stage.host.report.reload = says(0, "");
        check_error(stage.run(), "verify/unreachable", "verify", "connection refused",
                    "renewd verify example.com");
        CHECK(stage.clock.passed == 20s);
    }
    const DeploymentOutcome again = stage.run();
    CHECK(again.installed);
    CHECK_FALSE(again.served);
    CHECK(stage.host.count("commit") == 2);
    CHECK(stage.host.count("reload") == 0);
}

TEST_CASE("deploy: a connection lost while waiting leaves what is proven") {
    Stage stage;
    stage.host.reload_answer = base::fail(base::Code::HostTimeout, "web went away");
    SUBCASE("still stale") {
        const DeploymentOutcome outcome = stage.run();
        check_error(outcome, "verify/stale", "verify", "; the connection to its host was lost: web went away",
                    "renewd deploy example.com");
        CHECK(outcome.installed);
    }
    SUBCASE("served all the same") {
        stage.host.on_reload = stage.serving(world().wanted);
        const DeploymentOutcome outcome = stage.run();
        CHECK_FALSE(outcome.error);
        CHECK(outcome.served);
        REQUIRE(outcome.remarks.size() == 1);
        CHECK(outcome.remarks[0].find("web went away") != std::string::npos);
    }
    CHECK(stage.host.calls == Calls{"install", "reload", "gone"});
}

TEST_CASE("deploy: what cannot be tidied up is a remark") {
    Stage stage;
    stage.host.on_install = stage.serving(world().wanted);
    std::string_view words;
    SUBCASE("the connection is lost") {
        stage.host.commit_answer = base::fail(base::Code::HostTimeout, "web went away");
        words = "could not be tidied up; the next deployment does it: web went away";
    }
    SUBCASE("the host cannot") {
        stage.host.commit_answer =
            InstallReport{.outcome = InstallOutcome::WriteFailed, .message = "Read-only file system"};
        words = "the next deployment does it: Read-only file system";
    }
    const DeploymentOutcome outcome = stage.run();
    CHECK_FALSE(outcome.error);
    CHECK(outcome.served);
    REQUIRE(outcome.remarks.size() == 1);
    CHECK(outcome.remarks[0].find(words) != std::string::npos);
}

TEST_CASE("deploy: without endpoints the commands' word is all there is") {
    Stage stage;
    stage.request.endpoints.clear();
    SUBCASE("all well: unverified") {
        const DeploymentOutcome outcome = stage.run();
        CHECK_FALSE(outcome.error);
        CHECK(outcome.installed);
        CHECK_FALSE(outcome.served);
        CHECK(outcome.endpoints.empty());
    }
    SUBCASE("the reload fails") {
        stage.host.report.reload = says(1, "Job failed\r\n\n");
        const DeploymentOutcome outcome = stage.run();
        check_error(outcome, "deploy/reload-failed", "deploy", "exit 1: Job failed",
                    "renewd deploy example.com");
        CHECK(outcome.error->message.ends_with("Job failed"));
        CHECK(outcome.installed);
    }
    CHECK(stage.host.calls == Calls{"install", "commit", "gone"});
    CHECK(stage.server.seen().connections == 0);
}

TEST_CASE("deploy: an installation without a target's name is named by its certificate") {
    Stage stage;
    stage.request.installation.id = "example.com";
    stage.host.report = {.outcome = InstallOutcome::WriteFailed, .message = "x"};
    const DeploymentOutcome outcome = stage.run();
    REQUIRE(outcome.error);
    CHECK(outcome.error->message == "example.com: what was there before is still there. x");
}

}  // namespace
