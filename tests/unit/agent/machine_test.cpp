// SPDX-License-Identifier: Apache-2.0
// State that was copied from another machine: told once, and gone on with.
#include "agent/memory/machine.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <ostream>

#include <doctest/doctest.h>

#include "tests/unit/agent/fixtures.hpp"
#include "tests/unit/base/temporary_directory.hpp"

using fixtures::kNow;

TEST_CASE("machine: another one is told of once, and a machine without a name never") {
    base::SystemFiles files;
    const tests::TemporaryDirectory directory;
    const std::string id = directory / "machine-id";
    const auto noted = [&](const std::string& text) {
        std::ofstream(id) << text;
        return agent::note_machine(files, directory / "", kNow, id).value();
    };
    CHECK_FALSE(noted("4d1f9b0c6a"));
    CHECK_FALSE(noted("4d1f9b0c6a\n"));
    CHECK_FALSE(agent::moved_at(files, directory / ""));
    const auto moved = noted("another\n");
    REQUIRE(moved);
    CHECK(moved->message.find("another machine") != std::string::npos);
    CHECK_FALSE(noted("another\n"));
    CHECK((agent::moved_at(files, directory / "") == kNow));
    CHECK_FALSE(noted(""));
    CHECK_FALSE(noted("uninitialized\n"));
    std::filesystem::remove(id);
    CHECK_FALSE(agent::note_machine(files, directory / "", kNow, id).value());
    std::ifstream kept(directory / "machine");
    const std::string text{std::istreambuf_iterator<char>(kept), {}};
    CHECK(text.find("another") == std::string::npos);
}
