// SPDX-License-Identifier: Apache-2.0
#include "hooks/runner.hpp"

#include <filesystem>
#include <optional>

#include <unistd.h>

#include "base/encoding.hpp"
#include "base/process.hpp"
#include "hooks/output.hpp"

namespace hooks {

using base::Code;
using base::Result;

namespace {

/// Adds its output to the report; the error, if it failed.
std::optional<base::Error> run_one(const Hook& hook, const Event& event, base::Seconds timeout,
                                   HookReport& report) {
    const std::string what = "hook " + base::printable(hook.front()) + " at event " + event.name + ": ";
    const auto completed = base::run({.argv = hook,
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
        // A link is judged by what it leads to.
        std::error_code broken;
        const std::string path = std::filesystem::canonical(place + "/" + name, broken).string();
        if (broken)
            return base::fail(Code::HookFailed,
                              base::printable(place + "/" + name) + " leads nowhere: " + broken.message());
        const base::FileInfo info = TRY(files.info(path));
        if (info.kind != base::FileKind::Regular || (info.mode & 0111) == 0) continue;
        if ((info.mode & 0022) != 0 || (info.uid != 0 && info.uid != ::geteuid())) {
            const std::string shown = base::printable(path);
            return base::fail(Code::HookFailed, shown + " can be changed by somebody else and is not run",
                              "chown root " + shown + " && chmod go-w " + shown);
        }
        hooks.push_back({place + "/" + name});
    }
    return hooks;
}

HookReport run_hooks(const std::vector<Hook>& hooks, const Event& event, base::Seconds timeout) {
    HookReport report;
    for (const Hook& hook : hooks) {
        auto error = run_one(hook, event, timeout, report);
        if (error && !report.error) report.error = std::move(error);
    }
    return report;
}

}  // namespace hooks
