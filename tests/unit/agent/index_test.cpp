// SPDX-License-Identifier: Apache-2.0
#include "agent/memory/index.hpp"

#include <fstream>

#include <doctest/doctest.h>

#include "base/text.hpp"
#include "tests/unit/base/faulty_files.hpp"
#include "tests/unit/base/temporary_directory.hpp"

using agent::Index;
using agent::IndexEntry;
using agent::IndexFile;
using base::Instant;
using base::Seconds;

namespace {

Index three() {
    return {
        {"*.example.com",
         {.due = Instant(Seconds(1'800'000'000)),
          .fingerprint = 1,
          .pressing_at = Instant(Seconds(1'850'000'000))}},
        {"a.example.com", {.due = Instant(Seconds(1'900'000'000)), .fingerprint = 18446744073709551615ULL}},
        {"b.example.com", {.due = Instant(Seconds(-1)), .fingerprint = 0}}};
}

void append(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::app) << text;
}

}  // namespace

TEST_CASE("index: what was written is read, and nothing else") {
    const std::string text = agent::to_text(three());
    const auto read = agent::parse_index(text);
    REQUIRE(read);
    CHECK(*read == three());
    for (std::size_t i = 0; i < text.size(); ++i) {
        std::string damaged = text;
        damaged[i] = static_cast<char>(damaged[i] ^ 1);
        CHECK_MESSAGE(!agent::parse_index(damaged), "byte ", i);
        CHECK_MESSAGE(!agent::parse_index(text.substr(0, i)), "cut at ", i);
    }
    CHECK(agent::parse_index(agent::to_text({})) == Index{});
}

TEST_CASE("index: one of before it said how pressing a certificate is, is read") {
    const auto read = agent::parse_index(base::sealed("renewd index 1\na.example.com 1800000000 7\n"));
    REQUIRE(read);
    CHECK(*read == Index{{"a.example.com", {.due = Instant(Seconds(1'800'000'000)), .fingerprint = 7}}});
    CHECK_FALSE(agent::parse_index(base::sealed("renewd index 1\na.example.com 1800000000 7 soon\n")));
}

TEST_CASE("index: whoever changes a certificate notes it first; what is noted is planned anew") {
    const tests::TemporaryDirectory directory;
    base::SystemFiles files;
    const IndexFile index(files, directory.path());
    CHECK(index.load().empty());
    REQUIRE(index.save(three()));
    CHECK(index.load() == three());
    REQUIRE(index.note_change("a.example.com"));
    Index without = three();
    without.erase("a.example.com");
    CHECK(index.load() == without);

    SUBCASE("what this process has noted is in what it saves") {
        REQUIRE(index.save(three()));
        CHECK(index.load() == three());
    }
    SUBCASE("what another has noted is not") {
        append(directory / "index.changed", "b.example.com 1\n");
        REQUIRE(index.save(three()));
        Index expected = three();
        expected.erase("b.example.com");
        CHECK(index.load() == expected);
    }
    SUBCASE("a note that was cut short takes no other with it") {
        append(directory / "index.changed", "c.exa");
        REQUIRE(index.note_change("b.example.com"));
        without.erase("b.example.com");
        CHECK(index.load() == without);
    }
    SUBCASE("notes that cannot be read may have any name in them") {
        REQUIRE(base::remove_tree(files, directory / "index.changed"));
        REQUIRE(files.make_directory(directory / "index.changed", 0700));
        CHECK(index.load().empty());
        REQUIRE(index.save(three()));
        CHECK(index.load().empty());
    }
    SUBCASE("a save that was cut short loses no note") {
        REQUIRE(base::write_durably(files, directory / "index", agent::to_text(three()), {}));
        CHECK(index.load() == without);
    }
}

TEST_CASE("index: a damaged one is as good as none") {
    const tests::TemporaryDirectory directory;
    base::SystemFiles files;
    const IndexFile index(files, directory.path());
    REQUIRE(index.save(three()));
    append(directory / "index", "x");
    CHECK(index.load().empty());
}

TEST_CASE("index: a disk without room for a note stops nobody, and nothing is believed that is not noted") {
    std::size_t went = 0;
    for (std::size_t at = 1;; ++at) {
        const tests::TemporaryDirectory directory;
        base::SystemFiles system;
        const IndexFile index(system, directory.path());
        REQUIRE(index.save(three()));
        tests::FaultyFiles files(tests::Fault::Fail, at, base::Code::StateNoSpace);
        const auto noted = IndexFile(files, directory.path()).note_change("a.example.com");
        if (!files.struck()) break;
        CAPTURE(files.calls().back());
        if (noted) CHECK_FALSE(index.load().contains("a.example.com"));
        if (noted && index.load().empty()) ++went;
    }
    CHECK(went > 0);
}

TEST_CASE("index: without an agent the notes do not grow for ever") {
    const tests::TemporaryDirectory directory;
    base::SystemFiles files;
    const IndexFile index(files, directory.path());
    REQUIRE(index.save(three()));
    append(directory / "index.changed", std::string(1'100'000, 'x') + "\n");
    REQUIRE(index.note_change("a.example.com"));
    CHECK(index.load().empty());
    CHECK_FALSE(base::exists(files, directory / "index.changed"));
}
