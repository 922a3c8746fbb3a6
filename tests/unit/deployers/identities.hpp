// SPDX-License-Identifier: Apache-2.0
// What servers in these tests show: leaves of one small hierarchy, as complete or as wrong as a test wants
// them.
#pragma once

#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "base/certificate.hpp"
#include "base/clock.hpp"
#include "base/key.hpp"
#include "tests/unit/base/temporary_directory.hpp"
#include "tests/unit/base/test_ca.hpp"

namespace tests {

/// A certificate with its chain as it is to be sent, and the key.
struct Identity {
    base::Chain chain{};
    base::PrivateKey key;

    [[nodiscard]] const base::Certificate& leaf() const { return chain.front(); }

    [[nodiscard]] std::string sha256() const { return leaf().sha256(); }

    /// The same, without the intermediate.
    [[nodiscard]] Identity leaf_only() const { return {.chain = {leaf()}, .key = key}; }
};

inline std::vector<base::Identifier> dns_names(const std::vector<std::string>& names) {
    std::vector<base::Identifier> identifiers;
    for (const std::string& name : names)
        identifiers.push_back({.type = base::IdentifierType::Dns, .value = name});
    return identifiers;
}

class Hierarchy {
  public:
    explicit Hierarchy(const std::string& name = "Test")
        : root_(test_ca::make_root(name + " Root")),
          intermediate_(test_ca::make_intermediate(root_, name + " R1")) {}

    [[nodiscard]] Identity issue(const std::vector<std::string>& names,
                                 base::Instant not_after = test_ca::kAuthorityUntil,
                                 base::KeyType type = base::KeyType::EcdsaP256) const {
        base::PrivateKey key = base::PrivateKey::generate(type).value();
        const base::Certificate leaf = test_ca::issue(
            intermediate_, {.public_key = key.handle(), .names = dns_names(names), .not_after = not_after});
        return {.chain = {leaf, intermediate_.certificate}, .key = key};
    }

    [[nodiscard]] const base::Certificate& root() const { return root_.certificate; }

    [[nodiscard]] base::Anchors anchors() const {
        const TemporaryDirectory directory;
        const std::string file = directory / "root.pem";
        std::ofstream(file) << root_.certificate.pem();
        return base::Anchors::load({file}).value();
    }

  private:
    test_ca::Authority root_;
    test_ca::Authority intermediate_;
};

}  // namespace tests
