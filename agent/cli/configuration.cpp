// SPDX-License-Identifier: Apache-2.0
// Which configuration a command works with: the files, or, where they are broken, what was accepted last.
#include <cstdio>
#include <utility>

#include "agent/cli/command.hpp"
#include "agent/memory/accepted_config.hpp"

namespace agent {

namespace {

/// A broken file never stops renewals, nor hides how things stand. Whoever asks for something new is told
/// what is wrong first.
bool goes_on_without_the_files(const std::string& command) {
    return command == "run" || command == "status" || command == "why" || command == "history" ||
           command == "forecast";
}

std::optional<Configured> last_accepted(const Options& options, const std::vector<base::Error>& problems) {
    base::SystemFiles files;
    for (const std::string& directory : likely_state_directories(files, options.config_file)) {
        const auto accepted = load_accepted(files, directory, options.config_file);
        if (!accepted) continue;
        auto config = parse_config(accepted->files);
        if (!config) continue;
        std::string error = problems.front().message;
        if (problems.size() > 1) error += " (and " + std::to_string(problems.size() - 1) + " more)";
        return Configured{
            .config = std::move(*config), .error = std::move(error), .accepted_at = accepted->accepted_at};
    }
    return std::nullopt;
}

}  // namespace

std::optional<Configured> find_configuration(const Options& options) {
    auto read = read_configuration(options.config_file);
    if (read) return std::move(*read);
    for (const base::Error& error : read.error()) tell(options, error);
    if (!goes_on_without_the_files(options.command)) return std::nullopt;
    auto kept = last_accepted(options, read.error());
    if (kept && !options.json) {
        std::fprintf(stderr, "The configuration accepted on %s stays in force.\n",
                     base::format_instant(*kept->accepted_at).c_str());
    }
    return kept;
}

tl::expected<Configured, std::vector<base::Error>> read_configuration(const std::string& file) {
    auto files = load_config_files(file);
    if (!files) return tl::make_unexpected(std::move(files).error());
    auto config = parse_config(*files);
    if (!config) return tl::make_unexpected(std::move(config).error());
    return Configured{.config = std::move(*config), .files = std::move(*files)};
}

void keep_configuration(base::Files& files, Configured& configured, base::Instant now) {
    if (configured.files.texts.empty()) return;
    configured.accepted_at = now;
    const std::string& state_dir = configured.config.agent.state_dir;
    static_cast<void>(
        keep_accepted(files, state_dir, {.files = std::exchange(configured.files, {}), .accepted_at = now}));
}

}  // namespace agent
