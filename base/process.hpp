// SPDX-License-Identifier: Apache-2.0
// Other people's programs: started by argv, never through a shell, with an environment of our own making, a
// deadline for their whole process group and a bound on what they may print. Nothing is inherited.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"

namespace base {

/// Where programs are looked for: what this machine's administrator put under /usr/local comes first.
inline constexpr std::string_view kLocalPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The same without /usr/local, which others than root may write on Debian (group staff): for what may run as
/// root on somebody else's behalf.
inline constexpr std::string_view kSystemPath = "/usr/sbin:/usr/bin:/sbin:/bin";

struct Command {
    std::vector<std::string> argv{};
    /// The file that is executed, as argv[0] or not. Empty: argv[0], looked for in `path` if it has no slash.
    std::string program{};
    std::string_view path = kLocalPath;  // one of the two above; also the program's PATH
    /// Added to the fixed environment: PATH and LANG=C.UTF-8.
    std::map<std::string, std::string> environment{};
    std::string input{};            // its stdin, whole; then end of file
    Milliseconds deadline{60'000};  // then the process group gets SIGTERM, two seconds later SIGKILL
    /// What it leaves running when it has ended in time is left alone (a service's restart), and can print on
    /// to nobody: for run() alone. Its output beyond 16 MiB is refused, instead of being dropped.
    bool may_leave_daemons = false;
    std::size_t output_max = 65'536;  // of stdout and stderr each; what is beyond is read and dropped
};

struct Completed {
    int exit_code = -1;  // -1 where a signal ended it
    int signal = 0;
    bool timed_out = false;
    bool truncated = false;
    std::string out{};
    std::string err{};
    Milliseconds deadline{60'000};  // that it had, for describe()

    [[nodiscard]] bool ok() const { return exit_code == 0 && signal == 0 && !timed_out; }

    /// "exit 1", "killed by SIGKILL", "took longer than 60 s".
    [[nodiscard]] std::string describe() const;
};

/// Runs a program to its end. Blocks up to deadline + 2 s. process/not-started if there is no such program.
[[nodiscard]] Result<Completed> run(const Command& command);

/// The program argv[0] names, found in the PATH that children get; nothing if there is none to execute.
[[nodiscard]] std::string find_program(const std::string& name, std::string_view path = kLocalPath);

/// A program we talk with: its stdin and stdout stay open. Used from one thread. When it goes, stdin is
/// closed, the program gets two seconds to end by itself, and then its process group is killed.
class Conversation {
  public:
    /// Command::input is sent first, without blocking on an answer; `deadline` holds for the whole
    /// conversation.
    [[nodiscard]] static Result<Conversation> start(const Command& command);
    Conversation(Conversation&&) noexcept;
    Conversation& operator=(Conversation&&) noexcept;
    Conversation(const Conversation&) = delete;
    Conversation& operator=(const Conversation&) = delete;
    ~Conversation();

    struct Line {
        bool end = false;  // the program closed its stdout
        std::string text{};
    };

    /// Sends all of `bytes`. A program that does not read any more is no error here: read_line shows its end.
    [[nodiscard]] Result<void> send(std::string_view bytes);
    /// The next line of stdout, without its newline. net/timeout after `patience`, or at the deadline.
    [[nodiscard]] Result<Line> read_line(Milliseconds patience);
    /// Closes stdin and waits for the end (up to `patience`, then kills the group).
    [[nodiscard]] Completed finish(Milliseconds patience);
    /// What it has said on stderr so far.
    [[nodiscard]] const std::string& err() const;

  private:
    struct State;
    explicit Conversation(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace base
