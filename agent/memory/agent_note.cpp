// SPDX-License-Identifier: Apache-2.0
#include "agent/memory/agent_note.hpp"

#include <array>
#include <fstream>
#include <sstream>

#include <nlohmann/json.hpp>
#include <unistd.h>

#include "agent/memory/state_files.hpp"

namespace agent {

using nlohmann::json;

namespace {

std::string path_in(const std::string& state_dir) {
    return state_dir + "/agent.json";
}

/// When a process was started, in ticks since boot (proc(5)): a number that is used again by another process
/// is not taken for ours. Empty: there is no such process.
std::string start_of(std::int64_t process) {
    std::ifstream file("/proc/" + std::to_string(process) + "/stat");
    std::string line;
    std::getline(file, line);
    const std::size_t end_of_name = line.rfind(')');
    if (end_of_name == std::string::npos) return {};
    std::istringstream fields(line.substr(end_of_name + 1));
    std::string field;
    constexpr int kStartField = 20;  // counted from the one after the name
    for (int i = 0; i < kStartField; ++i) fields >> field;
    return field;
}

}  // namespace

std::string to_text(const AgentNote& note) {
    const std::int64_t ours = ::getpid();
    const json text = {
        {"version", 1},
        {"process", ours},
        {"started", start_of(ours)},
        {"since", base::format_instant(note.since)},
        {"config_error", note.config_error},
        {"config_accepted_at",
         note.config_accepted_at ? json(base::format_instant(*note.config_accepted_at)) : json(nullptr)}};
    return text.dump(1, ' ', false, json::error_handler_t::replace);
}

base::Result<void> write_note(base::Files& files, const std::string& state_dir, const AgentNote& note) {
    return as_state(base::write_whole(files, path_in(state_dir), to_text(note), kPrivate));
}

void remove_note(base::Files& files, const std::string& state_dir) {
    (void)files.unlink(path_in(state_dir));  // one that stays names a process that is gone
}

std::optional<AgentNote> read_note(base::Files& files, const std::string& state_dir) {
    const auto text = base::read_file(files, path_in(state_dir), kStateFileMax);
    return text ? parse_note(*text) : std::nullopt;
}

std::optional<AgentNote> parse_note(std::string_view text) {
    const json note = json::parse(text, nullptr, /*allow_exceptions=*/false);
    try {
        const auto process = note.at("process").get<std::int64_t>();
        const auto since = base::parse_instant(note.at("since").get<std::string>());
        const std::string started = note.at("started").get<std::string>();
        if (!since || started.empty() || start_of(process) != started) return std::nullopt;
        AgentNote read{.since = *since, .config_error = note.at("config_error").get<std::string>()};
        if (const json& at = note.at("config_accepted_at"); at.is_string())
            read.config_accepted_at = base::parse_instant(at.get<std::string>());
        return read;
    } catch (const json::exception&) {
        return std::nullopt;
    }
}

}  // namespace agent
