// SPDX-License-Identifier: Apache-2.0
// A running program and all that passes between it and us: what run() and Conversation share. One thread
// moves bytes in all directions at once, so that neither side can hang the other. For process.cpp and
// conversation.cpp.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "base/secret.hpp"
#include "base/spawn.hpp"

namespace base {

/// `duration` from now, by the steady clock; durations beyond a year count as a year.
[[nodiscard]] Steady from_now(Milliseconds duration);

/// One output of a program, with a bound on what is kept of it.
struct Collected {
    Descriptor pipe{};
    Descriptor file{};  // in place of the pipe, where the program may leave daemons
    std::string text{};
    std::size_t size_max = 0;
    bool hold = false;  // when `text` is full: true lets the program wait, false reads on and drops
    bool dropped = false;

    [[nodiscard]] bool wants_more() const { return pipe.is_open() && (!hold || text.size() < size_max); }

    /// Takes what is there; does not block.
    void read_once();
    /// Of a file: lets it grow no more, where it has become too large or `is_over`.
    void bound_file(bool is_over) const;
    /// What the file holds.
    void read_file();
};

class Child {
  public:
    /// Starts the program; Command::input is queued, and Command::output_max bounds both outputs.
    [[nodiscard]] static Result<Child> start(const Command& command);
    Child(Child&&) noexcept = default;
    Child& operator=(Child&&) = delete;
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    /// Kills the program if it still runs.
    ~Child();

    /// Waits, not beyond `until`, for something that can be done, and does it: bytes in, bytes out, its end.
    void step(Steady until);
    /// Steps until the program has ended and its outputs, if they are pipes, are closed. At `deadline` its
    /// group gets SIGTERM, and SIGKILL `patience` later. Whoever keeps a pipe open after its end is killed
    /// after a short grace.
    void run_to_end(Steady deadline, Milliseconds patience);

    void queue_input(std::string_view bytes);

    [[nodiscard]] bool has_unsent_input() const {
        return spawned_.input.is_open() && unsent_.reveal().size() > sent_;
    }

    void close_input_when_sent();
    /// Drops what was not sent.
    void close_input();

    /// How it ended; to be asked after run_to_end(). Takes what is left of its stdout away.
    [[nodiscard]] Completed completed(Milliseconds deadline);

    Collected out{};
    Collected err{};

  private:
    explicit Child(Spawned spawned) : spawned_(std::move(spawned)) {}

    void write_once();
    void note_end();

    [[nodiscard]] bool is_over() const { return ended_ && !out.pipe.is_open() && !err.pipe.is_open(); }

    Spawned spawned_;
    Secret unsent_{};       // a key may be among it
    std::size_t sent_ = 0;  // bytes of unsent_ that are gone already
    bool close_when_sent_ = false;
    bool ended_ = false;  // but not reaped: until the destructor nobody else can be given its process id
    Steady ended_at_{};
    bool timed_out_ = false;
    int exit_code_ = -1;
    int signal_ = 0;
};

}  // namespace base
