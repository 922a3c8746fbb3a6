// SPDX-License-Identifier: Apache-2.0
// The pump between a program and us: one poll over its two outputs, its input and its end, and no busy loop.
#include "base/child.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sigpipe.hpp"

namespace base {

namespace {

constexpr std::size_t kChunkSize = std::size_t{64} * 1024;  // what a pipe holds
constexpr Milliseconds kOutputGrace{500};                   // for what was printed just before the end
constexpr Milliseconds kKilledGrace{1'000};  // a process in the middle of disk I/O takes a moment to die
constexpr Milliseconds kGlance{100};         // between two looks at how large an output has become
constexpr off_t kFileMax = off_t{16} * 1024 * 1024;
constexpr Milliseconds kLongest = std::chrono::hours(24 * 365);

Steady now() {
    return SystemClock().steady();
}

bool must_wait(int number) {
    return number == EAGAIN || number == EWOULDBLOCK || number == EINTR;
}

/// poll(2) until an instant. What is ready is in `waiting`; nothing is where the time has passed.
void poll_until(std::array<pollfd, 4>& waiting, Steady until) {
    const auto rest = std::chrono::ceil<Milliseconds>(until - now());
    const auto timeout =
        std::clamp(rest, Milliseconds(0), std::chrono::duration_cast<Milliseconds>(kLongest / 20));
    if (::poll(waiting.data(), waiting.size(), static_cast<int>(timeout.count())) >= 0) return;
    for (pollfd& entry : waiting)
        entry.revents = 0;  // a signal came: the caller looks at the clock and comes again
}

}  // namespace

Steady from_now(Milliseconds duration) {
    return now() + std::min(duration, kLongest);
}

void Collected::read_once() {
    std::array<char, kChunkSize> chunk;  // NOLINT(cppcoreguidelines-pro-type-member-init): read(2) fills it
    const ssize_t taken = ::read(pipe.number(), chunk.data(), chunk.size());
    if (taken < 0 && must_wait(errno)) return;
    if (taken <= 0) {
        pipe.close();
        return;
    }
    const auto size = static_cast<std::size_t>(taken);
    const std::size_t room = hold ? size : size_max - std::min(size_max, text.size());
    text.append(chunk.data(), std::min(size, room));
    dropped = dropped || size > room;
}

void Collected::bound_file(bool is_over) const {
    struct stat status{};
    if (!file.is_open() || (!is_over && (::fstat(file.number(), &status) != 0 || status.st_size <= kFileMax)))
        return;
    (void)::fcntl(file.number(), F_ADD_SEALS, F_SEAL_GROW);  // who prints on is told EPERM, and not killed
}

void Collected::read_file() {
    if (!file.is_open()) return;
    bound_file(/*is_over=*/true);
    std::array<char, kChunkSize> chunk;  // NOLINT(cppcoreguidelines-pro-type-member-init): pread(2) fills it
    for (off_t at = 0;;) {
        const ssize_t taken = ::pread(file.number(), chunk.data(), chunk.size(), at);
        if (taken <= 0) break;
        at += taken;
        const auto size = static_cast<std::size_t>(taken);
        const std::size_t room = size_max - std::min(size_max, text.size());
        text.append(chunk.data(), std::min(size, room));
        dropped = dropped || size > room;
        if (dropped) break;
    }
    file.close();
}

Result<Child> Child::start(const Command& command) {
    Child child(TRY(spawn(command)));
    (command.may_leave_daemons ? child.out.file : child.out.pipe) = std::move(child.spawned_.out);
    (command.may_leave_daemons ? child.err.file : child.err.pipe) = std::move(child.spawned_.err);
    child.out.size_max = child.err.size_max = command.output_max;
    child.queue_input(command.input);
    return child;
}

Child::~Child() {
    if (!spawned_.handle.is_open()) return;  // moved away
    if (!ended_) {
        signal_group(spawned_, SIGKILL);
        pollfd handle{.fd = spawned_.handle.number(), .events = POLLIN, .revents = 0};
        (void)::poll(&handle, 1, static_cast<int>(kKilledGrace.count()));
    }
    siginfo_t how{};
    (void)::waitid(P_PIDFD, static_cast<id_t>(spawned_.handle.number()), &how, WEXITED | WNOHANG);
}

void Child::step(Steady until) {
    const auto when = [](bool wanted, const Descriptor& file, short events) {
        return pollfd{
            .fd = wanted ? file.number() : -1, .events = events, .revents = 0};  // -1: poll passes over it
    };
    std::array<pollfd, 4> waiting{
        when(has_unsent_input(), spawned_.input, POLLOUT), when(out.wants_more(), out.pipe, POLLIN),
        when(err.wants_more(), err.pipe, POLLIN), when(!ended_, spawned_.handle, POLLIN)};
    poll_until(waiting, until);
    if (waiting[0].revents != 0) write_once();
    if (waiting[1].revents != 0) out.read_once();
    if (waiting[2].revents != 0) err.read_once();
    if (waiting[3].revents != 0) note_end();
}

void Child::run_to_end(Steady deadline, Milliseconds patience) {
    const auto run_until = [&](Steady until, Milliseconds after_end) {
        while (!is_over()) {
            const Steady limit = ended_ ? std::min(until, ended_at_ + after_end) : until;
            if (now() >= limit) return;
            step(out.file.is_open() ? std::min(limit, now() + kGlance) : limit);
            out.bound_file(/*is_over=*/false);
            err.bound_file(/*is_over=*/false);
        }
    };
    run_until(deadline, kOutputGrace);
    if (is_over()) return;
    timed_out_ = !ended_;
    if (timed_out_) {
        signal_group(spawned_, SIGTERM);
        signal_group(spawned_, SIGCONT);  // a stopped program would not hear the first
        run_until(from_now(patience), patience);
    }
    signal_group(spawned_, SIGKILL);
    run_until(from_now(kKilledGrace), kOutputGrace);
}

void Child::queue_input(std::string_view bytes) {
    if (!spawned_.input.is_open()) return;
    const std::string_view rest = std::string_view(unsent_.reveal()).substr(std::exchange(sent_, 0));
    std::string both;
    both.reserve(rest.size() + bytes.size());  // growing would leave copies behind
    both.append(rest).append(bytes);
    unsent_ = Secret(std::move(both));
}

void Child::close_input_when_sent() {
    close_when_sent_ = true;
    if (!has_unsent_input()) close_input();
}

void Child::close_input() {
    spawned_.input.close();
    unsent_ = Secret();
    sent_ = 0;
}

void Child::write_once() {
    const SigpipeHeld held;
    const std::string_view rest = std::string_view(unsent_.reveal()).substr(sent_);
    const ssize_t taken = ::write(spawned_.input.number(), rest.data(), rest.size());
    if (taken < 0 && must_wait(errno)) return;
    if (taken < 0) {  // EPIPE: it does not read any more, which is its right
        close_input();
        return;
    }
    sent_ += static_cast<std::size_t>(taken);
    if (has_unsent_input()) return;
    unsent_ = Secret();
    sent_ = 0;
    if (close_when_sent_) close_input();
}

void Child::note_end() {
    siginfo_t how{};
    const auto handle = static_cast<id_t>(spawned_.handle.number());
    const bool asked = ::waitid(P_PIDFD, handle, &how, WEXITED | WNOWAIT | WNOHANG) == 0;
    if (asked && how.si_pid == 0) return;
    ended_ = true;
    ended_at_ = now();
    if (!asked) return;  // somebody else has reaped it: how it ended will never be known
    if (how.si_code == CLD_EXITED) {
        exit_code_ = how.si_status;
    } else {
        signal_ = how.si_status;
    }
}

Completed Child::completed(Milliseconds deadline) {
    out.read_file();
    err.read_file();
    return {.exit_code = exit_code_,
            .signal = signal_,
            .timed_out = timed_out_,
            .truncated = out.dropped || err.dropped,
            .out = std::move(out.text),
            .err = err.text,
            .deadline = deadline};
}

}  // namespace base
