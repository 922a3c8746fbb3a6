// SPDX-License-Identifier: Apache-2.0
#include "hooks/plugin.hpp"

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/encoding.hpp"
#include "base/process.hpp"
#include "hooks/output.hpp"
#include "hooks/trusted_path.hpp"

namespace hooks {

using base::Code;
using base::Result;
using nlohmann::json;

namespace {

constexpr std::size_t kNameLengthMax = 64;

bool is_plugin_name(std::string_view name) {
    const auto is_allowed = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    };
    return !name.empty() && name.size() <= kNameLengthMax && !name.starts_with('-') &&
           std::ranges::all_of(name, is_allowed);
}

std::string request_of(const PluginCall& call, const json& fields) {
    json request = fields.is_object() ? fields : json::object();
    request["version"] = 1;
    request["op"] = call.op;
    if (!call.id.empty()) request["id"] = call.id;
    if (call.deadline) request["deadline"] = base::format_instant(*call.deadline);
    return request.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

std::string without_secrets(const PluginCall& call, std::string text) {
    return call.blot ? call.blot(std::move(text)) : text;
}

std::string called(const PluginCall& call) {
    return "plugin " + call.program + ", " + call.op + ": ";
}

}  // namespace

std::vector<std::string> plugin_directories(const std::vector<std::string>& plugin_path) {
    std::vector<std::string> directories = {"/usr/lib/renewd/plugins", "/etc/renewd/plugins"};
    directories.insert(directories.end(), plugin_path.begin(), plugin_path.end());
    return directories;
}

Result<std::string> find_plugin(base::Files& files, const std::vector<std::string>& directories,
                                std::string_view role, std::string_view name) {
    if (!is_plugin_name(name)) {
        return base::fail(Code::ConfigWrongValue,
                          "\"" + base::printable(name, 80) + "\" is no name of a plugin",
                          "a plugin's name has 1 to 64 of a-z, 0-9 and -, and begins with no -");
    }
    const std::string program = "renewd-" + std::string(role) + "-" + std::string(name);
    std::string places;
    for (const std::string& directory : directories) {
        places += (places.empty() ? "" : ", ") + directory;
        const std::string path = directory + "/" + program;
        if (!directory.starts_with('/') || !base::exists(files, path)) continue;
        std::string found = TRY(trusted_path(files, path, Code::PluginUnsafe));
        const base::FileInfo info = TRY(files.info(found));
        if (info.kind == base::FileKind::Regular && (info.mode & 0111) != 0) return found;
        return base::fail(Code::ProcessNotStarted, path + " is no executable file", "chmod +x " + found);
    }
    return base::fail(Code::ProcessNotStarted, "there is no plugin " + program + " in " + places,
                      "install it in one of these, owned by root and writable by nobody else");
}

Result<json> parse_reply(std::string_view printed, const PluginCall& call) {
    const auto malformed = [&](const std::string& why) {
        return base::fail(call.protocol, called(call) + why,
                          "a plugin answers with one JSON object on stdout, and nothing else there");
    };
    if (printed.size() > kReplyBytesMax) return malformed("its answer is longer than 64 KiB");
    if (printed.find_first_not_of(" \t\r\n") == std::string_view::npos)
        return malformed("it ended well, but answered nothing");
    // The parser takes a NUL for the end.
    if (printed.find('\0') != std::string_view::npos) return malformed("its answer is not text");
    json reply = json::parse(printed, nullptr, /*allow_exceptions=*/false);
    if (!reply.is_object())
        return malformed("its answer is not one JSON object: " +
                         base::printable(without_secrets(call, std::string(printed)), 200));
    if (reply.contains("version") && reply.at("version") != 1)
        return malformed("its answer has a version other than 1");
    if (!reply.contains("ok") && call.op == "describe") return reply;
    if (!reply.contains("ok") || !reply.at("ok").is_boolean())
        return malformed(R"(its answer says neither "ok": true nor "ok": false)");
    if (reply.at("ok") == true) return reply;
    const auto message = reply.find("message");
    const bool has_words = message != reply.end() && message->is_string();
    return base::fail(
        call.failed,
        called(call) + (has_words ? base::printable(without_secrets(call, message->get<std::string>()))
                                  : "it says that it failed (\"ok\": false) and not why"));
}

Result<PluginAnswer> ask_plugin(const PluginCall& call, const json& fields) {
    // One byte more than a reply may have: stdout and stderr share `truncated`, the size tells them apart.
    const base::Completed completed = TRY(base::run({.argv = {call.program},
                                                     .environment = call.environment,
                                                     .input = request_of(call, fields),
                                                     .deadline = call.patience,
                                                     .output_max = kReplyBytesMax + 1}));
    if (!completed.ok()) {
        const std::string said =
            last_lines(without_secrets(call, completed.err.empty() ? completed.out : completed.err));
        return base::fail(call.failed,
                          called(call) + completed.describe() + (said.empty() ? "" : ": " + said));
    }
    static_cast<void>(TRY(parse_reply(completed.out, call)));
    // As it came: to write a deeply nested value anew would take a stack as deep.
    return PluginAnswer{.reply = completed.out, .log = printable_lines(without_secrets(call, completed.err))};
}

}  // namespace hooks
