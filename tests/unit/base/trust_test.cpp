// SPDX-License-Identifier: Apache-2.0
// A pair is proven or its fault is named, one row for every way to be wrong; and what leads to an anchor.
#include <fstream>
#include <ostream>

#include <doctest/doctest.h>

#include "base/certificate.hpp"
#include "tests/unit/base/key_fixtures.hpp"
#include "tests/unit/base/temporary_directory.hpp"
#include "tests/unit/base/test_ca.hpp"

using base::Anchors;
using base::Certificate;
using base::Chain;
using base::Code;
using base::Identifier;
using base::Instant;
using base::KeyType;
using base::PrivateKey;
using base::Seconds;
using test_ca::Authority;
using Judgement = base::Anchors::Judgement;

namespace base {

static doctest::String toString(Judgement judgement) {
    switch (judgement) {
        case Judgement::Trusted:
            return "Trusted";
        case Judgement::IncompleteChain:
            return "IncompleteChain";
        case Judgement::Untrusted:
            return "Untrusted";
    }
    return "?";
}

}  // namespace base

namespace {

const Instant kFrom{Seconds(1'800'000'000)};  // 2027-01-15T08:00:00Z
const Instant kNow = kFrom + std::chrono::hours(24);
const Instant kUntil = kFrom + std::chrono::hours(90 * 24);

std::vector<Identifier> names_of(const std::vector<std::string_view>& texts) {
    std::vector<Identifier> names;
    names.reserve(texts.size());
    for (const std::string_view text : texts) names.push_back(base::parse_identifier(text).value());
    return names;
}

PrivateKey make_key() {
    return PrivateKey::generate(KeyType::EcdsaP256).value();
}

/// A hierarchy of three, and a key with a leaf under it.
struct Family {
    Authority root = test_ca::make_root("Test Root");
    Authority intermediate = test_ca::make_intermediate(root, "Test Intermediate");
    PrivateKey key = make_key();
    std::vector<Identifier> names = names_of({"example.com", "www.example.com"});
    Certificate leaf = issue(kFrom, kUntil);

    [[nodiscard]] Certificate issue(Instant from, Instant until, bool is_ca = false) const {
        return test_ca::issue(intermediate, {.public_key = key.handle(),
                                             .names = names,
                                             .not_before = from,
                                             .not_after = until,
                                             .is_ca = is_ca});
    }

    [[nodiscard]] Chain chain() const { return {leaf, intermediate.certificate}; }
};

/// A file in a directory of its own, gone with it.
class TemporaryFile {
  public:
    explicit TemporaryFile(const std::string& text) { std::ofstream(path()) << text; }

    [[nodiscard]] std::string path() const { return directory_ / "anchors.pem"; }

  private:
    tests::TemporaryDirectory directory_;
};

}  // namespace

TEST_CASE("pair: proven") {
    const Family family;
    const std::string key = family.key.public_key_der();
    const Chain whole{family.leaf, family.intermediate.certificate, family.root.certificate};
    CHECK(base::prove_pair(family.chain(), key, family.names, kNow, Code::DeployUnproven).has_value());
    CHECK(base::prove_pair(whole, key, family.names, kNow, Code::DeployUnproven).has_value());
    // Linkage is proven among what is there; whether it leads to somebody trusted is Anchors' business.
    CHECK(base::prove_pair({family.leaf}, key, family.names, kNow, Code::DeployUnproven).has_value());
    // Names are a set: order and repetition say nothing.
    const auto reordered = names_of({"www.example.com", "example.com", "www.example.com"});
    CHECK(base::prove_pair(family.chain(), key, reordered, kNow, Code::DeployUnproven).has_value());
}

TEST_CASE("pair: every way to be wrong is named") {
    const Family family;
    const PrivateKey other_key = make_key();
    const Authority stranger = test_ca::make_intermediate(family.root, "Other Intermediate");
    const Authority impostor = test_ca::make_intermediate(family.root, "Test Intermediate");
    const std::string pair_key = family.key.public_key_der();
    using std::chrono::minutes;

    struct Case {
        std::string_view name;
        Chain chain;
        std::string key;
        std::vector<Identifier> names;
        Instant now;
        std::string_view says;
    };

    for (const Case& c : std::vector<Case>{
             {"no certificate", {}, pair_key, family.names, kNow, "there is no certificate"},
             {"other key", family.chain(), other_key.public_key_der(), family.names, kNow,
              "private key does not belong to the certificate"},
             {"no key", family.chain(), "", family.names, kNow, "private key does not belong"},
             {"missing name", family.chain(), pair_key,
              names_of({"example.com", "www.example.com", "new.example"}), kNow, "does not hold new.example"},
             {"extra name", family.chain(), pair_key, names_of({"example.com"}), kNow,
              "also holds www.example.com, which was not asked for"},
             {"no names wanted",
              family.chain(),
              pair_key,
              {},
              kNow,
              "also holds example.com, www.example.com"},
             {"many missing", family.chain(), pair_key,
              names_of({"a.example", "b.example", "c.example", "d.example", "e.example", "f.example"}), kNow,
              "a.example, b.example, c.example, d.example and 2 more"},
             {"expired", family.chain(), pair_key, family.names, kUntil, "expired at 2027-04-15T08:00:00Z"},
             {"not valid yet", family.chain(), pair_key, family.names, kFrom - minutes(5) - Seconds(1),
              "not valid yet, only from 2027-01-15T08:00:00Z"},
             {"next is another CA",
              {family.leaf, stranger.certificate},
              pair_key,
              family.names,
              kNow,
              "certificate 1 () is not signed by certificate 2 (CN=Other Intermediate)"},
             {"next has the name, not the key",
              {family.leaf, impostor.certificate},
              pair_key,
              family.names,
              kNow,
              "certificate 1 () is not signed by certificate 2"},
             {"wrong order",
              {family.leaf, family.root.certificate, family.intermediate.certificate},
              pair_key,
              family.names,
              kNow,
              "certificate 1 () is not signed by certificate 2 (CN=Test Root)"},
             {"broken further up",
              {family.leaf, family.intermediate.certificate, stranger.certificate},
              pair_key,
              family.names,
              kNow,
              "certificate 2 (CN=Test Intermediate) is not signed by certificate 3"},
             {"a CA as leaf",
              {family.issue(kFrom, kUntil, /*is_ca=*/true), family.intermediate.certificate},
              pair_key,
              family.names,
              kNow,
              "is a CA's"},
             {"an intermediate as leaf",
              {family.intermediate.certificate, family.root.certificate},
              family.intermediate.key.public_key_der(),
              {},
              kNow,
              "is a CA's"},
         }) {
        CAPTURE(c.name);
        const auto proof = base::prove_pair(c.chain, c.key, c.names, c.now, Code::DeployUnproven);
        REQUIRE_FALSE(proof.has_value());
        CHECK(to_string(proof.error().code) == "deploy/unproven");
        CAPTURE(proof.error().message);
        CHECK(proof.error().message.find(c.says) != std::string::npos);
    }
}

TEST_CASE("pair: the edges of validity") {
    const Family family;
    const auto proven_at = [&family](Instant now) {
        return base::prove_pair(family.chain(), family.key.public_key_der(), family.names, now,
                                Code::CaWrongCertificate)
            .has_value();
    };
    CHECK(proven_at(kUntil - Seconds(1)));
    CHECK_FALSE(proven_at(kUntil));
    CHECK(proven_at(kFrom - std::chrono::minutes(5)));
    CHECK_FALSE(proven_at(kFrom - std::chrono::minutes(5) - Seconds(1)));
}

TEST_CASE("anchors: what leads to one, and what does not") {
    const Family family;
    const Family unknown;
    const TemporaryFile root_file(family.root.certificate.pem());
    const TemporaryFile intermediate_file(family.intermediate.certificate.pem());
    const TemporaryFile leaf_file(family.leaf.pem());
    const Authority expired = test_ca::make_intermediate(family.root, "Expired", kNow - Seconds(1));
    const Certificate under_expired = test_ca::issue(
        expired,
        {.public_key = family.key.handle(), .names = family.names, .not_before = kFrom, .not_after = kUntil});

    struct Case {
        std::string_view name;
        std::vector<std::string> files;
        Chain served;
        Instant now;
        Judgement want;
    };

    const Chain whole{family.leaf, family.intermediate.certificate, family.root.certificate};
    for (const Case& c : std::vector<Case>{
             {"root known", {root_file.path()}, family.chain(), kNow, Judgement::Trusted},
             {"root known and served", {root_file.path()}, whole, kNow, Judgement::Trusted},
             {"root known, order wrong",
              {root_file.path()},
              {family.leaf, family.root.certificate, family.intermediate.certificate},
              kNow,
              Judgement::Trusted},
             {"intermediate is the anchor",
              {intermediate_file.path()},
              {family.leaf},
              kNow,
              Judgement::Trusted},
             {"leaf is the anchor", {leaf_file.path()}, {family.leaf}, kNow, Judgement::Trusted},
             {"leaf expired is not judged",
              {root_file.path()},
              family.chain(),
              kUntil + Seconds(1),
              Judgement::Trusted},
             {"leaf not valid yet is not judged",
              {root_file.path()},
              family.chain(),
              kFrom - Seconds(1),
              Judgement::Trusted},
             {"intermediate expired",
              {root_file.path()},
              {under_expired, expired.certificate},
              kNow,
              Judgement::Untrusted},
             {"intermediate not served", {root_file.path()}, {family.leaf}, kNow, Judgement::IncompleteChain},
             {"the wrong intermediate served",
              {root_file.path()},
              {family.leaf, unknown.intermediate.certificate},
              kNow,
              Judgement::IncompleteChain},
             {"root unknown, not served",
              {root_file.path()},
              unknown.chain(),
              kNow,
              Judgement::IncompleteChain},
             {"root unknown, served",
              {root_file.path()},
              {unknown.leaf, unknown.intermediate.certificate, unknown.root.certificate},
              kNow,
              Judgement::Untrusted},
             {"system anchors alone, root served", {}, whole, kNow, Judgement::Untrusted},
             {"nothing served", {root_file.path()}, {}, kNow, Judgement::Untrusted},
             {"self-signed",
              {root_file.path()},
              {base::self_sign(family.key, family.names, kFrom, kUntil).value()},
              kNow,
              Judgement::Untrusted},
             {"several files",
              {intermediate_file.path(), root_file.path()},
              family.chain(),
              kNow,
              Judgement::Trusted},
         }) {
        CAPTURE(c.name);
        const auto anchors = Anchors::load(c.files);
        REQUIRE(anchors.has_value());
        CHECK(anchors->judge(c.served, c.now) == c.want);
    }
}

TEST_CASE("anchors: a file that holds none is named") {
    const TemporaryFile empty("");
    const TemporaryFile text("hello\n");
    const TemporaryFile key{std::string(key_fixtures::kP256)};
    for (const std::string& path : {empty.path(), text.path(), key.path(), empty.path() + ".missing"}) {
        CAPTURE(path);
        const auto anchors = Anchors::load({path});
        REQUIRE_FALSE(anchors.has_value());
        CHECK(to_string(anchors.error().code) == "config/unreadable");
        CHECK(anchors.error().message.find(path) == 0);
    }
    CHECK(Anchors::load({empty.path() + ".missing"}).error().message.find("No such file") !=
          std::string::npos);
}
