// SPDX-License-Identifier: Apache-2.0
// Real programs, behaving badly: what they get from us, what we take from them, and how they are ended.
#include "base/process.hpp"

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <ostream>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.hpp"
#include "base/outward.hpp"
#include "tests/unit/base/other_processes.hpp"
#include "tests/unit/base/temporary_directory.hpp"

using base::Command;
using base::Completed;
using base::Milliseconds;
using tests::ends_soon;
using tests::is_running;
using tests::TemporaryDirectory;

namespace {

Completed run_to_end(const Command& command) {
    auto result = base::run(command);
    REQUIRE_MESSAGE(result, (result ? "" : result.error().message));
    return *std::move(result);
}

Command shell(std::string script, Milliseconds deadline = Milliseconds(20'000)) {
    return {.argv = {"sh", "-c", std::move(script)}, .deadline = deadline};
}

std::string not_started(const Command& command) {
    const auto result = base::run(command);
    if (result) return "it was started";
    CHECK(base::to_string(result.error().code) == "process/not-started");
    return result.error().message;
}

bool contains(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

std::string without_newline(std::string text) {
    if (text.ends_with('\n')) text.pop_back();
    return text;
}

std::chrono::milliseconds elapsed_since(base::Steady start) {
    return std::chrono::duration_cast<Milliseconds>(base::SystemClock().steady() - start);
}

}  // namespace

TEST_CASE("process: a service that its restart leaves running is left alone, and can print on") {
    // SIGPIPE would end it before the file is there.
    const TemporaryDirectory directory;
    const std::string done_file = directory / "done";
    const std::string daemon = "(trap '' HUP; while [ ! -e '" + (directory / "go") +
                               "' ]; do sleep 0.05; done; echo more; echo more >&2; touch '" + done_file +
                               "') & echo started";
    const base::Steady begun = base::SystemClock().steady();
    const base::Completed done =
        base::run({.argv = {"/bin/sh", "-c", daemon}, .may_leave_daemons = true}).value();
    CHECK(done.ok());
    CHECK(done.out == "started\n");
    CHECK(elapsed_since(begun) < Milliseconds(5'000));
    std::ofstream(directory / "go").close();
    base::SystemClock clock;
    for (int i = 0; i < 400 && !std::filesystem::exists(done_file); ++i) clock.sleep(Milliseconds(25));
    CHECK(std::filesystem::exists(done_file));
}

TEST_CASE("process: what may leave daemons prints as others do, up to a bound") {
    const auto run_script = [](const std::string& script) {
        return base::run({.argv = {"/bin/sh", "-c", script}, .may_leave_daemons = true, .output_max = 100})
            .value();
    };
    const base::Completed both = run_script("echo one; echo two >&2; echo three >/dev/stderr; exit 3");
    CHECK(both.exit_code == 3);
    CHECK(both.out == "one\n");
    CHECK(both.err.ends_with("three\n"));
    CHECK_FALSE(both.truncated);
    const base::Completed much = run_script("yes | head -c 100000; echo ended >&2");
    CHECK(much.out.size() == 100);
    CHECK(much.truncated);
    CHECK(much.err == "ended\n");
    // Somebody who never stops meets the bound long before the deadline.
    const base::Completed endless = run_script("yes 2>/dev/null; echo ended >&2");
    CHECK(endless.ok());
    CHECK(endless.err == "ended\n");
}

TEST_CASE("process: how it ended, in values and in words") {
    struct Case {
        std::string_view script;
        int exit_code;
        int signal;
        std::string_view want;
    };

    for (const Case& c :
         {Case{"exit 0", 0, 0, "exit 0"}, Case{"exit 7", 7, 0, "exit 7"},
          Case{"exit 255", 255, 0, "exit 255"}, Case{"kill -9 $$", -1, SIGKILL, "killed by SIGKILL"},
          Case{"kill -15 $$", -1, SIGTERM, "killed by SIGTERM"}}) {
        CAPTURE(c.script);
        const Completed completed = run_to_end(shell(std::string(c.script)));
        CHECK(completed.exit_code == c.exit_code);
        CHECK(completed.signal == c.signal);
        CHECK(completed.describe() == c.want);
        CHECK(completed.ok() == (c.want == "exit 0"));
    }
    CHECK(Completed{.timed_out = true, .deadline = Milliseconds(1'500)}.describe() ==
          "took longer than 1500 ms");
    CHECK(Completed{.timed_out = true}.describe() == "took longer than 60 s");
    CHECK(Completed{}.describe() == "ended, nobody knows how");
}

TEST_CASE("process: stdout and stderr are kept apart, stdin is given whole") {
    Command command = shell("cat; echo warning >&2");
    command.input = "line 1\nline 2\n";
    const Completed completed = run_to_end(command);
    CHECK(completed.ok());
    CHECK(completed.out == "line 1\nline 2\n");
    CHECK(completed.err == "warning\n");
    CHECK(!completed.truncated);
}

TEST_CASE("process: arguments reach the program as they are") {
    const std::string nasty = "$(touch /tmp/x); `id` 'a' \"b\" *\n\xff";
    CHECK(run_to_end({.argv = {"printf", "%s|", nasty, "", "-n"}}).out == nasty + "||-n|");
}

TEST_CASE("process: the environment is exactly ours") {
    REQUIRE(::setenv("RENEWD_TEST_SECRET", "inherited", 1) == 0);  // NOLINT(concurrency-mt-unsafe)
    REQUIRE(::setenv("LD_LIBRARY_PATH", "/tmp", 1) == 0);          // NOLINT(concurrency-mt-unsafe)
    const Completed plain = run_to_end({.argv = {"env"}});
    const Completed more = run_to_end({.argv = {"env"}, .environment = {{"A", "1=2"}, {"LANG", "C"}}});
    (void)::unsetenv("RENEWD_TEST_SECRET");  // NOLINT(concurrency-mt-unsafe)
    (void)::unsetenv("LD_LIBRARY_PATH");     // NOLINT(concurrency-mt-unsafe)
    CHECK(plain.out == "LANG=C.UTF-8\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n");
    CHECK(more.out == "A=1=2\nLANG=C\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n");
    const Completed narrow = run_to_end({.argv = {"env"}, .path = base::kSystemPath});
    CHECK(narrow.out == "LANG=C.UTF-8\nPATH=/usr/sbin:/usr/bin:/sbin:/bin\n");
}

TEST_CASE("process: no descriptor, blocked signal or ignored signal is inherited") {
    const base::Descriptor kept(::open("/dev/null", O_RDONLY));  // without O_CLOEXEC, as a library might
    REQUIRE(kept.number() > 2);
    sigset_t set;
    sigset_t before;
    (void)::sigemptyset(&set);
    (void)::sigaddset(&set, SIGTERM);
    (void)::pthread_sigmask(SIG_BLOCK, &set, &before);
    const auto usr1_before = std::signal(SIGUSR1, SIG_IGN);
    const Completed descriptors = run_to_end({.argv = {"ls", "/proc/self/fd"}});
    const Completed signals = run_to_end({.argv = {"grep", "-E", "^Sig(Blk|Ign):", "/proc/self/status"}});
    (void)std::signal(SIGUSR1, usr1_before);
    (void)::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    CHECK(descriptors.out == "0\n1\n2\n3\n");  // the last is the directory that ls reads
    // glibc itself lets its two internal signals, 32 and 33, be ignored.
    CHECK(signals.out.starts_with("SigBlk:\t0000000000000000\nSigIgn:\t0000000"));
    CHECK((std::stoull(signals.out.substr(signals.out.rfind('\t')), nullptr, 16) & ~0x1'8000'0000ULL) == 0);
}

TEST_CASE("process: it leads a process group of its own") {
    CHECK(
        run_to_end(
            shell(
                "read -r id name state parent group rest < /proc/self/stat; [ $group = $$ ] && echo leader"))
            .out == "leader\n");
}

TEST_CASE("process: works for a parent without stdin and stdout, and does not take their place") {
    const base::Descriptor saved_in(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 10));
    const base::Descriptor saved_out(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10));
    (void)::close(STDIN_FILENO);
    (void)::close(STDOUT_FILENO);
    auto cat = base::Conversation::start({.argv = {"cat"}, .input = "in\n"});
    const bool nothing_there = ::fcntl(STDIN_FILENO, F_GETFD) == -1 && ::fcntl(STDOUT_FILENO, F_GETFD) == -1;
    if (saved_in.is_open()) (void)::dup2(saved_in.number(), STDIN_FILENO);
    if (saved_out.is_open()) (void)::dup2(saved_out.number(), STDOUT_FILENO);
    CHECK(nothing_there);
    REQUIRE(cat);
    CHECK(cat->finish(Milliseconds(10'000)).out == "in\n");
}

TEST_CASE("process: the deadline ends the program and all it has started") {
    const base::Steady start = base::SystemClock().steady();
    const Completed completed = run_to_end(shell("sleep 60 & echo $!; sleep 60", Milliseconds(200)));
    CHECK(completed.timed_out);
    CHECK(!completed.ok());
    CHECK(completed.signal == SIGTERM);
    CHECK(completed.describe() == "took longer than 200 ms");
    CHECK(ends_soon(without_newline(completed.out)));
    CHECK(elapsed_since(start) < Milliseconds(10'000));
}

TEST_CASE("process: who does not hear SIGTERM is killed two seconds later") {
    const base::Steady start = base::SystemClock().steady();
    const Completed completed = run_to_end(shell(
        "trap '' TERM; sh -c 'sleep 60; sleep 60' & echo $!; while :; do sleep 60; done", Milliseconds(200)));
    CHECK(completed.timed_out);
    CHECK(completed.signal == SIGKILL);
    CHECK(ends_soon(without_newline(completed.out)));
    CHECK(elapsed_since(start) >= Milliseconds(2'200));
    CHECK(elapsed_since(start) < Milliseconds(10'000));
}

TEST_CASE("process: somebody left behind with the output open holds nothing up and is ended") {
    const base::Steady start = base::SystemClock().steady();
    const Completed completed = run_to_end(shell("sleep 60 & echo $!"));
    CHECK(completed.ok());
    CHECK(ends_soon(without_newline(completed.out)));
    CHECK(elapsed_since(start) < Milliseconds(10'000));
}

TEST_CASE("process: a daemon that has let go of the output is left alone") {
    const Completed completed = run_to_end(shell("sleep 60 >/dev/null 2>&1 & echo $!"));
    CHECK(completed.ok());
    const std::string id = without_newline(completed.out);
    CHECK(is_running(id));
    CHECK(::kill(std::stoi(id), SIGKILL) == 0);
}

TEST_CASE("process: a flood is read to its end and kept only so far") {
    Command command = shell("head -c 5000000 /dev/zero; head -c 5000000 /dev/zero >&2");
    command.output_max = 1'000;
    const Completed completed = run_to_end(command);
    CHECK(completed.exit_code == 0);
    CHECK(completed.out.size() == 1'000);
    CHECK(completed.err.size() == 1'000);
    CHECK(completed.truncated);
    const Completed endless = run_to_end({.argv = {"yes"}, .deadline = Milliseconds(100)});
    CHECK(endless.timed_out);
    CHECK(endless.out.size() == 64 * 1024);
}

TEST_CASE("process: an input that nobody reads neither hangs nor kills us") {
    const std::string megabyte(1 << 20, 'x');
    CHECK(run_to_end({.argv = {"true"}, .input = megabyte}).ok());
    Command closes = shell("exec <&-; sleep 0.1; echo done");
    closes.input = megabyte;
    CHECK(run_to_end(closes).out == "done\n");
    const Completed ignores =
        run_to_end({.argv = {"sleep", "60"}, .input = megabyte, .deadline = Milliseconds(100)});
    CHECK(ignores.timed_out);
    sigset_t pending;
    REQUIRE(::sigpending(&pending) == 0);
    CHECK(::sigismember(&pending, SIGPIPE) == 0);
}

TEST_CASE("process: a megabyte goes in and out at once") {
    std::string megabyte;
    for (int line = 0; megabyte.size() < (1U << 20U); ++line) megabyte += std::to_string(line) + "\n";
    CHECK(run_to_end({.argv = {"cat"}, .input = megabyte, .output_max = 2 << 20}).out == megabyte);
}

TEST_CASE("process: what cannot be started says why") {
    const TemporaryDirectory directory;
    base::SystemFiles files;
    REQUIRE(base::write_new_file(files, directory / "plain", "#!/bin/sh\n", {.mode = 0600}));
    REQUIRE(base::write_new_file(files, directory / "no-interpreter", "#!/no/such/shell\n", {.mode = 0700}));
    CHECK(contains(not_started({.argv = {"renewd-no-such-program"}}),
                   "there is no such program in /usr/local/sbin:"));
    CHECK(not_started({.argv = {directory / "missing"}}) ==
          "cannot start " + (directory / "missing") + ": No such file or directory");
    CHECK(contains(not_started({.argv = {directory / "plain"}}), "Permission denied"));
    CHECK(contains(not_started({.argv = {directory / "no-interpreter"}}), "interpreter"));
    CHECK(contains(not_started({.argv = {"true", std::string(200'000, 'x')}}), "Argument list too long"));
    CHECK(contains(not_started({.argv = {"true"}, .environment = {{"A=B", "x"}}}), "'A=B'"));
    CHECK(contains(not_started({.argv = {"true", std::string("a\0b", 3)}}), "NUL"));
    CHECK(contains(not_started({.argv = {""}}), "cannot start"));
    CHECK(contains(not_started({.argv = {}}), "none is named"));
}

TEST_CASE(
    "process: whoever listens hears of a program before it starts and after, and may keep it from starting") {
    static std::vector<std::string> heard;
    static bool may_start = true;
    heard.clear();
    may_start = true;
    base::outward_listener = [](std::string_view what, std::string_view) {
        heard.emplace_back(what);
        return may_start;
    };
    CHECK(run_to_end(shell("true")).ok());
    may_start = false;
    const std::string refused = not_started(shell("true"));
    base::outward_listener = nullptr;
    CHECK(heard == std::vector<std::string>{"spawn", "spawned", "spawn"});
    CHECK(refused.find("Resource temporarily unavailable") != std::string::npos);
}

TEST_CASE("process: programs are found where children look for them, and nowhere else") {
    const TemporaryDirectory directory;
    base::SystemFiles files;
    REQUIRE(base::write_new_file(files, directory / "tool", "#!/bin/sh\n", {.mode = 0700}));
    REQUIRE(base::write_new_file(files, directory / "plain", "", {.mode = 0600}));
    CHECK(base::find_program("sh").ends_with("bin/sh"));
    CHECK(base::find_program("renewd-no-such-program").empty());
    CHECK(base::find_program("").empty());
    CHECK(base::find_program(directory / "tool") == directory / "tool");
    CHECK(base::find_program(directory / "plain").empty());
    CHECK(base::find_program(directory.path()).empty());
    CHECK(base::find_program("tool", directory.path()) == directory / "tool");
    CHECK(base::find_program("sh", directory.path()).empty());
}

TEST_CASE("process: the file that is executed can be another than argv[0]") {
    const Completed done =
        run_to_end({.argv = {"nowhere", "-c", "echo $0"}, .program = base::find_program("sh")});
    CHECK(done.out == "nowhere\n");
    CHECK(not_started({.argv = {"sh"}, .program = "renewd-no-such-program"}) ==
          "cannot start renewd-no-such-program: there is no such program in "
          "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    CHECK(contains(not_started({.argv = {"renewd-no-such-program"}, .path = base::kSystemPath}),
                   "there is no such program in /usr/sbin:"));
    CHECK(contains(not_started({.argv = {"sh"}, .program = std::string("sh\0x", 4)}), "a NUL byte"));
}
