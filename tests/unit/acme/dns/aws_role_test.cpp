// SPDX-License-Identifier: Apache-2.0
// The keys of a role, from services in memory that answer as the documentation of EC2 ("Use the Instance
// Metadata Service", "Retrieve security credentials from instance metadata") and of ECS ("Task IAM role")
// shows them.
#include "acme/solvers/dns/aws_role.hpp"

#include <algorithm>
#include <cstdlib>

#include "tests/unit/acme/dns/cloud_world.hpp"

using fakes::CloudWorld;
using fakes::code_of;
using fakes::contains;
using fakes::message_of;
using fakes::txt;

namespace {

constexpr std::string_view kInstance = "http://169.254.169.254";
constexpr std::string_view kContainer = "http://169.254.170.2/v2/credentials/d8b7";
const std::string kRoles = "/latest/meta-data/iam/security-credentials/";

/// The services on the host; everything else goes to the API.
class Host final : public base::Transport {
  public:
    explicit Host(base::Transport& api) : api_(api) {}

    base::Result<base::HttpResponse> exchange(const base::HttpRequest& request) override {
        if (!request.url.starts_with("http://169.254.")) return api_.exchange(request);
        CHECK_FALSE(request.trust.https_only);
        asked.push_back(request.method + " " + request.url);
        if (status != 200) return base::HttpResponse{.status = status};
        if (request.url == kContainer) return base::HttpResponse{.status = 200, .body = keys};
        const std::string path = request.url.substr(kInstance.size());
        if (request.method == "PUT" && path == "/latest/api/token") {
            CHECK(request.headers.front().first == "X-aws-ec2-metadata-token-ttl-seconds");
            return base::HttpResponse{.status = 200, .body = "AQAEAN=="};
        }
        const bool has_token = !request.headers.empty() &&
                               request.headers.front() == std::pair<std::string, std::string>(
                                                              "X-aws-ec2-metadata-token", "AQAEAN==");
        if (!has_token) return base::HttpResponse{.status = 401};
        if (path == kRoles) return base::HttpResponse{.status = 200, .body = role};
        if (path == kRoles + "dns-writer") return base::HttpResponse{.status = 200, .body = keys};
        return base::HttpResponse{.status = 404};
    }

    int status = 200;
    std::string role = "dns-writer";
    std::string keys = R"({"Code": "Success", "LastUpdated": "2026-11-21T11:00:00Z", "Type": "AWS-HMAC",
        "AccessKeyId": "ASIAIOSFODNN7EXAMPLE", "SecretAccessKey": "not-to-be-seen", "Token": "token-of-the-role",
        "Expiration": "2026-11-21T18:00:00Z"})";
    std::vector<std::string> asked{};

  private:
    base::Transport& api_;
};

}  // namespace

TEST_CASE("aws role: of an instance, kept until five minutes before its keys end") {
    CloudWorld world("route53");
    Host host(world.api);
    acme::AwsRole role(acme::AwsRole::Of::Instance, host, world.clock);
    const auto keys = role.keys();
    REQUIRE(keys);
    CHECK(keys->access_key_id == "ASIAIOSFODNN7EXAMPLE");
    CHECK(keys->secret_access_key.reveal() == "not-to-be-seen");
    CHECK(keys->session_token.reveal() == "token-of-the-role");
    const std::string service(kInstance);
    CHECK(host.asked == std::vector<std::string>{"PUT " + service + "/latest/api/token",
                                                 "GET " + service + kRoles,
                                                 "GET " + service + kRoles + "dns-writer"});
    world.clock.sleep(5h + std::chrono::minutes(54));
    REQUIRE(role.keys());
    CHECK(host.asked.size() == 3);
    world.clock.sleep(std::chrono::minutes(2));
    REQUIRE(role.keys());
    CHECK(host.asked.size() == 6);
    // Those that are good for minutes yet are used where there are no others, and not a moment longer.
    host.status = 503;
    REQUIRE(role.keys());
    world.clock.sleep(std::chrono::minutes(5));
    CHECK(code_of(role.keys()) == "provider/unreachable");
}

TEST_CASE("aws role: what stands in the way is told, and no secret is") {
    struct Case {
        std::string_view name;
        int status;
        std::string role;
        std::string keys;
        std::string_view code;
    };

    const std::string end = R"(, "Expiration": "2026-11-21T18:00:00Z"})";
    for (const Case& c : {
             Case{"no role", 404, "", "", "provider/denied"},
             Case{"a role that is no name", 200, "../../x", "", "provider/protocol"},
             Case{"a page", 200, "<html>", "", "provider/protocol"},
             Case{"no JSON", 200, "dns-writer", "not-to-be-seen", "provider/protocol"},
             Case{"a code", 200, "dns-writer", R"({"Code": "AssumeRoleUnauthorizedAccess"})",
                  "provider/denied"},
             Case{"no end", 200, "dns-writer",
                  R"({"AccessKeyId": "a", "SecretAccessKey": "not-to-be-seen", "Token": "t"})",
                  "provider/protocol"},
             Case{"no token", 200, "dns-writer",
                  R"({"AccessKeyId": "a", "SecretAccessKey": "not-to-be-seen")" + end, "provider/protocol"},
         }) {
        CAPTURE(c.name);
        CloudWorld world("route53");
        Host host(world.api);
        host.status = c.status;
        host.role = c.role;
        host.keys = c.keys;
        const auto keys = acme::AwsRole(acme::AwsRole::Of::Instance, host, world.clock).keys();
        CHECK(code_of(keys) == c.code);
        CHECK_FALSE(contains(message_of(keys), "not-to-be-seen"));
    }
}

TEST_CASE(
    "route53: signs with the keys of a role, and says what of its configuration is too much or missing") {
    CloudWorld world("route53");
    Host host(world.api);
    const acme::ProviderEffects effects{.transport = host, .dns = world.dns, .clock = world.clock};
    acme::ProviderSettings settings{.solver = "dns",
                                    .texts = {{"credentials", "instance"}, {"zone_id", "Z121"}}};
    const auto make = [&] { return fakes::kind_of("route53").make(settings, effects); };
    world.api.caller = {.access_key_id = "ASIAIOSFODNN7EXAMPLE", .session_token = "token-of-the-role"};
    CHECK(message_of(make().value()->present(txt("route53", "one"))) == "");

    settings.texts["credentials"] = "container";
    ::setenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/d8b7", 1);
    CHECK(message_of(make().value()->present(txt("route53", "two"))) == "");
    CHECK(world.api.mistakes == std::vector<std::string>{});
    CHECK(host.asked.back() == "GET " + std::string(kContainer));
    ::unsetenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    CHECK(code_of(make().value()->present(txt("route53", "one"))) == "config/secret-unavailable");

    settings.texts["credentials"] = "instance";
    host.status = 404;
    const auto refused = make().value()->present(txt("route53", "one"));
    CHECK(code_of(refused) == "provider/denied");
    CHECK(contains(message_of(refused), "solver dns: route53: the metadata service"));

    settings.texts["access_key_id"] = "AKIDEXAMPLE";
    CHECK(code_of(make()) == "config/conflict");
    settings.texts["credentials"] = "profile";
    CHECK(code_of(make()) == "config/wrong-value");
    settings.texts["credentials"] = "";
    CHECK(code_of(make()) == "config/missing");
}
