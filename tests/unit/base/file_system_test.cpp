// SPDX-License-Identifier: Apache-2.0
#include "base/file_system.hpp"

#include <fstream>

#include <doctest/doctest.h>

#include "tests/unit/base/temporary_directory.hpp"

using base::Code;

TEST_CASE("file system: a directory takes files, one that is not there and a read-only one do not") {
    const tests::TemporaryDirectory directory;
    CHECK(base::check_takes_files(directory.path()));
    const auto missing = base::check_takes_files(directory / "missing");
    REQUIRE_FALSE(missing);
    CHECK(missing.error().code == Code::FileNotFound);
    const auto denied = base::check_takes_files("/proc/self");  // to root, too
    REQUIRE_FALSE(denied);
    CHECK(denied.error().code == Code::FileDenied);
    CHECK(denied.error().message.starts_with("cannot write in /proc/self: "));
}

TEST_CASE("file system: its free inodes are known where it has a number of them") {
    const auto of_proc = base::free_inodes("/proc");  // which counts none
    REQUIRE(of_proc);
    CHECK_FALSE(*of_proc);
    const auto of_root = base::free_inodes("/");
    REQUIRE(of_root);
    CHECK(of_root->value_or(1) > 0);
    CHECK(base::free_inodes("/nowhere/at/all").error().code == Code::FileIo);
}
