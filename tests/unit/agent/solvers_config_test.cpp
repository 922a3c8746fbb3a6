// SPDX-License-Identifier: Apache-2.0
// [dns] and [solver.X]: what each type of challenge and each provider takes, and which names it suits.
#include <ostream>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "agent/config/config.hpp"
#include "tests/unit/agent/configuration_files.hpp"

using namespace std::chrono_literals;
using tests::kGround;
using tests::problems_of;
using Files = tests::ConfigurationFiles;

namespace {

constexpr const char* kDns = R"([solver.dns]
type = "dns-01"
provider = "rfc2136"
server = "ns1.example.com"
)";

}  // namespace

TEST_CASE("solvers: the documentation's DNS solver, with everything filled in") {
    const Files files;
    const std::string secret = files.path("tsig");
    files.write("tsig", "c2VjcmV0", 0600);
    files.write("renewd.toml", std::string(kGround) + kDns + R"(for = ["*.example.com"]
tsig = { name = "acme.", algorithm = "hmac-sha256", secret_file = ")" +
                                   secret + R"(" }
propagation = "server"
propagation_timeout = "5m"
ttl = 30
environment = { LEGO_DEBUG = "1", TOKEN_file = ")" +
                                   secret + R"(" }
[dns]
servers = ["192.0.2.53", "[2001:db8::53]:5353"]
[agent]
plugin_path = ["/opt/plugins"]
[certificate.x]
names = ["example.com", "*.example.com", "a.example.com"]
solver = "web"
)");
    CAPTURE(files.problems());
    const auto config = files.read();
    REQUIRE(config);
    const agent::SolverConfig& solver = config->solvers.at("dns");
    CHECK(solver.type == "dns-01");
    CHECK(solver.provider == "rfc2136");
    CHECK(solver.settings.solver == "dns");
    CHECK(solver.settings.texts == std::map<std::string, std::string>{{"server", "ns1.example.com"},
                                                                      {"tsig.name", "acme."},
                                                                      {"tsig.algorithm", "hmac-sha256"}});
    CHECK(solver.settings.secrets.at("tsig.secret").name == secret);
    CHECK(solver.settings.secrets.at("tsig.secret").key == "\"secret_file\" in tsig of [solver.dns]");
    CHECK(solver.settings.environment == std::map<std::string, std::string>{{"LEGO_DEBUG", "1"}});
    CHECK(solver.settings.secret_environment.at("TOKEN").name == secret);
    CHECK((solver.propagation.mode == acme::Propagation::Server));
    CHECK(solver.propagation.server == "ns1.example.com");
    CHECK(solver.propagation.patience == 5min);
    CHECK(solver.ttl == 30);
    CHECK(config->dns.servers.back() == base::DnsServer{.address = "2001:db8::53", .port = 5353});
    CHECK(config->dns.is_public);
    CHECK(config->agent.plugin_path == std::vector<std::string>{"/opt/plugins"});
    const agent::CertificateConfig& certificate = config->certificates.at("x");
    CHECK(agent::solver_for(*config, certificate, certificate.names[0])->name == "web");
    CHECK(agent::solver_for(*config, certificate, certificate.names[1])->name == "dns");
    CHECK(agent::solver_for(*config, certificate, certificate.names[2])->name == "dns");
}

TEST_CASE("solvers: what is not said has a default") {
    const Files files;
    files.write("renewd.toml", std::string(kGround) + kDns + R"([solver.tls]
type = "tls-alpn-01"
[solver.persist]
type = "dns-persist-01"
[solver.account]
type = "dns-account-01"
provider = "rfc2136"
server = "192.0.2.1"
[dns]
public = false
)");
    CAPTURE(files.problems());
    const auto config = files.read();
    REQUIRE(config);
    CHECK(config->solvers.at("tls").listen == "*:443");
    CHECK(config->solvers.at("persist").type == "dns-persist-01");
    CHECK(config->solvers.at("account").has_provider());
    // Private names have no authoritative servers that anybody asks.
    CHECK((config->solvers.at("dns").propagation.mode == acme::Propagation::Resolvers));
    CHECK(config->solvers.at("dns").propagation.patience == 120s);
    CHECK(config->solvers.at("dns").ttl == 60);
    files.write("renewd.toml", std::string(kGround) + kDns);
    CHECK((files.read().value().solvers.at("dns").propagation.mode == acme::Propagation::Authoritative));
}

TEST_CASE("solvers: where `credentials` says that they come from elsewhere, no keys are required") {
    const std::string route53 = "[solver.aws]\ntype = \"dns-01\"\nprovider = \"route53\"\n";
    CHECK(problems_of(route53 + "credentials = \"instance\"\n").empty());
    const std::string problems = problems_of(route53);
    CHECK(problems.find("\"access_key_id\" is missing") != std::string::npos);
    CHECK(problems.find("\"secret_access_key_file\" is missing") != std::string::npos);
}

TEST_CASE("solvers: a type takes the names it can prove") {
    const std::string address = "[certificate.x]\nnames = [\"192.0.2.10\", \"2001:db8::1\"]\n";
    CHECK(problems_of(address).empty());
    CHECK(problems_of("[solver.tls]\ntype = \"tls-alpn-01\"\n" + address + "solver = \"tls\"\n").empty());
    const std::string over_dns = problems_of(kDns + address + "solver = \"dns\"\n");
    CHECK(over_dns.find(
              "[config/wrong-value] renewd.toml:14:9: \"names\" in certificate \"x\": 192.0.2.10: an "
              "address cannot be proven through DNS (RFC 8738 §7), but [solver.dns] is of type \"dns-01\"; "
              "write a [solver.X] of type \"http-01\" or \"tls-alpn-01\" with  for = [\"192.0.2.10\"]") !=
          std::string::npos);
    const std::string wildcard = "[certificate.x]\nnames = [\"*.example.com\", \"*.bücher.example\"]\n";
    CHECK(problems_of(kDns + wildcard + "solver = \"dns\"\n").empty());
    CHECK(problems_of("[solver.p]\ntype = \"dns-persist-01\"\n" + wildcard + "solver = \"p\"\n").empty());
    CHECK(problems_of("[solver.tls]\ntype = \"tls-alpn-01\"\n" + wildcard + "solver = \"tls\"\n")
              .find("for = [\"*.xn--bcher-kva.example\"]") != std::string::npos);
}

TEST_CASE("solvers: what is wrong is told with its place, its key and what would be right") {
    struct Case {
        std::string_view name;
        std::string text;
        std::string_view wanted;
    };

    const Files files;
    files.write("open", "secret", 0644);
    const std::string dns(kDns);
    for (const Case& c : {
             Case{"no type", "[solver.x]\nlisten = \"*:80\"\n",
                  "[config/missing] renewd.toml:9:1: [solver.x]: \"type\" is missing; accepted: \"http-01\", "
                  "\"tls-alpn-01\", \"dns-01\", \"dns-account-01\", \"dns-persist-01\""},
             Case{"no such type", "[solver.x]\ntype = \"dns\"\n", "\"dns\" is no challenge type; accepted:"},
             Case{"neither webroot nor listen", "[solver.x]\ntype = \"http-01\"\n",
                  "needs one of \"webroot\""},
             Case{"both", "[solver.x]\ntype = \"http-01\"\nlisten = \"*:80\"\nwebroot = \"/w\"\n",
                  "needs one of \"webroot\""},
             Case{"a port alone", "[solver.x]\ntype = \"tls-alpn-01\"\nlisten = \"443\"\n",
                  "the port is missing"},
             Case{"a webroot for TLS", "[solver.x]\ntype = \"tls-alpn-01\"\nwebroot = \"/w\"\n",
                  "[config/unknown-key] renewd.toml:11:1: unknown key \"webroot\""},
             Case{"no provider", "[solver.x]\ntype = \"dns-01\"\ntoken = \"x\"\n",
                  "[config/missing] renewd.toml:9:1: [solver.x]: \"provider\" is missing"},
             Case{"no such provider", "[solver.x]\ntype = \"dns-01\"\nprovider = \"rfc2137\"\n",
                  "\"rfc2137\" is no DNS provider; did you mean \"rfc2136\"?"},
             Case{"a required key", "[solver.x]\ntype = \"dns-01\"\nprovider = \"rfc2136\"\n",
                  "[config/missing] renewd.toml:9:1: [solver.x]: \"server\" is missing: the zone's primary "
                  "server"},
             Case{"a key of nobody", dns + "serverr = \"x\"\n", "did you mean \"server\"?"},
             Case{"a key of nobody in a table", dns + "tsig = { nam = \"x\" }\n",
                  "unknown key \"nam\" in tsig of [solver.dns]; did you mean \"name\"?"},
             Case{"a key where a table belongs", dns + "tsig = \"x\"\n", "needs a table, not a string"},
             Case{"a secret in the open", dns + "tsig = { name = \"a.\", secret = \"s3cret\" }\n",
                  "\"secret\" in tsig of [solver.dns]: is a secret, which does not stand in the "
                  "configuration; "
                  "accepted: secret_file, secret_credential, secret_env, secret_command"},
             Case{"a secret that others can read",
                  dns + "tsig = { name = \"a.\", secret_file = \"" + files.path("open") + "\" }\n",
                  "[config/secret-exposed] "},
             Case{"a variable's name", dns + "environment = { \"A B\" = \"x\" }\n",
                  "\"A B\" is no name of an environment variable"},
             Case{"a secret variable that others can read",
                  dns + "environment = { A_file = \"" + files.path("open") + "\" }\n",
                  "[config/secret-exposed] "},
             Case{"no way to look", dns + "propagation = \"all\"\n",
                  "\"all\" is no way to look; accepted: \"authoritative\", \"resolvers\", \"server\", "
                  "\"none\""},
             Case{"no authoritative server", dns + "propagation = \"authoritative\"\n[dns]\npublic = false\n",
                  "[dns] public = false, so no authoritative server is asked; accepted: \"resolvers\""},
             Case{"a TTL of nothing", dns + "ttl = 0\n", "accepted: 1 to 86400"},
             Case{"a resolver by name", "[dns]\nservers = [\"one.one.one.one\"]\n",
                  "[config/wrong-value] renewd.toml:10:11: \"servers\" in [dns]"},
             Case{"a relative directory", "[agent]\nplugin_path = [\"plugins\"]\n",
                  "must be an absolute path"},
             Case{"an unknown key of DNS", "[dns]\nserver = \"x\"\n", "did you mean \"servers\"?"},
         }) {
        CAPTURE(c.name);
        const std::string problems = problems_of(c.text);
        CAPTURE(problems);
        CHECK(problems.find(c.wanted) != std::string::npos);
        CHECK(problems.find("s3cret") == std::string::npos);
    }
}
