// SPDX-License-Identifier: Apache-2.0
// The directory of this machine's anchors takes the place of their file only where nothing is missing from
// it.
#include "base/system_anchors.hpp"

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/unit/base/temporary_directory.hpp"

namespace {

constexpr const char* kAnchor = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

struct Machine {
    tests::TemporaryDirectory place{};
    std::string file = place / "ca-certificates.crt";
    std::string directory = place / "certs";

    Machine(int in_file, const std::vector<std::string>& names) {
        std::ofstream all(file);
        for (int i = 0; i < in_file; ++i) all << kAnchor;
        std::filesystem::create_directory(directory);
        for (const std::string& name : names) std::ofstream(directory + "/" + name) << kAnchor;
    }

    [[nodiscard]] bool holds_all() const { return base::holds_all_anchors(directory, file); }
};

}  // namespace

TEST_CASE("system anchors: a directory that holds all of them, and those that may not") {
    CHECK(Machine(2, {"002c0b4f.0", "002c0b4f.1"}).holds_all());
    CHECK(Machine(2, {"002c0b4f.0", "02265526.0", "one.of.ours.pem", "ffffffff.0"}).holds_all());
    CHECK_FALSE(Machine(2, {"002c0b4f.0"}).holds_all());
    CHECK_FALSE(
        Machine(2, {"002c0b4f.0", "Root.pem", "002c0b4f.r0", "002C0B4F.0", "02265526", "02265526.", "1.0"})
            .holds_all());
    CHECK_FALSE(Machine(0, {"002c0b4f.0"}).holds_all());
    const Machine machine(1, {"002c0b4f.0"});
    CHECK_FALSE(base::holds_all_anchors(machine.directory, machine.place / "none"));
    CHECK_FALSE(base::holds_all_anchors(machine.place / "none", machine.file));
    CHECK_FALSE(base::holds_all_anchors(machine.file, machine.file));
}
