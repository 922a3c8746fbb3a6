// SPDX-License-Identifier: Apache-2.0
// Plugins: somebody's program that acts as a DNS provider or a deployer. One JSON object on its stdin, one on
// its stdout, what it says on stderr for the log. It runs with our rights, so nobody but root and we may be
// able to change it.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/file.hpp"

namespace hooks {

/// A reply's stdout, in bytes.
inline constexpr std::size_t kReplyBytesMax = std::size_t{64} * 1024;

/// Where plugins are looked for: /usr/lib/renewd/plugins, /etc/renewd/plugins, then `agent.plugin_path`.
[[nodiscard]] std::vector<std::string> plugin_directories(const std::vector<std::string>& plugin_path);

/// The program `renewd-ROLE-NAME` of the first directory that has one, with every link resolved; `role` is
/// "dns" or "deploy". Blocks on the file system only. config/wrong-value: no name for a plugin.
/// process/not-started: there is none, or it is not executable. plugin/unsafe: it, a link that leads to it,
/// or a directory above either belongs to somebody else, or can be changed by others.
[[nodiscard]] base::Result<std::string> find_plugin(base::Files& files,
                                                    const std::vector<std::string>& directories,
                                                    std::string_view role, std::string_view name);

struct PluginCall {
    std::string program{};                             // of find_plugin()
    std::string op{};                                  // "describe", "present", "deploy"…
    std::string id{};                                  // the same on a retry; empty: the request has none
    std::optional<base::Instant> deadline{};           // told to the plugin where it is set; not kept by us
    base::Milliseconds patience{120'000};              // then its process group is killed
    std::map<std::string, std::string> environment{};  // added to the fixed one
    /// Takes the secrets of `environment` out of what the plugin says, before any of it is cut, kept or
    /// shown; empty: there are none.
    std::function<std::string(std::string)> blot{};
    /// What a failure is called: providers and deployers have names of their own for it.
    base::Code failed = base::Code::ProviderFailed;
    base::Code protocol = base::Code::ProviderProtocol;
};

/// The reply, and what it said on stderr, in printable lines.
struct PluginAnswer {
    std::string reply{};  // JSON, one object, checked by parse_reply()
    std::string log{};
};

/// Asks once. `fields` is an object whose members join "version", "op", "id" and "deadline" in the request.
/// Blocks up to `patience` + 2 s. call.failed: it ended badly, took too long or answered "ok": false, with
/// its own words. call.protocol: see parse_reply(). process/not-started.
[[nodiscard]] base::Result<PluginAnswer> ask_plugin(const PluginCall& call, const nlohmann::json& fields);

/// Reads what a plugin that ended well has printed. Pure. `protocol`: not exactly one JSON object, of another
/// version, more than 64 KiB, or without "ok" (which the answer to "describe" does not have). `failed`: "ok"
/// is false.
[[nodiscard]] base::Result<nlohmann::json> parse_reply(std::string_view printed, const PluginCall& call);

}  // namespace hooks
