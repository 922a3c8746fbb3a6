// SPDX-License-Identifier: Apache-2.0
// Where the state is, before the configuration has been read, and where it may be if it cannot be.
#include <algorithm>

#include <toml++/toml.h>

#include "agent/config/config.hpp"
#include "base/service_manager.hpp"
#include "base/text.hpp"

namespace agent {

namespace {

/// `state_dir = "…"` on a line of its own. The file may be broken, so that no parser reads it to its end.
std::string named_state_dir(std::string_view text) {
    const auto skip_blanks = [](std::string_view& rest) {
        rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
    };
    const auto skip = [](std::string_view& rest, std::string_view word) {
        const bool is_there = rest.starts_with(word);
        if (is_there) rest.remove_prefix(word.size());
        return is_there;
    };
    while (!text.empty()) {
        std::string_view line = base::take_until(text, '\n');
        skip_blanks(line);
        skip(line, "agent.");
        if (!skip(line, "state_dir")) continue;
        skip_blanks(line);
        if (!skip(line, "=")) continue;
        skip_blanks(line);
        if (line.empty() || (line.front() != '"' && line.front() != '\'')) continue;
        const std::size_t close = line.find(line.front(), 1);
        if (close != std::string_view::npos) return std::string(line.substr(1, close - 1));
    }
    return {};
}

}  // namespace

std::vector<std::string> likely_state_directories(const std::string& main_file) {
    std::vector<std::string> found;
    const auto loaded = load_config_text(main_file);
    if (loaded) {
        try {
            const toml::table document = toml::parse(loaded->text, main_file);
            return {document["agent"]["state_dir"].value_or(AgentConfig{}.state_dir)};
        } catch (const toml::parse_error&) {
            if (std::string named = named_state_dir(loaded->text); !named.empty())
                found.push_back(std::move(named));
        }
    }
    if (std::string given = base::given_state_directory(); !given.empty()) found.push_back(std::move(given));
    found.push_back(AgentConfig{}.state_dir);
    return found;
}

std::string state_directory_of(const std::string& main_file) {
    return likely_state_directories(main_file).front();
}

}  // namespace agent
