// SPDX-License-Identifier: Apache-2.0
// http-01 by files: what is written, and what is not.
#include "acme/solvers/http_01.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <ostream>
#include <string>
#include <string_view>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/acme/fakes.hpp"
#include "tests/unit/base/faulty_files.hpp"
#include "tests/unit/base/temporary_directory.hpp"

using fakes::code_of;
using fakes::contains;
using fakes::message_of;
namespace fs = std::filesystem;

namespace {

acme::ChallengeTask task(const std::string& token, const std::string& content = "authorization") {
    return {.identifier = {.value = "a.example"}, .token = token, .key_authorization = content};
}

std::string slurp(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

mode_t mode_of(const std::string& path) {
    struct stat info{};
    REQUIRE(::stat(path.c_str(), &info) == 0);
    return info.st_mode & 07777U;
}

struct Webroot {
    tests::TemporaryDirectory directory{};
    base::SystemFiles files{};
    std::string challenges = directory / ".well-known/acme-challenge";
    std::unique_ptr<acme::Solver> solver = acme::make_webroot_solver(files, directory.path() + "//");
};

}  // namespace

TEST_CASE("webroot: a file everybody may read, whatever the umask, and away again") {
    Webroot web;
    const mode_t old_mask = ::umask(077);
    const auto presented = web.solver->present(task("tok-en_1"));
    ::umask(old_mask);
    REQUIRE(presented);
    CHECK(web.solver->type() == "http-01");
    CHECK(slurp(web.challenges + "/tok-en_1") == "authorization");
    CHECK(mode_of(web.challenges + "/tok-en_1") == 0644);
    CHECK(mode_of(web.challenges) == 0755);
    CHECK(mode_of(web.directory / ".well-known") == 0755);

    std::ofstream(web.challenges + "/somebody-elses") << "x";
    REQUIRE(web.solver->clean_up(task("tok-en_1")));
    CHECK_FALSE(fs::exists(web.challenges + "/tok-en_1"));
    CHECK(fs::exists(web.challenges + "/somebody-elses"));
    CHECK(web.solver->clean_up(task("tok-en_1")));
    CHECK(Webroot().solver->clean_up(task("never-there")));
}

TEST_CASE("webroot: presenting again is no error; what a dead run left is replaced") {
    Webroot web;
    REQUIRE(web.solver->present(task("t")));
    REQUIRE(web.solver->present(task("t")));
    CHECK(slurp(web.challenges + "/t") == "authorization");
    for (const std::string& left : {std::string("auth"), std::string(), std::string(10'000, 'x')}) {
        std::ofstream(web.challenges + "/t") << left;
        REQUIRE(web.solver->present(task("t")));
        CHECK(slurp(web.challenges + "/t") == "authorization");
    }
}

TEST_CASE("webroot: directories that are there keep their mode") {
    Webroot web;
    fs::create_directories(web.challenges);
    REQUIRE(::chmod(web.challenges.c_str(), 0700) == 0);
    REQUIRE(web.solver->present(task("t")));
    CHECK(mode_of(web.challenges) == 0700);
}

TEST_CASE("webroot: a token is never a path") {
    Webroot web;
    for (const std::string& token : {std::string("../x"), std::string("a/b"), std::string(), std::string("."),
                                     std::string(".."), std::string(300, 'a'), std::string("a\0b", 3)}) {
        CAPTURE(token);
        CHECK(code_of(web.solver->present(task(token))) == "solver/present");
        CHECK_FALSE(web.solver->clean_up(task(token)));
        CHECK(fs::is_empty(web.directory.path()));
    }
}

TEST_CASE("webroot: links and files in the way are refused, and what is behind them is left alone") {
    tests::TemporaryDirectory elsewhere;
    std::ofstream(elsewhere / "t") << "precious";
    {
        Webroot web;
        fs::create_directory(web.directory / ".well-known");
        fs::create_directory_symlink(elsewhere.path(), web.challenges);
        const auto presented = web.solver->present(task("t"));
        CHECK(code_of(presented) == "solver/present");
        CHECK(contains(message_of(presented), "symbolic link"));
        CHECK_FALSE(web.solver->clean_up(task("t")));
    }
    {
        Webroot web;
        fs::create_directory_symlink(elsewhere.path(), web.directory / ".well-known");
        CHECK(code_of(web.solver->present(task("t"))) == "solver/present");
    }
    {
        Webroot web;
        std::ofstream(web.directory / ".well-known") << "x";
        const auto presented = web.solver->present(task("t"));
        CHECK(contains(message_of(presented), "is not a directory"));
    }
    {
        Webroot web;  // a link where the file goes is replaced, not followed
        fs::create_directories(web.challenges);
        fs::create_symlink(elsewhere / "t", web.challenges + "/t");
        REQUIRE(web.solver->present(task("t")));
        CHECK_FALSE(fs::is_symlink(web.challenges + "/t"));
    }
    CHECK(slurp(elsewhere / "t") == "precious");
}

TEST_CASE("webroot: a directory that is swapped for a link at the last moment leads nowhere else") {
    tests::TemporaryDirectory elsewhere;
    const tests::TemporaryDirectory directory;
    const std::string challenges = directory / ".well-known/acme-challenge";
    tests::FaultyFiles files;
    const auto solver = acme::make_webroot_solver(files, directory.path());
    int swaps = 0;
    std::string awaited = "open ";
    files.before_each = [&](const std::string& what) {
        if (awaited.empty() || !what.starts_with(awaited) || !what.ends_with("/t")) return;
        fs::rename(challenges, challenges + ".aside" + std::to_string(++swaps));
        fs::create_directory_symlink(elsewhere.path(), challenges);
        awaited.clear();
    };
    static_cast<void>(solver->present(task("t")));
    CHECK(swaps == 1);
    CHECK(fs::is_empty(elsewhere.path()));

    fs::remove(challenges);
    REQUIRE(solver->present(task("t")));
    std::ofstream(elsewhere / "t") << "precious";
    awaited = "unlink ";
    CHECK(solver->clean_up(task("t")));
    CHECK(swaps == 2);
    CHECK(slurp(elsewhere / "t") == "precious");
    CHECK_FALSE(fs::exists(challenges + ".aside2/t"));
}

TEST_CASE("webroot: one that is a link itself is the administrator's own word") {
    const tests::TemporaryDirectory directory;
    fs::create_directory(directory / "release-7");
    fs::create_directory_symlink(directory / "release-7", directory / "current");
    base::SystemFiles files;
    const auto solver = acme::make_webroot_solver(files, directory / "current");
    REQUIRE(solver->present(task("t")));
    CHECK(slurp(directory / "release-7/.well-known/acme-challenge/t") == "authorization");
    REQUIRE(solver->clean_up(task("t")));
    CHECK(fs::is_empty(directory / "release-7/.well-known/acme-challenge"));
}

TEST_CASE("webroot: a webroot that is not there, or may not be written, is said so") {
    base::SystemFiles files;
    const auto missing = acme::make_webroot_solver(files, "/nonexistent/webroot")->present(task("t"));
    CHECK(code_of(missing) == "solver/present");
    CHECK(contains(message_of(missing), "/nonexistent/webroot"));

    const auto denied = acme::make_webroot_solver(files, "/proc")->present(task("t"));
    CHECK(code_of(denied) == "solver/present");
    CHECK_FALSE(denied.error().hint.empty());
    CHECK(contains(message_of(denied), " /proc/.well-known"));
}
