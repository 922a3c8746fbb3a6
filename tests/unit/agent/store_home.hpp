// SPDX-License-Identifier: Apache-2.0
// A store in a directory of the test's own, and what an order and its certificate are made of.
#pragma once

#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "agent/memory/file_store.hpp"
#include "tests/unit/agent/fixtures.hpp"
#include "tests/unit/base/temporary_directory.hpp"
#include "tests/unit/base/test_ca.hpp"

namespace store_home {

class Home {
  public:
    Home() : store_(agent::FileStore::open(files_, directory_ / "state", /*allow_volatile=*/true).value()) {}

    [[nodiscard]] agent::FileStore& store() { return *store_; }

    [[nodiscard]] std::string path(const std::string& name) const {
        return directory_ / ("state/certificates/example.com/" + name);
    }

    [[nodiscard]] std::string read(const std::string& name) const {
        std::ifstream file(path(name));
        return {std::istreambuf_iterator<char>(file), {}};
    }

    void write(const std::string& name, const std::string& text) const { std::ofstream(path(name)) << text; }

    [[nodiscard]] const tests::TemporaryDirectory& directory() const { return directory_; }

  private:
    tests::TemporaryDirectory directory_;
    base::SystemFiles files_;
    std::unique_ptr<agent::FileStore> store_;
};

struct Material {
    base::PrivateKey key = base::PrivateKey::generate(base::KeyType::EcdsaP256).value();
    base::Chain chain;
    agent::OpenOrder order;

    Material() {
        const auto root = test_ca::make_root("Root");
        chain = {test_ca::issue(root, {.public_key = key.handle(), .names = fixtures::certificate().names}),
                 root.certificate};
        order = {.ordered_for = agent::wanted_order(fixtures::certificate(), "letsencrypt"),
                 .started_at = fixtures::kNow,
                 .key_pem = key.to_pem().value()};
    }

    [[nodiscard]] agent::GenerationRecord generation(int number) const {
        agent::GenerationRecord record = fixtures::generation(number);
        record.sha256 = chain.front().sha256();
        return record;
    }
};

}  // namespace store_home
