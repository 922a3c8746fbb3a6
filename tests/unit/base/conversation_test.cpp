// SPDX-License-Identifier: Apache-2.0
// Talking with programs that answer, that do not, and that never stop.
#include <csignal>
#include <ostream>
#include <utility>

#include <doctest/doctest.h>

#include "base/process.hpp"
#include "tests/unit/base/other_processes.hpp"

using base::Command;
using base::Conversation;
using base::Milliseconds;
using tests::ends_soon;
using tests::is_running;

namespace {

constexpr Milliseconds kPatience{10'000};

Conversation start(const Command& command) {
    auto started = Conversation::start(command);
    REQUIRE(started);
    return *std::move(started);
}

Conversation start_shell(std::string script) {
    return start({.argv = {"sh", "-c", std::move(script)}});
}

std::string next_line(Conversation& conversation) {
    const auto line = conversation.read_line(kPatience);
    if (!line) return "error: " + std::string(base::to_string(line.error().code));
    return line->end ? "(end)" : line->text;
}

}  // namespace

TEST_CASE("conversation: question and answer, to the end") {
    Conversation cat = start({.argv = {"cat"}, .input = "first\n"});
    CHECK(next_line(cat) == "first");
    REQUIRE(cat.send("second\n\nthi"));
    CHECK(next_line(cat) == "second");
    CHECK(next_line(cat).empty());
    REQUIRE(cat.send("rd\nrest"));
    CHECK(next_line(cat) == "third");
    const base::Completed completed = cat.finish(kPatience);
    CHECK(completed.ok());
    CHECK(completed.out == "rest");
    CHECK(next_line(cat) == "(end)");
}

TEST_CASE("conversation: a last line without a newline counts, and then comes the end") {
    Conversation program = start_shell("printf 'one\\ntwo'; exit 3");
    CHECK(next_line(program) == "one");
    CHECK(next_line(program) == "two");
    CHECK(next_line(program) == "(end)");
    CHECK(next_line(program) == "(end)");
    REQUIRE(program.send("nobody reads this"));
    CHECK(program.finish(kPatience).exit_code == 3);
}

TEST_CASE("conversation: silence is net/timeout, by patience or by the deadline") {
    Conversation program = start_shell("read -r line; echo answer; exec sleep 60");
    const auto silent = program.read_line(Milliseconds(50));
    REQUIRE(!silent);
    CHECK(base::to_string(silent.error().code) == "net/timeout");
    CHECK(silent.error().message == "sh did not answer in time");
    REQUIRE(program.send("go\n"));
    CHECK(next_line(program) == "answer");  // it was only slow
    const base::Completed completed = program.finish(Milliseconds(50));
    CHECK(completed.timed_out);
    CHECK(completed.describe() == "took longer than 50 ms");

    Conversation late = start({.argv = {"sleep", "60"}, .deadline = Milliseconds(50)});
    CHECK(next_line(late) == "error: net/timeout");
    CHECK(late.finish(kPatience).timed_out);
}

TEST_CASE("conversation: a line may be 64 KiB, and not one byte more") {
    Conversation fits = start_shell("head -c 65536 /dev/zero | tr '\\0' x; echo; echo next");
    CHECK(next_line(fits) == std::string(65'536, 'x'));
    CHECK(next_line(fits) == "next");
    Conversation too_long = start_shell("head -c 65537 /dev/zero | tr '\\0' x; echo; echo next");
    CHECK(next_line(too_long) == "error: host/protocol");
    CHECK(next_line(too_long) == "error: host/protocol");
    Conversation endless = start({.argv = {"cat", "/dev/zero"}});
    CHECK(next_line(endless) == "error: host/protocol");
    CHECK(endless.finish(Milliseconds(20)).timed_out);
}

TEST_CASE("conversation: many lines come through whole though they are held back") {
    Conversation program = start_shell("seq 1 50000");
    for (int number = 1; number <= 50'000; ++number) {
        if (next_line(program) != std::to_string(number)) FAIL("line " << number);
    }
    CHECK(next_line(program) == "(end)");
    CHECK(program.finish(kPatience).ok());
}

TEST_CASE("conversation: who does not read is told so at the deadline, not waited for") {
    Conversation program = start({.argv = {"sleep", "60"}, .deadline = Milliseconds(100)});
    const auto sent = program.send(std::string(1'048'576, 'x'));
    REQUIRE(!sent);
    CHECK(base::to_string(sent.error().code) == "net/timeout");
}

TEST_CASE("conversation: who has gone is no error for the sender") {
    Conversation program = start({.argv = {"true"}});
    CHECK(next_line(program) == "(end)");
    CHECK(program.send(std::string(1'048'576, 'x')));
    CHECK(program.finish(kPatience).ok());
}

TEST_CASE("conversation: stderr is collected beside it, so far and no further") {
    Conversation program =
        start({.argv = {"sh", "-c", "head -c 9000000 /dev/zero | tr '\\0' e >&2; echo done"}});
    CHECK(next_line(program) == "done");
    const base::Completed completed = program.finish(kPatience);
    CHECK(completed.truncated);
    CHECK(completed.err == std::string(65'536, 'e'));
    CHECK(program.err() == completed.err);
}

TEST_CASE("conversation: when it goes, so do the program and its children") {
    std::string leader;
    std::string child;
    {
        Conversation program =
            start_shell("trap '' TERM HUP; sleep 60 & echo $$; echo $!; while :; do sleep 60; done");
        leader = next_line(program);
        child = next_line(program);
        CHECK(is_running(leader));
    }
    CHECK(ends_soon(leader));
    CHECK(ends_soon(child));
}

TEST_CASE("conversation: a program that ends by itself gets the time to do so") {
    std::string leader;
    {
        Conversation program = start_shell("echo $$; cat >/dev/null; exit 0");
        leader = next_line(program);
    }
    CHECK(ends_soon(leader));
}

TEST_CASE("conversation: moves, and the one that is moved over ends") {
    Conversation first = start_shell("echo $$; exec cat");
    const std::string id = next_line(first);
    Conversation second = start({.argv = {"cat"}, .input = "hello\n"});
    first = std::move(second);
    CHECK(ends_soon(id));
    CHECK(next_line(first) == "hello");
    Conversation third(std::move(first));
    REQUIRE(third.send("again\n"));
    CHECK(next_line(third) == "again");
}

TEST_CASE("conversation: what cannot be started says why") {
    const auto started = Conversation::start({.argv = {"renewd-no-such-program"}});
    REQUIRE(!started);
    CHECK(base::to_string(started.error().code) == "process/not-started");
}
