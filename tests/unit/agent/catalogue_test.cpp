// SPDX-License-Identifier: Apache-2.0
#include "agent/config/catalogue.hpp"

#include <doctest/doctest.h>

#include "agent/plan/plan.hpp"
#include "tests/unit/agent/configuration_files.hpp"

using agent::Catalogue;
using agent::CertificateConfig;
using agent::Config;
using agent::ConfigFiles;

namespace {

std::uint64_t fingerprint(const Config& ground, const CertificateConfig& certificate) {
    return agent::plan_fingerprint(certificate, ground.agent.verify_every);
}

/// All ways to write a certificate down, and all that may stand between them.
const char* const kMain = R"(solver = "web"
contact = "ops <ops@example.com>"
[certificate."first.example.com"]
names = ["first.example.com", "first.example.org"]
[agent]
keep = 5
  [[certificate."first.example.com".target]]
  name = "one"
  deployer = "files"
  fullchain = "/srv/first/chain.pem"
  key = "/srv/first/key.pem"
  endpoints = ["https://first.example.com"]
[certificate."second.example.com"]
names = [ # and not yet
"second.example.com", #
  # [certificate."third.example.com"]
]
renew = '''
30d'''
hooks = { served = ["/bin/true"] }
)";
const char* const kConfD = R"(# a comment
certificate."dotted.example.com".renew = "10d"
certificate."inline.example.com" = { renew = "20d" }
[solver.other]
type = "http-01"
webroot = "/srv/www"
[certificate."last.example.com"]
[[certificate."last.example.com".target]]
name = "a"
deployer = "files"
fullchain = "/srv/last/a.pem"
key = "/srv/last/a.key"
endpoints = []
[[certificate."last.example.com".target]]
name = "b"
deployer = "files"
fullchain = "/srv/last/b.pem"
key = "/srv/last/b.key"
endpoints = [
  "https://last.example.com",
])";

struct Read {
    tests::ConfigurationFiles files;
    std::shared_ptr<const ConfigFiles> texts;

    Read() {
        files.write("renewd.toml", std::string(tests::kGround) + kMain);
        files.write("conf.d/more.toml", kConfD);
        auto loaded = agent::load_config_files(files.path("renewd.toml"));
        REQUIRE(loaded);
        texts = std::make_shared<const ConfigFiles>(std::move(*loaded));
    }
};

}  // namespace

TEST_CASE("catalogue: a certificate read by itself is what it is among all others") {
    const Read read;
    const auto whole = agent::parse_config(*read.texts);
    REQUIRE_MESSAGE(whole, read.files.problems());
    const auto catalogue = Catalogue::read(read.texts, fingerprint);
    REQUIRE(catalogue);
    CHECK(catalogue->ground().agent.keep == 5);
    CHECK(catalogue->ground().certificates.empty());
    CHECK(catalogue->ground().solvers.size() == whole->solvers.size());
    REQUIRE(catalogue->list().certificates.size() == whole->certificates.size());
    REQUIRE(whole->certificates.size() == 5);
    for (const auto& [name, certificate] : whole->certificates) {
        CAPTURE(name);
        const auto alone = catalogue->certificate(name);
        REQUIRE(alone);
        CHECK(alone->contact == certificate.contact);
        CHECK(alone->hooks == certificate.hooks);
        CHECK(alone->names == certificate.names);
        REQUIRE(alone->targets.size() == certificate.targets.size());
        CHECK(fingerprint(whole.value(), *alone) == fingerprint(whole.value(), certificate));
        CHECK(catalogue->find(name)->fingerprint == fingerprint(whole.value(), certificate));
    }
    CHECK_FALSE(catalogue->certificate("third.example.com"));
    CHECK_FALSE(catalogue->certificate(""));
}

TEST_CASE("catalogue: it is recalled for the same files, and for no others") {
    const Read read;
    const auto catalogue = Catalogue::read(read.texts, fingerprint);
    REQUIRE(catalogue);
    const std::string text = agent::to_text(catalogue->list(), *read.texts);
    auto list = agent::parse_catalogue(text, *read.texts);
    REQUIRE(list);
    CHECK(*list == catalogue->list());
    const auto recalled = Catalogue::recall(read.texts, *list);
    REQUIRE(recalled);
    CHECK(recalled->ground().agent.keep == 5);
    for (const agent::Listed& listed : catalogue->list().certificates) {
        CAPTURE(listed.name);
        const auto alone = recalled->certificate(listed.name);
        REQUIRE(alone);
        CHECK(fingerprint(recalled->ground(), *alone) == listed.fingerprint);
    }

    ConfigFiles other = *read.texts;
    other.texts.back().text += "\n";
    CHECK_FALSE(agent::parse_catalogue(text, other));
    other = *read.texts;
    other.texts.back().path += "x";
    CHECK_FALSE(agent::parse_catalogue(text, other));
    for (std::size_t i = 0; i < text.size(); i += 7) {
        std::string damaged = text;
        damaged[i] = static_cast<char>(damaged[i] ^ 1);
        CHECK_FALSE(agent::parse_catalogue(damaged, *read.texts));
        CHECK_FALSE(agent::parse_catalogue(text.substr(0, i), *read.texts));
    }
}

TEST_CASE("catalogue: what is wrong is found as in any other reading") {
    tests::ConfigurationFiles files;
    files.write("renewd.toml", std::string(tests::kGround) + "[certificate.\"a.example.com\"]\nnamse = []\n");
    auto texts = agent::load_config_files(files.path("renewd.toml"));
    REQUIRE(texts);
    const auto catalogue =
        Catalogue::read(std::make_shared<const ConfigFiles>(std::move(*texts)), fingerprint);
    REQUIRE_FALSE(catalogue);
    CHECK(catalogue.error().front().message.find(R"(did you mean "names"?)") != std::string::npos);
}

TEST_CASE(
    "catalogue: files of certificates are read one after the other, and what is wrong between them is told") {
    const auto certificate = [](const std::string& name, const std::string& chain) {
        return "# ours\n[certificate.\"" + name + "\"]\n[[certificate.\"" + name +
               "\".target]]\nname = \"a\"\ndeployer = \"files\"\nfullchain = \"" + chain +
               "\"\nkey = \"/srv/" + name + ".key\"\nendpoints = [\"https://" + name + "\"]\n";
    };
    const auto read = [](const tests::ConfigurationFiles& files) {
        auto loaded = agent::load_config_files(files.path("renewd.toml"));
        REQUIRE(loaded);
        return Catalogue::read(std::make_shared<const ConfigFiles>(std::move(*loaded)), fingerprint);
    };
    tests::ConfigurationFiles files;
    files.write("renewd.toml", std::string(tests::kGround) + kMain);
    files.write("conf.d/a.toml", certificate("a.example.com", "/srv/a.pem"));
    SUBCASE("nothing") {
        files.write("conf.d/b.toml", certificate("b.example.com", "/srv/b.pem"));
        const auto catalogue = read(files);
        REQUIRE(catalogue);
        CHECK(catalogue->list().certificates.size() == 4);
        CHECK(catalogue->list().ground == std::vector<std::uint32_t>{0});
        CHECK(catalogue->certificate("b.example.com")->targets.front().name == "a");
    }
    SUBCASE("one name, one path, and two texts that are no TOML") {
        files.write("conf.d/b.toml", certificate("a.example.com", "/srv/other.pem"));
        files.write("conf.d/c.toml", certificate("c.example.com", "/srv/a.pem"));
        files.write("conf.d/d.toml", "[certificate.\"d.example.com\"\n");
        files.write("conf.d/e.toml", "[certificate.\"e.example.com\"]\nrenew = \n");
        const auto catalogue = read(files);
        REQUIRE_FALSE(catalogue);
        std::string all;
        for (const base::Error& error : catalogue.error()) all += error.message + "\n";
        CAPTURE(all);
        CHECK(all.find("[certificate.\"a.example.com\"] stands already in " + files.path("conf.d/a.toml") +
                       ":2") != std::string::npos);
        CHECK(all.find("would both write /srv/a.pem") != std::string::npos);
        CHECK(all.find(files.path("conf.d/d.toml") + ":1") != std::string::npos);
        CHECK(all.find(files.path("conf.d/e.toml") + ":2") != std::string::npos);
    }
}
