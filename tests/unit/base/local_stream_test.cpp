// SPDX-License-Identifier: Apache-2.0
// Both ends of a Unix socket, and an other end that does not keep to anything.
#include "base/local_stream.hpp"

#include <array>
#include <ostream>
#include <thread>
#include <utility>

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/base/temporary_directory.hpp"

namespace {

using base::LocalStream;
using base::Milliseconds;
using base::Seconds;

/// Our end and the other one.
struct Pair {
    Pair() : Pair(make()) {}

    LocalStream ours;
    base::Descriptor theirs;

    void say(const std::string& text) const { (void)!::write(theirs.number(), text.data(), text.size()); }

  private:
    explicit Pair(std::array<int, 2> ends)
        : ours(LocalStream::adopt(base::Descriptor(ends[0])).value()), theirs(ends[1]) {}

    static std::array<int, 2> make() {
        std::array<int, 2> ends{-1, -1};
        (void)::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data());
        return ends;
    }
};

std::string code_of(const base::Error& error) {
    return std::string(base::to_string(error.code));
}

}  // namespace

TEST_CASE("local stream: lines and bytes, however they arrive") {
    Pair pair;
    pair.say("one\ntwo\n12345thr");
    CHECK(pair.ours.read_line(Seconds{5})->text == "one");
    CHECK(pair.ours.read_line(Seconds{5})->text == "two");
    CHECK(pair.ours.read_bytes(5, Seconds{5})->reveal() == "12345");
    pair.say("ee\n");
    CHECK(pair.ours.read_line(Seconds{5})->text == "three");
    CHECK(pair.ours.read_bytes(0, Seconds{5})->empty());
    CHECK(pair.ours.peer().value() == ::geteuid());
}

TEST_CASE("local stream: an end in the middle") {
    Pair pair;
    pair.say("whole\nhalf");
    pair.theirs.close();
    CHECK(pair.ours.read_line(Seconds{5})->text == "whole");
    const auto line = pair.ours.read_line(Seconds{5});
    CHECK(line->end);
    CHECK(line->text.empty());
    CHECK(pair.ours.read_bytes(100, Seconds{5})->reveal() == "half");
    CHECK(pair.ours.send("nobody is there any more").has_value());
}

TEST_CASE("local stream: every wait has an end") {
    Pair pair;
    pair.say("half a line");
    CHECK(code_of(pair.ours.read_line(Milliseconds{20}).error()) == "net/timeout");
    CHECK(code_of(pair.ours.read_bytes(100, Milliseconds{20}).error()) == "net/timeout");
    CHECK(code_of(pair.ours.send(std::string(4'000'000, 'x'), Milliseconds{20}).error()) == "net/timeout");
    pair.ours.finish(Milliseconds{20});
}

TEST_CASE("local stream: a line without an end is cut off") {
    Pair pair;
    std::thread writer([&] { pair.say(std::string(100'000, 'x')); });
    CHECK(code_of(pair.ours.read_line(Seconds{5}).error()) == "host/protocol");
    CHECK(pair.ours.read_bytes(100'000 - 70'000, Seconds{5}).has_value());
    pair.ours.finish(Milliseconds{200});
    writer.join();
}

TEST_CASE("local stream: what is no socket") {
    const tests::TemporaryDirectory directory;
    CHECK(code_of(LocalStream::connect(directory / "none").error()) == "file/not-found");
    CHECK(code_of(LocalStream::connect(std::string(200, 'x')).error()) == "net/unreachable");
    std::array<int, 2> pipe{-1, -1};
    REQUIRE(::pipe(pipe.data()) == 0);
    const base::Descriptor other(pipe[1]);
    CHECK(code_of(LocalStream::adopt(base::Descriptor(pipe[0])).error()) == "file/io");
}
