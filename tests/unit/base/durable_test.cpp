// SPDX-License-Identifier: Apache-2.0
// Durable writing under every fault there is: a target is old or new, never anything between.
#include <ostream>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/file.hpp"
#include "base/unsynced_file.hpp"
#include "tests/unit/base/faulty_files.hpp"
#include "tests/unit/base/temporary_directory.hpp"

using base::SystemFiles;
using tests::Fault;
using tests::FaultyFiles;
using tests::TemporaryDirectory;

namespace {

const std::string kOld(1'000, 'o');
const std::string kNew(3'000, 'n');
constexpr std::size_t kPlenty = 1 << 20;

std::string content_of(const std::string& path) {
    SystemFiles files;
    return base::read_file(files, path, kPlenty).value_or("nothing");
}

std::vector<std::string> names_in(const std::string& path) {
    SystemFiles files;
    return files.list(path).value();
}

/// The calls with the number in temporary names left out, and paths cut down to names.
std::vector<std::string> golden(std::vector<std::string> calls, const std::string& directory) {
    for (std::string& call : calls) {
        for (std::size_t at = call.find(directory); at != std::string::npos; at = call.find(directory)) {
            call.erase(at, directory.size() + 1);
        }
        const std::size_t mark = call.find(".renewd-");
        if (mark != std::string::npos) {
            const std::size_t end = std::min(call.find(' ', mark), call.size());
            call.replace(mark, end - mark, ".renewd-N");
        }
    }
    return calls;
}

void write_old(const std::string& path) {
    SystemFiles files;
    REQUIRE(base::write_durably(files, path, kOld, {}));
}

}  // namespace

TEST_CASE("write_durably: attributes before bytes, bytes before the name, the name before the end") {
    const TemporaryDirectory directory;
    FaultyFiles files;
    files.set_write_max(2'000);  // short writes are carried on with
    const base::FileAttributes attributes{.mode = 0640, .uid = ::geteuid(), .gid = ::getegid()};
    REQUIRE(base::write_durably(files, directory / "key.pem", kNew, attributes));
    CHECK(content_of(directory / "key.pem") == kNew);
    CHECK(names_in(directory.path()) == std::vector<std::string>{"key.pem"});
    SystemFiles system;
    CHECK(system.info(directory / "key.pem").value().mode == 0640);
    CHECK(golden(files.calls(), directory.path()) ==
          std::vector<std::string>{"open .key.pem.renewd-N", "change_owner", "change_mode", "write", "write",
                                   "sync", "rename .key.pem.renewd-N key.pem", "open .", "sync"});
}

TEST_CASE("write_durably: at every call that fails, old or new, and nothing left lying about") {
    const TemporaryDirectory directory;
    const std::string path = directory / "record.json";
    const auto struck = tests::at_every_call(
        Fault::Fail,
        [&](FaultyFiles& files) {
            write_old(path);
            const auto written = base::write_durably(files, path, kNew, {});
            CHECK(written.has_value() == !files.struck());
        },
        [&](const FaultyFiles& files, std::size_t number) {
            CAPTURE(number);
            const std::string content = content_of(path);
            CHECK((content == kOld || content == kNew));
            const auto& calls = files.calls();
            const bool renamed =
                std::any_of(calls.begin(), calls.begin() + static_cast<std::ptrdiff_t>(number) - 1,
                            [](const std::string& call) { return call.starts_with("rename"); });
            CHECK((content == kNew) == renamed);
            CHECK(std::count(calls.begin(), calls.end(), "sync") <=
                  (renamed ? 2 : 1));  // no second fsync of one file
            CHECK(names_in(directory.path()) == std::vector<std::string>{"record.json"});
        });
    CHECK(struck == 7);
}

TEST_CASE("write_durably: killed or cut off at every call, old or new") {
    for (const Fault fault : {Fault::Kill, Fault::PowerCut}) {
        const TemporaryDirectory directory;
        const std::string path = directory / "record.json";
        const auto struck = tests::at_every_call(
            fault,
            [&](FaultyFiles& files) {
                write_old(path);
                (void)base::write_durably(files, path, kNew, {});
            },
            [&](const FaultyFiles&, std::size_t number) {
                CAPTURE(number);
                const std::string content = content_of(path);
                CHECK((content == kOld || content == kNew));
            });
        CHECK(struck == 7);
        CHECK(content_of(path) == kNew);
    }
}

TEST_CASE(
    "write_unsynced: killed at any call, old or new; and no sync that a disk could answer with an error") {
    const TemporaryDirectory directory;
    const std::string path = directory / "renewd.prom";
    const auto struck = tests::at_every_call(
        Fault::Kill,
        [&](FaultyFiles& files) {
            write_old(path);
            (void)base::write_unsynced(files, path, kNew, {.mode = 0644});
        },
        [&](const FaultyFiles&, std::size_t number) {
            CAPTURE(number);
            const std::string content = content_of(path);
            CHECK((content == kOld || content == kNew));
        });
    CHECK(struck == 4);
    CHECK(content_of(path) == kNew);
    FaultyFiles files;
    REQUIRE(base::write_unsynced(files, path, kOld, {.mode = 0644}));
    CHECK(golden(files.calls(), directory.path()) ==
          std::vector<std::string>{"open .renewd.prom.renewd-N", "change_mode", "write",
                                   "rename .renewd.prom.renewd-N renewd.prom"});
}

TEST_CASE("write_durably: a first file is whole or not there") {
    for (const Fault fault : {Fault::Fail, Fault::Kill, Fault::PowerCut}) {
        const TemporaryDirectory directory;
        const std::string path = directory / "first";
        const auto struck = tests::at_every_call(
            fault, [&](FaultyFiles& files) { (void)base::write_durably(files, path, kNew, {}); },
            [&](const FaultyFiles&, std::size_t number) {
                CAPTURE(number);
                const std::string content = content_of(path);
                CHECK((content == "nothing" || content == kNew));
                (void)::unlink(path.c_str());
            });
        CHECK(struck > 0);
    }
}

TEST_CASE("write_durably: a full disk is told as such") {
    const TemporaryDirectory directory;
    write_old(directory / "file");
    FaultyFiles files(Fault::Fail, 3, base::Code::StateNoSpace);
    const auto written = base::write_durably(files, directory / "file", kNew, {});
    REQUIRE(!written);
    CHECK(base::to_string(written.error().code) == "state/no-space");
    CHECK(content_of(directory / "file") == kOld);
    CHECK(names_in(directory.path()) == std::vector<std::string>{"file"});
}

TEST_CASE(
    "write_durably: through a directory that is a link, with the longest name, beside what others left") {
    const TemporaryDirectory directory;
    SystemFiles files;
    REQUIRE(files.make_directory(directory / "real", 0700));
    REQUIRE(files.symlink("real", directory / "link"));
    const std::string longest(255, 'x');
    CHECK(base::write_durably(files, directory / ("link/" + longest), kNew, {}));
    CHECK(content_of(directory / ("real/" + longest)) == kNew);
    CHECK(names_in(directory / "real") == std::vector<std::string>{longest});
    const auto nowhere = base::write_durably(files, directory / "missing/file", kNew, {});
    REQUIRE(!nowhere);
    CHECK(base::to_string(nowhere.error().code) == "file/not-found");
}

TEST_CASE("write_durably: names that an earlier process of the same number left are passed over") {
    const TemporaryDirectory directory;
    FaultyFiles probe;
    REQUIRE(base::write_durably(probe, directory / "file", kOld, {}));
    const std::string used = probe.calls().front().substr(std::string("open ").size());
    const std::size_t dash = used.rfind('-');
    const std::string next = used.substr(0, dash + 1) + std::to_string(std::stoul(used.substr(dash + 1)) + 1);
    SystemFiles files;
    REQUIRE(base::write_new_file(files, next, "left behind", {}));
    CHECK(base::write_durably(files, directory / "file", kNew, {}));
    CHECK(content_of(directory / "file") == kNew);
    CHECK(content_of(next) == "left behind");
}

TEST_CASE(
    "append_durably: made with its name once, then one write and one fsync; a line that was cut off takes no "
    "other along") {
    const TemporaryDirectory directory;
    FaultyFiles files;
    REQUIRE(base::append_durably(files, directory / "notes", "first\n", 0600));
    REQUIRE(base::append_durably(files, directory / "notes", "sec", 0600));
    files.set_write_max(3);  // short writes are carried on with
    REQUIRE(base::append_durably(files, directory / "notes", "third\n", 0600));
    CHECK(content_of(directory / "notes") == "\nfirst\n\nsec\nthird\n");
    SystemFiles system;
    CHECK(system.info(directory / "notes").value().mode == 0600);
    CHECK(golden(files.calls(), directory.path()) ==
          std::vector<std::string>{"open notes", "open notes", "write", "sync", "open .", "sync",
                                   "open notes", "write", "sync", "open notes", "write", "write", "write",
                                   "sync"});
    CHECK_FALSE(base::append_durably(files, directory / "missing/notes", "x\n", 0600));
}

TEST_CASE("append_durably: struck at any call, what stood there before stands there still") {
    for (const Fault fault : {Fault::Fail, Fault::Kill}) {
        const TemporaryDirectory directory;
        const std::string path = directory / "notes";
        const auto struck = tests::at_every_call(
            fault,
            [&](FaultyFiles& files) {
                SystemFiles system;
                REQUIRE(base::write_durably(system, path, "before\n", {}));
                const auto added = base::append_durably(files, path, "after\n", 0600);
                CHECK(added.has_value() == !files.struck());
            },
            [&](const FaultyFiles&, std::size_t number) {
                CAPTURE(number);
                CHECK(content_of(path).starts_with("before\n"));
            });
        CHECK(struck == 3);
        CHECK(content_of(path) == "before\n\nafter\n");
    }
}

TEST_CASE("fill_file: what is there is replaced in its place, with its new mode; what is not is made") {
    tests::TemporaryDirectory directory;
    base::SystemFiles system;
    REQUIRE(base::write_new_file(system, directory / "there", std::string(9000, 'x'), {.mode = 0644}));
    REQUIRE(base::fill_file(system, directory / "there", kNew, {.mode = 0600}));
    REQUIRE(base::fill_file(system, directory / "new", kNew, {}));
    CHECK(base::read_file(system, directory / "there", kPlenty).value() == kNew);
    CHECK(base::read_file(system, directory / "new", kPlenty).value() == kNew);
    CHECK(system.info(directory / "there")->mode == 0600);
}

TEST_CASE("write_new_file: never over something, and nothing half is left after a failure") {
    const TemporaryDirectory directory;
    write_old(directory / "there");
    SystemFiles system;
    const auto over = base::write_new_file(system, directory / "there", kNew, {});
    REQUIRE(!over);
    CHECK(base::to_string(over.error().code) == "file/exists");
    CHECK(content_of(directory / "there") == kOld);
    const auto struck = tests::at_every_call(
        Fault::Fail,
        [&](FaultyFiles& files) { (void)base::write_new_file(files, directory / "new", kNew, {}); },
        [&](const FaultyFiles&, std::size_t number) {
            CAPTURE(number);
            CHECK(names_in(directory.path()) == std::vector<std::string>{"there"});
        });
    CHECK(struck == 4);
    CHECK(content_of(directory / "new") == kNew);
}

TEST_CASE("replace_symlink: at every fault the link leads to the old or the new") {
    for (const Fault fault : {Fault::Fail, Fault::Kill, Fault::PowerCut}) {
        const TemporaryDirectory directory;
        SystemFiles system;
        const std::string path = directory / "live";
        const auto struck = tests::at_every_call(
            fault,
            [&](FaultyFiles& files) {
                REQUIRE(base::replace_symlink(system, "1", path));
                (void)base::replace_symlink(files, "2", path);
            },
            [&](const FaultyFiles&, std::size_t number) {
                CAPTURE(number);
                const std::string text = system.read_symlink(path).value();
                CHECK((text == "1" || text == "2"));
                if (fault == Fault::Fail)
                    CHECK(names_in(directory.path()) == std::vector<std::string>{"live"});
            });
        CHECK(struck == 4);
        CHECK(system.read_symlink(path).value() == "2");
    }
}

TEST_CASE(
    "make_directories, remove_tree, Lock::take: every failure is told, every kill can be carried on from") {
    for (const Fault fault : {Fault::Fail, Fault::Kill}) {
        const TemporaryDirectory directory;
        const auto made = tests::at_every_call(
            fault,
            [&](FaultyFiles& files) {
                const auto done = base::make_directories(files, directory / "a/b", 0700);
                CHECK(done.has_value() == !files.struck());
            },
            [&](const FaultyFiles&, std::size_t) {
                SystemFiles system;
                CHECK(base::make_directories(system, directory / "a/b", 0700));
                CHECK(base::remove_tree(system, directory / "a"));
            });
        CHECK(made > 4);
        const auto removed = tests::at_every_call(
            fault,
            [&](FaultyFiles& files) {
                SystemFiles system;
                REQUIRE(base::make_directories(system, directory / "t/u", 0700));
                REQUIRE(base::write_durably(system, directory / "t/u/file", kOld, {}));
                const auto done = base::remove_tree(files, directory / "t");
                CHECK(done.has_value() == !files.struck());
            },
            [&](const FaultyFiles&, std::size_t) {
                SystemFiles system;
                CHECK(base::remove_tree(system, directory / "t"));
            });
        CHECK(removed > 4);
        const auto locked = tests::at_every_call(
            fault, [&](FaultyFiles& files) { (void)base::Lock::take(files, directory / "lock"); },
            [&](const FaultyFiles&, std::size_t) {
                SystemFiles system;
                CHECK(base::Lock::take(system, directory / "lock"));  // the dead hold nothing
            });
        CHECK(locked == 3);
    }
}
