// SPDX-License-Identifier: Apache-2.0
// The system's files as they are: calls, error codes, trees, links, locks and the names of users.
#include "base/file.hpp"

#include <ostream>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/process.hpp"
#include "tests/unit/base/temporary_directory.hpp"

using base::Code;
using base::FileAttributes;
using base::FileKind;
using base::SystemFiles;
using tests::TemporaryDirectory;

namespace {

constexpr std::size_t kPlenty = 1 << 20;

template <class T>
std::string_view code_of(const base::Result<T>& result) {
    return result ? "no error" : base::to_string(result.error().code);
}

template <class T>
std::string message_of(const base::Result<T>& result) {
    return result ? "no error" : result.error().message;
}

bool contains(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

void write_file(const std::string& path, std::string_view content) {
    SystemFiles files;
    REQUIRE(base::write_new_file(files, path, content, {}));
}

}  // namespace

TEST_CASE("file: each errno has its code, and the message names the path and the reason") {
    const TemporaryDirectory directory;
    SystemFiles files;
    const std::string file = directory / "file";
    const std::string link = directory / "link";
    write_file(file, "content");
    REQUIRE(files.symlink(file, link));
    const auto missing = files.open(directory / "missing", O_RDONLY, 0);
    CHECK(code_of(missing) == "file/not-found");
    CHECK(message_of(missing) == "cannot open " + (directory / "missing") + ": No such file or directory");
    CHECK(code_of(files.open(file, O_WRONLY | O_CREAT | O_EXCL, 0600)) == "file/exists");
    CHECK(code_of(files.open(link, O_RDONLY, 0)) == "file/unsafe");
    CHECK(code_of(files.list(directory / "missing")) == "file/not-found");
    CHECK(code_of(files.list(file)) == "file/io");
    CHECK(code_of(files.remove_directory(file)) == "file/io");
    CHECK(code_of(files.unlink("/proc/version")) == "file/denied");  // nobody may, root included
    CHECK(code_of(files.open(directory / std::string("fi\0le", 5), O_RDONLY, 0)) == "file/unsafe");
}

TEST_CASE("file: a full disk is state/no-space, with what to do") {
    SystemFiles files;
    const auto full = files.open("/dev/full", O_WRONLY, 0);
    REQUIRE(full);
    const auto written = files.write(*full, "x");
    CHECK(code_of(written) == "state/no-space");
    CHECK(message_of(written) == "cannot write /dev/full: No space left on device");
    CHECK(!written.error().hint.empty());
}

TEST_CASE("file: every descriptor is closed on exec") {
    SystemFiles files;
    const auto file = files.open("/dev/null", O_RDONLY, 0);
    REQUIRE(file);
    CHECK((::fcntl(file->number(), F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE("file: a descriptor belongs to one owner and is closed with it") {
    base::Descriptor first(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const int number = first.number();
    base::Descriptor second(std::move(first));
    CHECK(!first.is_open());  // NOLINT(bugprone-use-after-move,clang-analyzer-cplusplus.Move)
    CHECK(second.number() == number);
    second = base::Descriptor();
    CHECK(::fcntl(number, F_GETFD) == -1);
}

TEST_CASE("file: info, list and links") {
    const TemporaryDirectory directory;
    SystemFiles files;
    write_file(directory / "b", "12345");
    REQUIRE(files.make_directory(directory / "c", 0700));
    REQUIRE(files.symlink("nowhere", directory / "a"));
    REQUIRE(files.link(directory / "b", directory / "d"));
    CHECK(files.list(directory.path()).value() == std::vector<std::string>{"a", "b", "c", "d"});
    CHECK(files.info(directory / "b").value().kind == FileKind::Regular);
    CHECK(files.info(directory / "b").value().size == 5);
    CHECK(files.info(directory / "b").value().mode == 0600);
    CHECK(files.info(directory / "b").value().uid == ::geteuid());
    CHECK(files.info(directory / "c").value().kind == FileKind::Directory);
    CHECK(files.info(directory / "a").value().kind == FileKind::Symlink);
    CHECK(files.info("/dev/null").value().kind == FileKind::Other);
    CHECK(files.read_symlink(directory / "a").value() == "nowhere");
    CHECK(code_of(files.link(directory / "b", directory / "d")) == "file/exists");
    CHECK(base::exists(files, directory / "a"));  // though it leads nowhere
    CHECK(!base::exists(files, directory / "e"));
    REQUIRE(files.symlink("c", directory / "f"));
    CHECK(code_of(files.list(directory / "f")) == "file/unsafe");
    CHECK(files.free_bytes(directory.path()).value() > 0);
}

TEST_CASE("file: reading is bounded and takes regular files only") {
    const TemporaryDirectory directory;
    SystemFiles files;
    const std::string content(300'000, 'x');  // more than one read
    write_file(directory / "file", content);
    write_file(directory / "empty", "");
    REQUIRE(files.symlink("file", directory / "link"));
    REQUIRE(::mkfifo((directory / "pipe").c_str(), 0600) == 0);
    CHECK(base::read_file(files, directory / "file", content.size()).value() == content);
    CHECK(base::read_file(files, directory / "empty", 0).value().empty());
    CHECK(base::read_file(files, "/proc/self/mounts", kPlenty).value().size() > 0);  // says that it is empty
    CHECK(code_of(base::read_file(files, directory / "file", content.size() - 1)) == "file/too-large");
    CHECK(code_of(base::read_file(files, directory / "file", 0)) == "file/too-large");
    CHECK(code_of(base::read_file(files, directory / "link", kPlenty)) == "file/unsafe");
    CHECK(code_of(base::read_file(files, directory / "pipe", kPlenty)) == "file/unsafe");
    CHECK(code_of(base::read_file(files, directory.path(), kPlenty)) == "file/unsafe");
    CHECK(code_of(base::read_file(files, directory / "missing", kPlenty)) == "file/not-found");
}

TEST_CASE("file: directories are made with their parents, with the mode that was asked for") {
    const TemporaryDirectory directory;
    SystemFiles files;
    const mode_t umask_before = ::umask(077);
    CHECK(base::make_directories(files, directory / "a/b/c", 0755));
    ::umask(umask_before);
    for (const char* const made : {"a", "a/b", "a/b/c"}) {
        CAPTURE(std::string(made));
        CHECK(files.info(directory / made).value().mode == 0755);
    }
    CHECK(base::make_directories(files, directory / "a/b", 0700));
    CHECK(files.info(directory / "a/b").value().mode == 0755);  // what is there stays as it is
    REQUIRE(files.symlink("a", directory / "link"));
    CHECK(base::make_directories(files, directory / "link/d", 0700));
    CHECK(base::exists(files, directory / "a/d"));
    write_file(directory / "file", "");
    CHECK(code_of(base::make_directories(files, directory / "file", 0700)) == "file/exists");
    CHECK(!base::make_directories(files, directory / "file/below", 0700));
}

TEST_CASE("file: a tree is removed, and nothing that a link in it leads to") {
    const TemporaryDirectory directory;
    SystemFiles files;
    REQUIRE(base::make_directories(files, directory / "tree/deep/deeper", 0700));
    REQUIRE(base::make_directories(files, directory / "other", 0700));
    write_file(directory / "other/kept", "kept");
    write_file(directory / "tree/deep/file", "gone");
    REQUIRE(files.symlink("../../other", directory / "tree/deep/link"));
    CHECK(base::remove_tree(files, directory / "tree"));
    CHECK(files.list(directory.path()).value() == std::vector<std::string>{"other"});
    CHECK(base::exists(files, directory / "other/kept"));
    CHECK(base::remove_tree(files, directory / "tree"));  // nothing there is no error
    REQUIRE(files.symlink("other", directory / "link"));
    CHECK(base::remove_tree(files, directory / "link"));
    CHECK(base::exists(files, directory / "other/kept"));
}

TEST_CASE("file: the directory of a path") {
    struct Case {
        std::string_view path;
        std::string_view want;
    };

    for (const Case& c :
         {Case{"/a/b/c", "/a/b"}, Case{"/a", "/"}, Case{"a", "."}, Case{"a/b", "a"}, Case{"", "."}}) {
        CAPTURE(c.path);
        CHECK(base::directory_of(std::string(c.path)) == c.want);
    }
}

TEST_CASE("lock: one holder at a time, and the other learns who it is") {
    const TemporaryDirectory directory;
    SystemFiles files;
    const std::string path = directory / "lock";
    write_file(path, "99999999999999999999\n");  // left by somebody with a longer number
    {
        const auto held = base::Lock::take(files, path);
        REQUIRE(held);
        const auto second = base::Lock::take(files, path);
        CHECK(code_of(second) == "state/locked");
        CHECK(message_of(second) == path + " is locked by process " + std::to_string(::getpid()));
    }
    CHECK(base::Lock::take(files, path));
    CHECK(base::exists(files, path));  // the file stays
    REQUIRE(files.symlink("lock", directory / "link"));
    CHECK(code_of(base::Lock::take(files, directory / "link")) == "file/unsafe");
    CHECK(code_of(base::Lock::take(files, directory / "missing/lock")) == "file/not-found");
}

TEST_CASE("lock: a program that was started while it was held does not keep it") {
    const TemporaryDirectory directory;
    SystemFiles files;
    auto held = base::Lock::take(files, directory / "lock");
    REQUIRE(held);
    auto program = base::Conversation::start({.argv = {"sh", "-c", "echo up; exec sleep 60"}});
    REQUIRE(program);
    REQUIRE(program->read_line(base::Milliseconds(10'000)).value().text == "up");
    held = base::fail(Code::InternalUnexpected, "the lock goes");
    CHECK(base::Lock::take(files, directory / "lock"));
    CHECK(program->finish(base::Milliseconds(0)).timed_out);  // it was still there
}

TEST_CASE("file: users and groups by name and by number") {
    CHECK(base::user_id("root").value() == 0);
    CHECK(base::group_id("root").value() == 0);
    CHECK(base::user_id("12345").value() == 12345);
    CHECK(base::group_id("4294967294").value() == 4294967294U);
    for (const std::string name : {"nobody-has-this-name", "4294967295", "99999999999", "-1", "12x", ""}) {
        CAPTURE(name);
        CHECK(code_of(base::user_id(name)) == "config/wrong-value");
        CHECK(code_of(base::group_id(name)) == "config/wrong-value");
    }
    CHECK(contains(message_of(base::group_id("tls-readers")),
                   "there is no group 'tls-readers' on this machine"));
}
