// SPDX-License-Identifier: Apache-2.0
// posix_spawn rather than fork: nothing of ours may run in a copy of a process with many threads.
#include "base/spawn.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

extern "C" {  // glibc 2.36 has forgotten to say it
#include <sys/pidfd.h>
}

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/outward.hpp"

namespace base {

namespace {

bool is_executable_file(const std::string& path) {
    struct stat status{};
    return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) && ::access(path.c_str(), X_OK) == 0;
}

Failure not_started(const std::string& name, const std::string& why, std::string hint = {}) {
    return fail(Code::ProcessNotStarted, "cannot start " + name + ": " + why, std::move(hint));
}

Failure not_started(const std::string& path, int number) {
    if (number == ENOENT && is_executable_file(path)) {
        return not_started(path, "the interpreter that its first line names is not there");
    }
    if (number == E2BIG)
        return not_started(path, errno_text(number), "arguments and environment are too large together");
    return not_started(path, errno_text(number));
}

struct Pipe {
    Descriptor ours{};
    Descriptor theirs{};
};

/// Moves a new descriptor above stdin, stdout and stderr: in a daemon that was started without them it would
/// take their place, and what some library prints would go into a program's stdin.
Result<Descriptor> above_standard(int number) {
    Descriptor low(number);
    if (number > STDERR_FILENO) return low;
    Descriptor high(::fcntl(number, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
    if (!high.is_open())
        return fail(Code::ProcessNotStarted, "no descriptor for a program: " + errno_text(errno));
    return high;
}

enum class Direction { ToChild, FromChild };

Result<Pipe> make_pipe(Direction direction) {
    std::array<int, 2> ends{-1, -1};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        return fail(Code::ProcessNotStarted, "no pipe for a program: " + errno_text(errno));
    }
    Result<Descriptor> reading = above_standard(ends[0]);
    Result<Descriptor> writing = above_standard(ends[1]);
    if (!reading) return tl::make_unexpected(std::move(reading).error());
    if (!writing) return tl::make_unexpected(std::move(writing).error());
    Pipe made{.ours = std::move(*reading), .theirs = std::move(*writing)};
    if (direction == Direction::ToChild) std::swap(made.ours, made.theirs);
    (void)::fcntl(made.ours.number(), F_SETFL, O_NONBLOCK);  // cannot go wrong on a pipe
    return made;
}

/// Memory in the shape of a file; it goes with the last who has it open.
Result<Pipe> make_output_file() {
    constexpr unsigned kNotExecutable =
        8;  // MFD_NOEXEC_SEAL, which some systems insist on, and old ones lack
    int number = ::memfd_create("renewd-output", MFD_CLOEXEC | MFD_ALLOW_SEALING | kNotExecutable);
    if (number < 0) number = ::memfd_create("renewd-output", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (number < 0)
        return fail(Code::ProcessNotStarted, "no file for a program's output: " + errno_text(errno));
    Pipe made{.theirs = TRY(above_standard(number))};
    (void)::fcntl(made.theirs.number(), F_SETFL, O_APPEND);  // also after somebody has opened it anew
    made.ours = Descriptor(::fcntl(made.theirs.number(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
    if (!made.ours.is_open())
        return fail(Code::ProcessNotStarted, "no descriptor for a program: " + errno_text(errno));
    return made;
}

Result<Pipe> make_output(const Command& command) {
    return command.may_leave_daemons ? make_output_file() : make_pipe(Direction::FromChild);
}

/// posix_spawn's two opaque arguments.
class SpawnArguments {
  public:
    SpawnArguments() {
        (void)::posix_spawn_file_actions_init(&actions_);
        (void)::posix_spawnattr_init(&attributes_);
    }

    SpawnArguments(const SpawnArguments&) = delete;
    SpawnArguments& operator=(const SpawnArguments&) = delete;

    ~SpawnArguments() {
        (void)::posix_spawn_file_actions_destroy(&actions_);
        (void)::posix_spawnattr_destroy(&attributes_);
    }

    /// The first error of all that has to be said, or 0.
    int set(int input, int out, int err) {
        sigset_t all;
        sigset_t none;
        (void)::sigfillset(&all);
        (void)::sigemptyset(&none);
        const std::array errors{
            ::posix_spawn_file_actions_adddup2(&actions_, input, STDIN_FILENO),
            ::posix_spawn_file_actions_adddup2(&actions_, out, STDOUT_FILENO),
            ::posix_spawn_file_actions_adddup2(&actions_, err, STDERR_FILENO),
            ::posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1),
            ::posix_spawnattr_setpgroup(&attributes_, 0),
            ::posix_spawnattr_setsigdefault(&attributes_, &all),
            ::posix_spawnattr_setsigmask(&attributes_, &none),
            ::posix_spawnattr_setflags(
                &attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK)};
        const auto* const first = std::ranges::find_if(errors, [](int error) { return error != 0; });
        return first == errors.end() ? 0 : *first;
    }

    [[nodiscard]] const posix_spawn_file_actions_t* actions() const { return &actions_; }

    [[nodiscard]] const posix_spawnattr_t* attributes() const { return &attributes_; }

  private:
    posix_spawn_file_actions_t actions_{};
    posix_spawnattr_t attributes_{};
};

/// What exec(3) wants: pointers into `texts`, which must outlive them, and a null at the end.
std::vector<char*> to_pointers(std::vector<std::string>& texts) {
    std::vector<char*> pointers;
    pointers.reserve(texts.size() + 1);
    for (std::string& text : texts) pointers.push_back(text.data());
    pointers.push_back(nullptr);
    return pointers;
}

std::vector<std::string> full_environment(const Command& command) {
    std::map<std::string, std::string> variables = command.environment;
    variables.emplace("PATH", command.path);
    variables.emplace("LANG", "C.UTF-8");
    std::vector<std::string> texts;
    texts.reserve(variables.size());
    for (const auto& [name, value] : variables) texts.push_back(std::string(name).append("=").append(value));
    return texts;
}

/// A NUL would cut an argument short without a word.
Result<void> check_texts(const Command& command) {
    const auto holds_nul = [](const std::string& text) { return text.find('\0') != std::string::npos; };
    if (std::ranges::any_of(command.argv, holds_nul) || holds_nul(command.program)) {
        return not_started("a program", "a NUL byte in its arguments");
    }
    for (const auto& [name, value] : command.environment) {
        const bool is_name = !name.empty() && name.find('=') == std::string::npos && !holds_nul(name);
        if (!is_name || holds_nul(value)) {
            return not_started(command.argv.front(), "'" + name + "' cannot be set in its environment");
        }
    }
    return {};
}

Result<std::string> program_path(const Command& command) {
    const std::string& name = command.program.empty() ? command.argv.front() : command.program;
    if (name.find('/') != std::string::npos)
        return name;  // exec(3) itself can say best what is wrong with it
    std::string path = find_program(name, command.path);
    if (path.empty())
        return not_started(name.empty() ? "a program without a name" : name,
                           "there is no such program in " + std::string(command.path));
    return path;
}

/// A handle that a poll can wait on. The program is not reaped yet, so its number is still its own.
Result<Descriptor> open_handle(pid_t id, const std::string& path) {
    const int number = ::pidfd_open(id, 0);
    Result<Descriptor> handle = not_started(path, "no handle to watch it by: " + errno_text(errno));
    if (number >= 0) handle = above_standard(number);
    if (!handle) {
        (void)::kill(-id, SIGKILL);
        (void)::waitpid(id, nullptr, 0);
    }
    return handle;
}

}  // namespace

std::string find_program(const std::string& name, std::string_view path) {
    if (name.empty()) return {};
    if (name.find('/') != std::string::npos) return is_executable_file(name) ? name : std::string();
    while (!path.empty()) {
        const std::string_view directory = path.substr(0, path.find(':'));
        std::string file = std::string(directory) + "/" + name;
        if (is_executable_file(file)) return file;
        path.remove_prefix(std::min(directory.size() + 1, path.size()));
    }
    return {};
}

Result<Spawned> spawn(const Command& command) {
    if (command.argv.empty()) return not_started("a program", "none is named");
    TRY(check_texts(command));
    const std::string path = TRY(program_path(command));
    Pipe input = TRY(make_pipe(Direction::ToChild));
    Pipe out = TRY(make_output(command));
    Pipe err = TRY(make_output(command));
    SpawnArguments how;
    int error = how.set(input.theirs.number(), out.theirs.number(), err.theirs.number());
    std::vector<std::string> arguments = command.argv;
    std::vector<std::string> environment = full_environment(command);
    Spawned spawned{.input = std::move(input.ours), .out = std::move(out.ours), .err = std::move(err.ours)};
    if (error == 0 && !outward("spawn", path)) error = EAGAIN;
    if (error == 0) {
        error = ::posix_spawn(&spawned.id, path.c_str(), how.actions(), how.attributes(),
                              to_pointers(arguments).data(), to_pointers(environment).data());
    }
    if (error != 0) return not_started(path, error);
    spawned.handle = TRY(open_handle(spawned.id, path));
    has_gone_outward("spawned", path);
    return spawned;
}

void signal_group(const Spawned& spawned, int signal_number) {
    (void)::kill(-spawned.id, signal_number);
    // The program itself may have gone into another group.
    (void)::pidfd_send_signal(spawned.handle.number(), signal_number, nullptr, 0);
}

}  // namespace base
