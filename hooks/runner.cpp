// SPDX-License-Identifier: Apache-2.0
#include "hooks/runner.hpp"

#include <unistd.h>

#include <filesystem>
#include <optional>

#include "base/encoding.hpp"
#include "base/process.hpp"

namespace hooks {

using base::Code;
using base::Result;

namespace {

/// The last line that is not blank: where programs say what went wrong.
std::string last_line(const std::string& text) {
    const auto end = text.find_last_not_of(" \t\r\n");
    if (end == std::string::npos) return {};
    const auto begin = text.find_last_of('\n', end);
    return base::printable(text.substr(begin == std::string::npos ? 0 : begin + 1, end - (begin == std::string::npos ? 0 : begin + 1) + 1));
}

Result<void> run_one(const Hook& hook, const Event& event, base::Seconds timeout) {
    auto completed = base::run({.argv = hook, .environment = environment_of(event), .input = event.json + "\n", .deadline = timeout});
    const std::string what = "hook " + hook.front() + " at event " + event.name + ": ";
    if (!completed) return base::fail(Code::HookFailed, what + completed.error().message);
    if (completed->ok()) return {};
    const std::string said = last_line(completed->err.empty() ? completed->out : completed->err);
    return base::fail(Code::HookFailed, what + completed->describe() + (said.empty() ? "" : ": " + said));
}

}  // namespace

Result<std::vector<Hook>> find_hooks(base::Files& files, const std::string& directory, std::string_view event) {
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
        if (broken) return base::fail(Code::HookFailed, place + "/" + name + " leads nowhere: " + broken.message());
        const base::FileInfo info = TRY(files.info(path));
        if (info.kind != base::FileKind::Regular || (info.mode & 0111) == 0) continue;
        if ((info.mode & 0022) != 0 || (info.uid != 0 && info.uid != ::geteuid())) {
            return base::fail(Code::HookFailed, path + " can be changed by somebody else and is not run",
                              "chown root " + path + " && chmod go-w " + path);
        }
        hooks.push_back({place + "/" + name});
    }
    return hooks;
}

Result<void> run_hooks(const std::vector<Hook>& hooks, const Event& event, base::Seconds timeout) {
    std::optional<base::Error> first;
    for (const Hook& hook : hooks) {
        auto result = run_one(hook, event, timeout);
        if (!result && !first) first = std::move(result).error();
    }
    if (first) return tl::make_unexpected(std::move(*first));
    return {};
}

}  // namespace hooks
