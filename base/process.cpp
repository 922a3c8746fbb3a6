// SPDX-License-Identifier: Apache-2.0
// Running a program to its end, and saying how it ended.
#include "base/process.hpp"

#include <cstring>

#include "base/child.hpp"

namespace base {

namespace {

constexpr Milliseconds kTerminationGrace{2'000};  // between SIGTERM and SIGKILL

std::string in_words(Milliseconds duration) {
    const auto seconds = std::chrono::duration_cast<Seconds>(duration);
    if (duration == seconds) return std::to_string(seconds.count()) + " s";
    return std::to_string(duration.count()) + " ms";
}

}  // namespace

std::string Completed::describe() const {
    if (timed_out) return "took longer than " + in_words(deadline);
    if (signal != 0) {
        const char* const name = ::sigabbrev_np(signal);
        return "killed by " +
               (name != nullptr ? "SIG" + std::string(name) : "signal " + std::to_string(signal));
    }
    if (exit_code < 0) return "ended, nobody knows how";
    return "exit " + std::to_string(exit_code);
}

Result<Completed> run(const Command& command) {
    const Steady deadline = from_now(command.deadline);
    Child child = TRY(Child::start(command));
    child.close_input_when_sent();
    child.run_to_end(deadline, kTerminationGrace);
    return child.completed(command.deadline);
}

}  // namespace base
