// SPDX-License-Identifier: Apache-2.0
// Reading configurations: what is right becomes values, and what is wrong is told with file, line, column,
// key and what would be right.
#include "agent/config/config.hpp"

#include <algorithm>
#include <filesystem>
#include <ostream>

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "tests/unit/agent/configuration_files.hpp"

using namespace std::chrono_literals;

using tests::kGround;
using tests::problems_of;
using Files = tests::ConfigurationFiles;

namespace {

constexpr const char* kTarget = R"(
[certificate."example.com"]
[[certificate."example.com".target]]
name = "web"
deployer = "nginx"
include = "/etc/nginx/renewd/{certificate}.conf"
versions = "/etc/nginx/renewd/{certificate}.d"
)";

}  // namespace

TEST_CASE("config: the documentation's first example, with everything filled in") {
    const Files files;
    files.write("renewd.toml", std::string(kGround) + kTarget);
    CAPTURE(files.problems());
    const auto config = files.read();
    REQUIRE(config);
    const agent::CertificateConfig& certificate = config->certificates.at("example.com");
    CHECK(certificate.names.front().value == "example.com");
    CHECK(certificate.ca == std::vector<std::string>{"test"});
    CHECK(certificate.solver == "web");
    CHECK(certificate.key_type == base::KeyType::EcdsaP256);
    REQUIRE(certificate.targets.size() == 1);
    const agent::TargetConfig& target = certificate.targets.front();
    CHECK(target.parameters.include == "/etc/nginx/renewd/example.com.conf");
    CHECK(target.parameters.test == std::vector<std::string>{"nginx", "-t"});
    CHECK(target.parameters.reload == std::vector<std::string>{"systemctl", "reload", "nginx"});
    CHECK(target.parameters.mode == 0600);
    CHECK(target.verify_for == 60s);
    REQUIRE(target.endpoints.size() == 1);
    CHECK(target.endpoints.front().sni == "example.com");
    CHECK(target.endpoints.front().port == 443);
    CHECK(target.endpoints.front().address == "127.0.0.1");
    CHECK(config->cas.contains("letsencrypt"));
}

TEST_CASE("config: [defaults] and [defaults.target] hold where a certificate and a target are silent") {
    const Files files;
    files.write("renewd.toml", std::string(kGround) + R"(key_type = "rsa-3072"
[agent]
helper = "/run/renewd/apply.sock"
[defaults.target]
owner = "www-data"
verify_for = "5s"
)" + kTarget + "verify_for = \"7s\"\n");
    CAPTURE(files.problems());
    const auto config = files.read();
    REQUIRE(config);
    const agent::CertificateConfig& certificate = config->certificates.at("example.com");
    CHECK(config->agent.helper == "/run/renewd/apply.sock");
    CHECK(certificate.key_type == base::KeyType::Rsa3072);
    CHECK(certificate.targets.front().parameters.owner == "www-data");
    CHECK(certificate.targets.front().verify_for == 7s);
}

TEST_CASE("config: windows of all certificates, and of one") {
    const Files files;
    files.write("renewd.toml", std::string(kGround) + R"(window = "22:00-04:00 Europe/Berlin"
window_ends_at = "10%"
[certificate."a.example"]
[certificate."b.example"]
window = ["Sat,Sun 00:00-24:00 UTC", "Mon..Fri 01:00-05:00 UTC"]
[certificate."c.example"]
window = []
window_ends_at = "50%"
)");
    CAPTURE(files.problems());
    const auto config = files.read();
    REQUIRE(config);
    const auto& a = config->certificates.at("a.example");
    REQUIRE(a.windows.size() == 1);
    CHECK(agent::to_text(a.windows[0]) == "22:00-04:00 Europe/Berlin");
    CHECK(a.window_ends_at == doctest::Approx(0.1));
    CHECK(config->certificates.at("b.example").windows.size() == 2);
    CHECK(config->certificates.at("c.example").windows.empty());
    CHECK(config->certificates.at("c.example").window_ends_at == doctest::Approx(0.5));
}

TEST_CASE("config: conf.d is read in byte order, beside the main file") {
    const Files files;
    files.write("renewd.toml", kGround);
    files.write("conf.d/20.toml", "[certificate.\"b.example\"]\n");
    files.write("conf.d/10.toml", "[certificate.\"a.example\"]\n");
    files.write("conf.d/not-read.conf", "this is no TOML");
    const auto config = files.read();
    REQUIRE(config);
    CHECK(config->certificates.size() == 2);
    files.write("conf.d/30.toml", "[certificate.\"a.example\"]\n[agent]\njobs = 2\n");
    CHECK(files.problems() ==
          "[config/conflict] conf.d/30.toml:2:2: [agent] stands only in the main file, renewd.toml\n"
          "[config/conflict] conf.d/30.toml:1:14: [certificate.\"a.example\"] stands already in "
          "conf.d/10.toml:1\n");
}

TEST_CASE("config: a configuration file may be a symbolic link") {
    const Files files;
    files.write("elsewhere/real.toml", kGround);
    std::filesystem::create_symlink(files.path("elsewhere/real.toml"), files.path("renewd.toml"));
    CHECK(files.problems().empty());
}

TEST_CASE("config: what is wrong is told with its place, its key and what would be right") {
    struct Case {
        std::string_view name;
        std::string text;
        std::string_view wanted;  // somewhere in the problems
    };

    const std::string cert = "[certificate.\"example.com\"]\n";
    const std::string tgt = std::string(kTarget);
    std::string hundred_and_one;
    for (int i = 0; i <= 100; ++i) hundred_and_one += "\"n" + std::to_string(i) + ".example\", ";
    for (const Case& c : {
             Case{"no TOML", "[certificate", "[config/syntax] renewd.toml:9:"},
             Case{"a bare name", "[certificate.example.com]\n",
                  "[config/unknown-key] renewd.toml:9:1: [certificate.example.com] is read as certificate "
                  "\"example\" with a key \"com\"; write  [certificate.\"example.com\"]"},
             Case{"an unknown key", tgt + "endpoint = []\n",
                  "[config/unknown-key] renewd.toml:16:1: unknown key \"endpoint\" in target web of "
                  "certificate \"example.com\"; did you mean \"endpoints\"?"},
             Case{"an unknown table", "[certificat.x]\n", "did you mean \"certificate\"?"},
             Case{"an unknown CA", cert + "ca = \"letsencript\"\n",
                  "there is no [ca.letsencript]; did you mean \"letsencrypt\"?"},
             Case{"plain http", "[ca.bad]\ndirectory = \"http://ca.test/dir\"\n", "must be an https:// URL"},
             Case{"a limit that there is not", "[ca.letsencrypt]\nlimits = { new-order = 3000 }\n",
                  "[config/unknown-key] renewd.toml:10:12: unknown key \"new-order\" in [ca.letsencrypt] "
                  "limits; did you mean \"new-orders\"?"},
             Case{"a limit that lets nothing through", "[ca.letsencrypt]\nlimits = { new-orders = 0 }\n",
                  "accepted: 1 to 1000000"},
             Case{"limits that nobody knows",
                  "[ca.other]\ndirectory = \"https://ca.test/dir\"\nlimits = { new-orders = 300 }\n",
                  "\"limits\" in [ca.other]: what this CA limits is not known to renewd"},
             Case{"a name that leaves the state directory", "[certificate.\"../../etc\"]\n",
                  "cannot name a certificate"},
             Case{"a target's name with a slash",
                  cert + "[[certificate.\"example.com\".target]]\nname = \"a/b\"\ndeployer = \"files\"\nkey "
                         "= \"/k\"\nendpoints = []\n",
                  "cannot be a name here"},
             Case{"more names than a certificate takes", cert + "names = [" + hundred_and_one + "]\n",
                  "holds more than 100 names"},
             Case{"no identifier", cert + "names = [\"exa_mple.com\"]\n", "exa_mple.com"},
             Case{"a name twice", cert + "names = [\"a.test\", \"A.test\"]\n", "stands twice"},
             Case{"a wildcard over http-01", cert + "names = [\"*.example.com\"]\n",
                  "*.example.com: a wildcard is proven through DNS alone (RFC 8555 §7.1.3), but [solver.web] "
                  "is "
                  "of type \"http-01\"; write a [solver.X] of type \"dns-01\" with  for = "
                  "[\"*.example.com\"]"},
             Case{"one name in two scripts", cert + "names = [\"xn--bcher-kva.test\", \"bücher.test\"]\n",
                  "\"xn--bcher-kva.test\" stands twice (\"bücher.test\" is read so)"},
             Case{"a window without hours", cert + "window = [\"Mon..Fri 01:00-05:00 UTC\", \"Mon..Fri\"]\n",
                  "[config/wrong-value] renewd.toml:10:39: \"window\" in certificate \"example.com\": "
                  "\"Mon..Fri\" is no window: it names no hours; accepted: \"[DAYS] HH:MM-HH:MM [ZONE]\""},
             Case{"a share that is none", cert + "window_ends_at = \"a quarter\"\n",
                  R"("a quarter" is no share; accepted: "0%" to "99%", such as "25%")"},
             Case{"a wrong type", cert + "names = 7\n",
                  "needs a string or a list of strings, not a whole number"},
             Case{"a duration without a unit", cert + "renew = \"30\"\n",
                  R"(accepted: "90s", "15m", "12h", "30d")"},
             Case{"looks without a pause", "[agent]\nverify_every = \"0s\"\n",
                  R"("verify_every" in [agent]: "0s" is no time at all; accepted: "1s" or more)"},
             Case{"hooks without time", "[hooks]\ntimeout = \"0m\"\n",
                  R"("timeout" in [hooks]: "0m" is no time at all; accepted: "1s" or more)"},
             Case{"a key type", cert + "key_type = \"ed25519\"\n", "ecdsa-p256"},
             Case{"a relative path",
                  cert + "[[certificate.\"example.com\".target]]\nname = \"w\"\ndeployer = \"files\"\nkey = "
                         "\"k.pem\"\nendpoints = []\n",
                  "must be an absolute path"},
             Case{"a path that climbs",
                  cert + "[[certificate.\"example.com\".target]]\nname = \"w\"\ndeployer = \"files\"\nkey = "
                         "\"/etc/../k\"\nendpoints = []\n",
                  "must not contain \"..\""},
             Case{"a key for everybody", tgt + "mode = \"0644\"\n", "would let others read a private key"},
             Case{"an unknown variable",
                  cert + "[[certificate.\"example.com\".target]]\nname = \"w\"\ndeployer = \"files\"\nkey = "
                         "\"/k/{domain}\"\nendpoints = []\n",
                  "\"{domain}\" is no variable; known: {certificate}"},
             Case{"nowhere to write to",
                  cert + "[[certificate.\"example.com\".target]]\nname = \"w\"\ndeployer = \"nginx\"\n",
                  "[config/missing] renewd.toml:10:1: target w of certificate \"example.com\": says nowhere "
                  "to write to"},
             Case{"include without versions",
                  cert + "[[certificate.\"example.com\".target]]\nname = \"w\"\ndeployer = "
                         "\"nginx\"\ninclude = \"/a\"\n",
                  "belong together"},
             Case{"a verification that outlasts the way back", tgt + "verify_for = \"41m\"\n",
                  "is longer than what was there before can be kept ready; accepted: up to \"40m\""},
             Case{"a shell line for argv", tgt + "reload = \"systemctl reload nginx\"\n",
                  "a program and its arguments as a list"},
             Case{"no such deployer",
                  cert + "[[certificate.\"example.com\".target]]\nname = \"w\"\ndeployer = \"ngnix\"\n",
                  R"(accepted: "files", "nginx")"},
             Case{"a deployer to come",
                  cert + "[[certificate.\"example.com\".target]]\nname = \"w\"\ndeployer = \"haproxy\"\n",
                  "[config/not-built]"},
             Case{"files without endpoints",
                  cert + "[[certificate.\"example.com\".target]]\nname = \"w\"\ndeployer = \"files\"\nkey = "
                         "\"/k\"\n",
                  "list its endpoints"},
             Case{"no such host", tgt + "host = \"web9\"\n", "there is no [host.web9]"},
             Case{"a key of a later version", cert + "deploy_to = []\n",
                  R"([config/not-built] renewd.toml:10:13: "deploy_to")"},
             Case{"a table of a later version", "[notice.mail]\ntype = \"smtp\"\n",
                  "[notice] is not built yet"},
             Case{"a number out of range", "[agent]\njobs = 0\n", "accepted: 1 to 1024"},
             Case{"a helper's socket that is no path", "[agent]\nhelper = \"apply.sock\"\n",
                  "must be an absolute path"},
             Case{"a helper's socket that no socket can be called",
                  "[agent]\nhelper = \"/run/" + std::string(103, 'x') + "\"\n", "at most 107 bytes"},
             Case{"an endpoint's scheme", tgt + "endpoints = [\"http://example.com\"]\n",
                  "[config/wrong-value] renewd.toml:16:"},
             Case{"an unknown key among the defaults of targets", "[defaults.target]\nownr = \"root\"\n",
                  "[config/unknown-key] renewd.toml:10:1: unknown key \"ownr\" in target of certificate "
                  "\"[defaults.target]\"; did you mean "
                  "\"owner\"?"},
             Case{"a control character", cert + "contact = \"a\\nb\"\n", "control character"},
         }) {
        CAPTURE(c.name);
        const std::string problems = problems_of(c.text);
        CAPTURE(problems);
        CHECK(problems.find(c.wanted) != std::string::npos);
    }
}

TEST_CASE("config: the numbers of limits that a CA has agreed on with its subscriber") {
    const Files files;
    files.write(
        "renewd.toml",
        std::string(kGround) + "[ca.letsencrypt]\nlimits = { new-orders = 3000, failures-in-a-row = 9 }\n");
    CAPTURE(files.problems());
    const auto config = files.read();
    REQUIRE(config);
    const auto limits = config->cas.at("letsencrypt").known_limits();
    const auto usual = agent::limits_of("https://acme-v02.api.letsencrypt.org/directory");
    REQUIRE(limits.size() == usual.size());
    const auto of = [](std::span<const agent::CaLimit> all, std::string_view id) {
        return *std::ranges::find(all, id, &agent::CaLimit::id);
    };
    CHECK(agent::words_of(of(limits, "new-orders")) == "3,000 new orders in 3 h");
    CHECK(of(limits, "new-orders").per == of(usual, "new-orders").per);
    CHECK(of(limits, "failures-in-a-row").per == std::chrono::days(9));
    CHECK(of(limits, "same-names").most == of(usual, "same-names").most);
    CHECK(config->cas.at("letsencrypt-staging").known_limits().data() ==
          agent::limits_of("https://acme-staging-v02.api.letsencrypt.org/directory").data());
    CHECK(config->cas.at("test").known_limits().empty());
}

TEST_CASE("config: all problems are told at once") {
    const std::string problems =
        problems_of("[certificate.\"a.test\"]\nkey_tipe = \"x\"\nca = \"nowhere\"\n[agent]\njobs = 0\n");
    CHECK(problems.find("key_tipe") != std::string::npos);
    CHECK(problems.find("nowhere") != std::string::npos);
    CHECK(problems.find("jobs") != std::string::npos);
}

TEST_CASE("config: two targets that would write one path are told, whichever certificates they belong to") {
    const std::string second =
        "[certificate.\"other.example\"]\n[[certificate.\"other.example\".target]]\nname = \"web\"\ndeployer "
        "= \"nginx\"\n"
        "include = \"/etc/nginx/renewd/example.com.conf\"\nversions = \"/etc/nginx/renewd/other.d\"\n";
    CHECK(problems_of(kTarget + second).find("would both write /etc/nginx/renewd/example.com.conf") !=
          std::string::npos);
}

TEST_CASE("config: a secret that others can read is told with the chmod that mends it") {
    const Files files;
    const std::string key = files.path("id_ed25519");
    files.write("id_ed25519", "not really a key", 0644);
    files.write("renewd.toml",
                std::string(kGround) + "[host.web]\nssh = \"root@web\"\nidentity_file = \"" + key + "\"\n");
    CHECK(files.problems().find("[config/secret-exposed]") == 0);
    CHECK(files.problems().find("chmod 600") != std::string::npos);
    REQUIRE(::chmod(key.c_str(), 0600) == 0);
    CHECK(files.problems().empty());
    std::filesystem::remove(key);
    CHECK(files.problems().find("[config/unreadable]") == 0);
}

TEST_CASE("config: a file that is not there") {
    const Files files;
    CHECK(files.problems().find("[config/unreadable]") == 0);
}

TEST_CASE("config: the most specific solver takes a name") {
    const Files files;
    files.write("renewd.toml", std::string(kGround) + R"(solver = "web"
[solver.below]
type = "http-01"
webroot = "/var/www/html"
for = ["*.example.com"]
[solver.one]
type = "http-01"
webroot = "/srv/one"
for = ["one.example.com"]
[certificate.x]
names = ["example.com", "a.example.com", "one.example.com"]
)");
    CAPTURE(files.problems());
    const auto config = files.read();
    REQUIRE(config);
    const agent::CertificateConfig& certificate = config->certificates.at("x");
    CHECK(agent::solver_for(*config, certificate, certificate.names[0])->name == "web");
    CHECK(agent::solver_for(*config, certificate, certificate.names[1])->name == "below");
    CHECK(agent::solver_for(*config, certificate, certificate.names[2])->name == "one");
}

TEST_CASE("config: an external account binding, its key from wherever secrets come from") {
    const auto with_binding = [](const Files& files, const std::string& binding) {
        files.write("renewd.toml", "[ca.x]\ndirectory = \"https://x.test/dir\"\neab = " + binding + "\n");
    };
    const Files files;
    files.write("eab", "c2VjcmV0", 0600);
    with_binding(files, R"({ kid = "k1", key_file = ")" + files.path("eab") + "\" }");
    REQUIRE(files.read());
    const agent::BindingConfig binding = files.read()->cas.at("x").eab.value();
    CHECK(binding.kid == "k1");
    CHECK(binding.key.name == files.path("eab"));
    CHECK((binding.algorithm == acme::MacAlgorithm::Hs256));
    with_binding(files, R"({ kid = "k1", key_env = "EAB", algorithm = "HS512" })");
    CHECK((files.read()->cas.at("x").eab.value().algorithm == acme::MacAlgorithm::Hs512));

    for (const auto& [wrong, told] :
         {std::pair(R"({ key_env = "EAB" })", "\"kid\" is missing"),
          std::pair(R"({ kid = "k1" })", "accepted: key_file, key_credential, key_env, key_command"),
          std::pair(R"({ kid = "k1", key = "c2VjcmV0" })", "is a secret"),
          std::pair(R"({ kid = "k1", key_env = "EAB", algorithm = "RS256" })", R"("HS256", "HS384")"),
          std::pair(R"({ kid = "k1", key_env = "EAB", alg = "HS256" })", "unknown key \"alg\""),
          std::pair(R"("k1")", "needs a table")}) {
        CAPTURE(wrong);
        with_binding(files, wrong);
        const std::string problems = files.problems();
        CHECK(problems.find(told) != std::string::npos);
        CHECK(problems.find("c2VjcmV0") == std::string::npos);
        CHECK(std::ranges::count(problems, '\n') == 1);
    }
}
