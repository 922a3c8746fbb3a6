// SPDX-License-Identifier: Apache-2.0
#include "hooks/runner.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <ostream>

#include <doctest/doctest.h>
#include <sys/stat.h>

namespace {

/// A hooks directory of its own, removed afterwards.
class Directory {
  public:
    Directory() {
        std::string pattern = std::filesystem::temp_directory_path() / "renewd-hooks-XXXXXX";
        path_ = ::mkdtemp(pattern.data());
    }

    ~Directory() { std::filesystem::remove_all(path_); }

    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;

    void add(const std::string& name, const std::string& script, mode_t mode = 0755) const {
        std::filesystem::create_directories(std::filesystem::path(path_ + "/" + name).parent_path());
        std::ofstream(path_ + "/" + name) << "#!/bin/sh\n" << script << "\n";
        REQUIRE(::chmod((path_ + "/" + name).c_str(), mode) == 0);
    }

    [[nodiscard]] std::string read(const std::string& name) const {
        std::ifstream file(path_ + "/" + name);
        return {std::istreambuf_iterator<char>(file), {}};
    }

    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    std::string path_;
};

hooks::Event renewed() {
    return {.name = "renewed",
            .certificate = "example.com",
            .names = {"example.com"},
            .generation = 1,
            .json = R"({"version":1})"};
}

base::Result<void> run_all(const Directory& directory, base::Seconds timeout = base::Seconds(10)) {
    base::SystemFiles files;
    const auto found = TRY(hooks::find_hooks(files, directory.path(), "renewed"));
    const hooks::HookReport report = hooks::run_hooks(files, found, renewed(), timeout);
    if (report.error) return tl::make_unexpected(*report.error);
    return {};
}

}  // namespace

TEST_CASE("runner: executable files run in byte order, others and editors' leavings do not") {
    const Directory directory;
    const std::string log = " >> '" + directory.path() + "/log'";
    directory.add("renewed/20-second", "echo second" + log);
    directory.add("renewed/10-first", "echo first" + log);
    directory.add("renewed/30-old~", "echo old" + log);
    directory.add("renewed/.hidden", "echo hidden" + log);
    directory.add("renewed/40-not-executable", "echo plain" + log, 0644);
    directory.add("deployed/10-other-event", "echo other" + log);
    REQUIRE(run_all(directory));
    CHECK(directory.read("log") == "first\nsecond\n");
}

TEST_CASE("runner: a link is run, unless it leads nowhere") {
    const Directory directory;
    directory.add("elsewhere/tool", "echo ran > '" + directory.path() + "/log'");
    std::filesystem::create_directories(directory.path() + "/renewed");
    std::filesystem::create_symlink("../elsewhere/tool", directory.path() + "/renewed/10");
    REQUIRE(run_all(directory));
    CHECK(directory.read("log") == "ran\n");
    std::filesystem::create_symlink("gone", directory.path() + "/renewed/20");
    const auto result = run_all(directory);
    REQUIRE_FALSE(result);
    CHECK(result.error().message.find("leads nowhere") != std::string::npos);
}

TEST_CASE("runner: no directory means no hooks") {
    const Directory directory;
    CHECK(run_all(directory));
}

TEST_CASE("runner: the event comes on stdin, and the environment is made anew") {
    const Directory directory;
    directory.add("renewed/10",
                  "cat > '" + directory.path() + "/stdin'; env | sort > '" + directory.path() + "/env'");
    ::setenv("RENEWD_TEST_LEAK", "leaked", 1);
    REQUIRE(run_all(directory));
    CHECK(directory.read("stdin") == "{\"version\":1}\n");
    CHECK(directory.read("env").find("RENEWD_CERTIFICATE=example.com") != std::string::npos);
    CHECK(directory.read("env").find("leaked") == std::string::npos);
}

TEST_CASE("runner: a failing hook is told with its own last words, and the others still run") {
    const Directory directory;
    directory.add("renewed/10", "echo starting; echo 'no route to host' >&2; exit 3");
    directory.add("renewed/20", "echo ran > '" + directory.path() + "/second'");
    const auto result = run_all(directory);
    REQUIRE_FALSE(result);
    CHECK(base::to_string(result.error().code) == "hook/failed");
    CHECK(result.error().message ==
          "hook " + directory.path() + "/renewed/10 at event renewed: exit 3: no route to host");
    CHECK(directory.read("second") == "ran\n");
}

TEST_CASE("runner: what hooks print is kept for the history, without what a terminal would act on") {
    const Directory directory;
    directory.add("renewed/10", "printf 'one\\ntwo \\033[31mred\\n'");
    directory.add("renewed/20", "echo three >&2");
    base::SystemFiles files;
    const auto found = hooks::find_hooks(files, directory.path(), "renewed").value();
    CHECK(hooks::run_hooks(files, found, renewed(), base::Seconds(10)).output ==
          "one\ntwo ?[31mred\nthree\n");
}

TEST_CASE("runner: a hook that hangs is ended with everything it started") {
    const Directory directory;
    directory.add("renewed/10", "sleep 600 & echo $! > '" + directory.path() + "/child'; wait");
    const auto result = run_all(directory, base::Seconds(1));
    REQUIRE_FALSE(result);
    CHECK(result.error().message.find("took longer than 1 s") != std::string::npos);
    const std::string child = directory.read("child");
    CHECK_FALSE(std::filesystem::exists("/proc/" + child.substr(0, child.find('\n')) + "/exe"));
}

TEST_CASE("runner: a file that others can change is not run") {
    const Directory directory;
    directory.add("renewed/10", "touch '" + directory.path() + "/ran'", 0777);
    const auto result = run_all(directory);
    REQUIRE_FALSE(result);
    CHECK(result.error().hint.find("chmod go-w") != std::string::npos);
    CHECK_FALSE(std::filesystem::exists(directory.path() + "/ran"));
}

TEST_CASE("runner: a name is any bytes, and a message is one line of text") {
    const Directory directory;
    directory.add("renewed/10-\xff\n\033[31m", "exit 3");
    const auto failed = run_all(directory);
    REQUIRE_FALSE(failed);
    CHECK(failed.error().message ==
          "hook " + directory.path() + "/renewed/10-???[31m at event renewed: exit 3");
}

TEST_CASE("runner: what is judged is the whole way, and what is judged is what is run") {
    const Directory directory;
    const std::string log = " >> '" + directory.path() + "/log'";
    directory.add("open/inner/tool", "echo \"$0\"" + log);
    std::filesystem::create_directories(directory.path() + "/renewed");
    std::filesystem::create_symlink("../open/inner/tool", directory.path() + "/renewed/10");
    REQUIRE(run_all(directory));
    CHECK(directory.read("log") == directory.path() + "/open/inner/tool\n");
    for (const std::string changeable : {"/open", "/open/inner", "/renewed", "/open/inner/tool"}) {
        CAPTURE(changeable);
        const std::string path = directory.path() + changeable;
        REQUIRE(::chmod(path.c_str(), 0775) == 0);
        const auto result = run_all(directory);
        REQUIRE_FALSE(result);
        CHECK(result.error().message.starts_with("hook " + directory.path() +
                                                 "/renewed/10 at event renewed: "));
        CHECK(result.error().message.ends_with(path + " can be changed by others"));
        CHECK(result.error().hint == "chmod go-w " + path);
        REQUIRE(::chmod(path.c_str(), 0755) == 0);
    }
    CHECK(directory.read("log") == directory.path() + "/open/inner/tool\n");
}

TEST_CASE("runner: a hook is judged when its turn comes, not when the first one begins") {
    const Directory directory;
    directory.add("renewed/10", "chmod 0777 '" + directory.path() + "/renewed/20'");
    directory.add("renewed/20", "touch '" + directory.path() + "/ran'");
    directory.add("renewed/30", "touch '" + directory.path() + "/last'");
    const auto result = run_all(directory);
    REQUIRE_FALSE(result);
    CHECK(result.error().message.ends_with("/renewed/20 can be changed by others"));
    CHECK_FALSE(std::filesystem::exists(directory.path() + "/ran"));
    CHECK(std::filesystem::exists(directory.path() + "/last"));
}
