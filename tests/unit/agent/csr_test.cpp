// SPDX-License-Identifier: Apache-2.0
// A request of the user's own from the configuration to the store: its names and key are the certificate's,
// and no private key turns up anywhere.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <ostream>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "agent/memory/file_store.hpp"
#include "agent/tell/key_words.hpp"
#include "agent/tell/status.hpp"
#include "base/encoding.hpp"
#include "tests/unit/agent/fixtures.hpp"
#include "tests/unit/base/requests.hpp"
#include "tests/unit/base/temporary_directory.hpp"
#include "tests/unit/base/test_ca.hpp"

using fixtures::kNow;
using namespace std::chrono_literals;

namespace {

constexpr const char* kGround = R"([ca.test]
directory = "https://ca.test/dir"
[solver.web]
type = "http-01"
listen = "*:80"
[defaults]
ca = "test"
key_type = "rsa-3072"
[certificate.mail]
)";

constexpr const char* kFullchain = R"([[certificate.mail.target]]
name = "here"
deployer = "nginx"
fullchain = "/etc/nginx/tls/mail.crt"
)";

const base::PrivateKey& key() {
    static const base::PrivateKey made = base::PrivateKey::generate(base::KeyType::EcdsaP384).value();
    return made;
}

std::string good_pem() {
    return tests::request_pem(key().handle(), {.names = "DNS:mail.example.com,DNS:a.example.com"});
}

/// A configuration with the file mail.csr beside it; "CSR" in the text stands for its path.
class Files {
  public:
    explicit Files(const std::string& request = good_pem()) { write("mail.csr", request); }

    void write(const std::string& name, const std::string& text) const {
        std::ofstream(directory_ / name) << text;
    }

    [[nodiscard]] std::string csr() const { return directory_ / "mail.csr"; }

    [[nodiscard]] auto read(std::string text) const {
        if (const auto at = text.find("CSR"); at != std::string::npos) text.replace(at, 3, csr());
        write("renewd.toml", kGround + text);
        return agent::read_config(directory_ / "renewd.toml");
    }

    [[nodiscard]] std::string problems(const std::string& text) const {
        std::string all;
        if (const auto config = read(text); !config) {
            for (const base::Error& error : config.error())
                all += "[" + std::string(base::to_string(error.code)) + "] " + error.message + "\n";
        }
        return all;
    }

  private:
    tests::TemporaryDirectory directory_;
};

agent::CertificateConfig certificate_with_request() {
    agent::CertificateConfig certificate = fixtures::certificate();
    certificate.csr = "/etc/renewd/mail.csr";
    certificate.request =
        base::parse_request(tests::request_pem(key().handle(), {.names = "DNS:example.com"})).value();
    return certificate;
}

/// Of every file below it.
bool holds_private_key(const std::string& directory) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
        if (!entry.is_regular_file()) continue;
        std::ifstream file(entry.path());
        const std::string text(std::istreambuf_iterator<char>(file), {});
        if (text.find("PRIVATE KEY") != std::string::npos || entry.path().filename() == "privkey.pem")
            return true;
    }
    return false;
}

}  // namespace

TEST_CASE("csr: the request's names are the certificate's, and its key type is no wish") {
    const Files files;
    for (const std::string names :
         {"", "names = [\"a.example.com\", \"MAIL.example.com\"]\n", "key_type = \"ecdsa-p384\"\n"}) {
        CAPTURE(names);
        const std::string text = "csr = \"CSR\"\n" + names + kFullchain;
        CAPTURE(files.problems(text));
        const auto config = files.read(text);
        REQUIRE(config);
        const agent::CertificateConfig& certificate = config->certificates.at("mail");
        CHECK(certificate.csr == files.csr());
        REQUIRE(certificate.request);
        CHECK(certificate.names.size() == 2);
        const agent::OrderedFor wanted = agent::wanted_order(certificate, "test");
        CHECK(wanted.names == std::vector<std::string>{"a.example.com", "mail.example.com"});
        CHECK(wanted.key_type == "ecdsa-p384");
        CHECK(wanted.request_key == base::sha256_hex(key().public_key_der()));
        CHECK(agent::key_words(certificate) == "the user's own (csr " + files.csr() + "), ecdsa-p384");
    }
    const auto without = files.read("names = [\"a.example.com\"]\n");
    REQUIRE(without);
    CHECK(agent::wanted_order(without->certificates.at("mail"), "test").request_key.empty());
    CHECK(agent::key_words(without->certificates.at("mail")) == "rsa-3072");
}

TEST_CASE("csr: what cannot be with a request of one's own is told") {
    const base::PkeyPtr weak(EVP_RSA_gen(1024U));
    const std::string csr = "csr = \"CSR\"\n";
    const std::string target = "[[certificate.mail.target]]\nname = \"here\"\ndeployer = \"nginx\"\n";

    std::string other = target;
    other.replace(other.find("here"), 4, "there");

    struct Case {
        std::string_view name;
        std::string request;
        std::string text;
        std::string_view problem;
    };

    for (const Case& c : {
             Case{"no file", good_pem(), std::string("csr = \"/no/such.csr\"\n") + kFullchain,
                  "[config/unreadable]"},
             Case{"garbage", "hello", csr + kFullchain, "mail.csr: it is no certificate request"},
             Case{"too long", std::string(70000, 'x'), csr + kFullchain, "[config/unreadable]"},
             Case{"a weak key", tests::request_pem(weak.get(), {.names = "DNS:a.example"}), csr + kFullchain,
                  "mail.csr: its key is an RSA key of 1024 bits; 2048 to 8192 are accepted; make a new key"},
             Case{"other names", good_pem(),
                  csr + "names = [\"a.example.com\", \"b.example.com\"]\n" + kFullchain,
                  "it does not ask for b.example.com; it also asks for mail.example.com"},
             Case{"another key type", good_pem(), csr + "key_type = \"rsa-2048\"\n" + kFullchain,
                  "is \"rsa-2048\", and the key of the request"},
             Case{"no target", good_pem(), csr, "needs exactly one target"},
             Case{"two targets", good_pem(),
                  csr + kFullchain + other + "fullchain = \"/etc/nginx/tls/other.crt\"\n", "there are 2"},
             Case{"a place for the key", good_pem(), csr + kFullchain + "key = \"/etc/nginx/tls/mail.key\"\n",
                  "[config/conflict]"},
             Case{"a combined file", good_pem(), csr + target + "combined = \"/etc/nginx/tls/mail.pem\"\n",
                  "\"combined\" of target here would hold it"},
             Case{"an include file", good_pem(),
                  csr + target + "include = \"/etc/n/x.conf\"\nversions = \"/etc/n/x.d\"\n",
                  "\"include\" of target here would hold it"},
         }) {
        CAPTURE(c.name);
        const std::string problems = Files(c.request).problems(c.text);
        CAPTURE(problems);
        CHECK(problems.find(c.problem) != std::string::npos);
        CHECK(problems.find("renewd.toml:") != std::string::npos);
        CHECK(std::ranges::count(problems, '\n') == 1);
    }
    const Files files;
    files.write("renewd.toml", "[defaults]\ncsr = \"" + files.csr() + "\"\n");
    const auto config = agent::read_config(files.csr().substr(0, files.csr().rfind('/')) + "/renewd.toml");
    REQUIRE_FALSE(config);
    CHECK(config.error().front().message.find("belongs to a certificate") != std::string::npos);
}

TEST_CASE(
    "csr: a request with another key asks for a new order, another request with the same key does not") {
    agent::CertificateConfig certificate = certificate_with_request();
    agent::Record record = fixtures::well();
    const auto reason = [&] {
        return agent::plan(certificate, record, {.now = kNow, .verify_every = 1h}).renewal.reason;
    };
    CHECK(reason() == agent::RenewalReason::ConfigChanged);  // from a key of ours to the user's
    record.generations.back().ordered_for = agent::wanted_order(certificate, "letsencrypt");
    CHECK(reason() == agent::RenewalReason::Lifetime);
    // ECDSA signatures differ each time: the same request, made again.
    certificate = certificate_with_request();
    CHECK(reason() == agent::RenewalReason::Lifetime);
    const auto other = base::PrivateKey::generate(base::KeyType::EcdsaP384).value();
    certificate.request =
        base::parse_request(tests::request_pem(other.handle(), {.names = "DNS:example.com"})).value();
    CHECK(reason() == agent::RenewalReason::ConfigChanged);
    certificate.request.reset();
    CHECK(reason() == agent::RenewalReason::ConfigChanged);
}

TEST_CASE("csr: the store keeps the request in the key's place, and never a private key") {
    const tests::TemporaryDirectory directory;
    base::SystemFiles files;
    const std::string state = directory / "state";
    const auto store = agent::FileStore::open(files, state, /*allow_volatile=*/true).value();
    const auto lease = store->lease("example.com").value();
    const agent::CertificateConfig certificate = certificate_with_request();
    const agent::OpenOrder order{.ordered_for = agent::wanted_order(certificate, "letsencrypt"),
                                 .started_at = kNow,
                                 .request_der = certificate.request->der};
    REQUIRE(store->begin_order("example.com", order));
    const auto open = store->open_orders("example.com").value();
    REQUIRE(open.size() == 1);
    CHECK(open[0].ordered_for == order.ordered_for);
    CHECK(open[0].request_der == order.request_der);
    CHECK(open[0].key_pem.empty());

    const auto root = test_ca::make_root("Root");
    const base::Chain chain{test_ca::issue(root, {.public_key = key().handle(), .names = certificate.names}),
                            root.certificate};
    agent::GenerationRecord record = fixtures::generation(1);
    record.ordered_for = order.ordered_for;
    record.sha256 = chain.front().sha256();
    REQUIRE(store->complete("example.com", record, chain));
    // The record was never saved: it is put together again from the generation.
    const auto rebuilt = store->load("example.com").value();
    REQUIRE(rebuilt);
    REQUIRE(rebuilt->generations.size() == 1);
    CHECK(rebuilt->generations.front() == record);
    const auto generation = store->generation("example.com", 1);
    REQUIRE(generation);
    CHECK_FALSE(generation->has_key());
    CHECK(generation->key_pem.empty());
    CHECK(generation->request_key == base::sha256_hex(key().public_key_der()));
    const std::string home = state + "/certificates/example.com/1/";
    CHECK(std::filesystem::exists(home + "request.der"));
    std::ifstream meta(home + "meta.json");
    const auto said = nlohmann::json::parse(meta);
    CHECK(said["generation"]["key"] == "request");
    CHECK_FALSE(holds_private_key(state));

    REQUIRE(store->begin_order("example.com", order));
    std::filesystem::remove(state + "/certificates/example.com/next-letsencrypt/request.der");
    const auto damaged = store->open_orders("example.com");
    REQUIRE_FALSE(damaged);
    CHECK(base::to_string(damaged.error().code) == "state/corrupt");
}

TEST_CASE("csr: a record of before there were requests is one with keys of our own") {
    const agent::GenerationRecord generation = fixtures::generation(3);
    auto document = nlohmann::json::parse(agent::to_text(generation));
    auto& content = document["generation"];
    content.erase("key");
    content.erase("request_key");
    document["digest"] = base::sha256_hex(content.dump());
    const auto read = agent::parse_generation(document.dump());
    REQUIRE(read);
    CHECK(*read == generation);
}

TEST_CASE("csr: status says whose key it is") {
    const agent::CertificateConfig own = certificate_with_request();
    const agent::CertificateConfig ours = fixtures::certificate();
    const auto key_of = [](const agent::CertificateConfig& certificate) {
        return agent::to_json(agent::status_of(certificate, fixtures::well(), false, 1h, kNow))["key"];
    };
    CHECK(key_of(own) ==
          nlohmann::json{{"origin", "request"}, {"type", "ecdsa-p384"}, {"csr", "/etc/renewd/mail.csr"}});
    CHECK(key_of(ours) == nlohmann::json{{"origin", "renewd"}, {"type", "ecdsa-p256"}, {"csr", nullptr}});
    agent::Record removed = fixtures::well();
    removed.generations.back().ordered_for = agent::wanted_order(own, "letsencrypt");
    CHECK(agent::to_json(agent::removed_status(removed))["key"] ==
          nlohmann::json{{"origin", "request"}, {"type", "ecdsa-p384"}, {"csr", nullptr}});
}
