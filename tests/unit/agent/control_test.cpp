// SPDX-License-Identifier: Apache-2.0
// What a command says to a running agent, and what it asks.
#include "agent/work/control.hpp"

#include <functional>
#include <optional>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>
#include <poll.h>

#include "tests/unit/base/temporary_directory.hpp"

using namespace std::chrono_literals;

namespace {

/// The next lines that come.
std::vector<agent::ControlLine> wait_for_lines(const agent::ControlSocket& socket) {
    pollfd one{.fd = socket.descriptor().number(), .events = POLLIN, .revents = 0};
    REQUIRE(::poll(&one, 1, 10'000) == 1);
    return socket.hear();
}

}  // namespace

TEST_CASE("control: what commands say is heard, in their order, and nobody of them waits for an answer") {
    const tests::TemporaryDirectory directory;
    const auto socket = agent::ControlSocket::open(directory.path()).value();
    agent::tell_agent(directory.path(), agent::changed_line("example.com"));
    agent::tell_agent(directory.path(), "anything");
    const auto lines = socket.hear();
    REQUIRE(lines.size() == 2);
    CHECK(agent::certificate_changed(lines[0].text) == "example.com");
    CHECK(agent::certificate_changed(lines[1].text).empty());
    socket.answer(lines[0], "to nobody");
    CHECK(socket.hear().empty());
}

TEST_CASE("control: a question is answered to whoever has asked it, and only by the agent") {
    const tests::TemporaryDirectory directory;
    const auto socket = agent::ControlSocket::open(directory.path()).value();
    for (const std::string said : {"the disk answers with errors", ""}) {
        std::optional<std::string> answer;
        {
            const std::jthread asking([&] { answer = agent::ask_agent(directory.path(), "how", 10s); });
            const auto lines = wait_for_lines(socket);
            REQUIRE(lines.size() == 1);
            CHECK(lines[0].text == "how");
            const tests::TemporaryDirectory elsewhere;
            agent::ControlSocket::open(elsewhere.path()).value().answer(lines[0], "a lie");
            socket.answer(lines[0], said);
        }
        CHECK(answer == said);
    }
}

TEST_CASE("control: an agent that is not there, or has no time, leaves a question without an answer") {
    const tests::TemporaryDirectory directory;
    CHECK_FALSE(agent::ask_agent(directory.path(), "how", 10s));
    CHECK_FALSE(agent::ask_agent(directory.path() + "/nowhere", "how", 10s));
    {
        const auto busy = agent::ControlSocket::open(directory.path()).value();
        CHECK_FALSE(agent::ask_agent(directory.path(), "how", 20ms));
        CHECK(busy.hear().size() == 1);
    }
    CHECK_FALSE(agent::ask_agent(directory.path(), "how", 10s));  // its socket's file stays behind
}
