// SPDX-License-Identifier: Apache-2.0
#include "hooks/runner.hpp"

#include <optional>

#include <sys/stat.h>

#include "base/encoding.hpp"
#include "base/process.hpp"
#include "hooks/output.hpp"
#include "hooks/trusted_path.hpp"

namespace hooks {

using base::Code;
using base::Result;

namespace {

/// The file whose bytes are run; empty: argv says it.
Result<std::string> program_of(base::Files& files, const Hook& hook) {
    if (!hook.is_found) return std::string();
    auto program = trusted_path(files, hook.argv.front(), Code::HookFailed);
    if (!program && program.error().code == Code::FileNotFound)
        program.error().message = "it leads nowhere: " + program.error().message;
    return program;
}

/// Adds its output to the report; the error, if it failed.
std::optional<base::Error> run_one(base::Files& files, const Hook& hook, const Event& event,
                                   base::Seconds timeout, HookReport& report) {
    const std::string what = "hook " + base::printable(hook.argv.front()) + " at event " + event.name + ": ";
    auto program = program_of(files, hook);
    if (!program)
        return base::Error{.code = Code::HookFailed,
                           .message = what + program.error().message,
                           .hint = program.error().hint};
    const auto completed = base::run({.argv = hook.argv,
                                      .program = *program,
                                      .environment = environment_of(event),
                                      .input = event.json + "\n",
                                      .deadline = timeout});
    if (!completed) return base::Error{.code = Code::HookFailed, .message = what + completed.error().message};
    report.output += printable_lines(completed->out) + printable_lines(completed->err);
    if (completed->ok()) return std::nullopt;
    const std::string said = last_lines(completed->err.empty() ? completed->out : completed->err, 1);
    return base::Error{.code = Code::HookFailed,
                       .message = what + completed->describe() + (said.empty() ? "" : ": " + said)};
}

/// False for what is no program at all; a link is judged by what it leads to.
bool may_be_program(const std::string& path) {
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) return true;  // run_hooks() says what is wrong with it
    return S_ISREG(status.st_mode) && (status.st_mode & 0111) != 0;
}

}  // namespace

Result<std::vector<Hook>> find_hooks(base::Files& files, const std::string& directory,
                                     std::string_view event) {
    const std::string place = directory + "/" + std::string(event);
    auto names = files.list(place);
    if (!names && names.error().code == Code::FileNotFound) return std::vector<Hook>{};
    if (!names) return tl::make_unexpected(std::move(names).error());
    std::vector<Hook> hooks;
    for (const std::string& name : *names) {
        if (name.starts_with('.') || name.ends_with('~')) continue;
        const std::string path = place + "/" + name;
        if (may_be_program(path)) hooks.push_back({.argv = {path}, .is_found = true});
    }
    return hooks;
}

HookReport run_hooks(base::Files& files, const std::vector<Hook>& hooks, const Event& event,
                     base::Seconds timeout) {
    HookReport report;
    for (const Hook& hook : hooks) {
        auto error = run_one(files, hook, event, timeout, report);
        if (error && !report.error) report.error = std::move(error);
    }
    return report;
}

}  // namespace hooks
