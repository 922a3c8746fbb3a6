// SPDX-License-Identifier: Apache-2.0
// Lines to and from a program, one at a time. The program may be at the other end of an SSH connection, and
// is believed nothing: not that it reads, nor that its lines end.
#include <algorithm>
#include <utility>

#include "base/child.hpp"
#include "base/outward.hpp"

namespace base {

namespace {

constexpr std::size_t kLineMax = std::size_t{64} * 1024;  // our own answers are a few hundred bytes of JSON
constexpr Milliseconds kFarewell{2'000};  // for a program whose stdin was closed to end by itself

}  // namespace

struct Conversation::State {
    std::string program;
    Child child;
    Steady deadline;
    Milliseconds allowed;  // the deadline as it was given
    std::size_t output_max;
};

Conversation::Conversation(std::unique_ptr<State> state) : state_(std::move(state)) {}

Conversation::Conversation(Conversation&&) noexcept = default;

Conversation& Conversation::operator=(Conversation&& other) noexcept {
    if (this != &other) {
        const Conversation ended(std::move(*this));  // says farewell to the old one when it goes
        state_ = std::move(other.state_);
    }
    return *this;
}

Conversation::~Conversation() {
    if (state_ == nullptr) return;
    state_->child.close_input();  // what was not sent yet is not wanted any more
    (void)finish(kFarewell);
}

Result<Conversation> Conversation::start(const Command& command) {
    const Steady deadline = from_now(command.deadline);
    Child child = TRY(Child::start(command));
    child.out.hold = true;
    child.out.size_max = kLineMax + 1;
    child.step(from_now(Milliseconds(0)));  // what fits into the pipe of Command::input is on its way
    return Conversation(std::make_unique<State>(State{.program = command.argv.front(),
                                                      .child = std::move(child),
                                                      .deadline = deadline,
                                                      .allowed = command.deadline,
                                                      .output_max = command.output_max}));
}

Result<void> Conversation::send(std::string_view bytes) {
    if (!outward("send", state_->program))
        return fail(Code::NetTimeout, state_->program + " cannot be sent anything");
    Child& child = state_->child;
    child.queue_input(bytes);
    while (child.has_unsent_input()) {
        if (from_now(Milliseconds(0)) >= state_->deadline) {
            return fail(Code::NetTimeout, state_->program + " did not take what it was sent in time");
        }
        child.step(state_->deadline);
    }
    has_gone_outward("sent", state_->program);
    return {};
}

Result<Conversation::Line> Conversation::read_line(Milliseconds patience) {
    Collected& out = state_->child.out;
    const Steady until = std::min(from_now(patience), state_->deadline);
    for (;;) {
        const std::size_t size = out.text.find('\n');
        if (std::min(size, out.text.size()) > kLineMax) {
            return fail(Code::HostProtocol, state_->program + " sent a line of more than 64 KiB");
        }
        if (size != std::string::npos) {
            Line line{.text = out.text.substr(0, size)};
            out.text.erase(0, size + 1);
            return line;
        }
        if (!out.pipe.is_open()) return Line{.end = out.text.empty(), .text = std::exchange(out.text, {})};
        if (from_now(Milliseconds(0)) >= until) {
            return fail(Code::NetTimeout, state_->program + " did not answer in time");
        }
        state_->child.step(until);
    }
}

Completed Conversation::finish(Milliseconds patience) {
    Child& child = state_->child;
    child.out.hold = false;
    child.out.size_max = state_->output_max;
    child.close_input_when_sent();
    child.run_to_end(std::min(from_now(patience), state_->deadline), Milliseconds(0));
    return child.completed(std::min(patience, state_->allowed));
}

const std::string& Conversation::err() const {
    return state_->child.err.text;
}

}  // namespace base
