// SPDX-License-Identifier: Apache-2.0
// Which configuration a command works with: the files, or, where they are broken, what was accepted last.
#include <cstdio>
#include <memory>
#include <utility>

#include "agent/cli/command.hpp"
#include "agent/memory/accepted_config.hpp"
#include "agent/plan/plan.hpp"

namespace agent {

namespace {

/// A broken file never stops renewals, nor hides how things stand. Whoever asks for something new is told
/// what is wrong first.
bool goes_on_without_the_files(const std::string& command) {
    return command == "run" || command == "status" || command == "why" || command == "history" ||
           command == "forecast";
}

/// The files that were accepted last, and where they were found.
std::optional<AcceptedConfig> last_accepted(const Options& options) {
    base::SystemFiles files;
    for (const std::string& directory : likely_state_directories(options.config_file)) {
        auto accepted = load_accepted(files, directory, options.config_file);
        if (accepted) return accepted;
    }
    return std::nullopt;
}

void tell_problems(const Options& options, const std::vector<base::Error>& problems) {
    for (const base::Error& error : problems) tell(options, error);
}

void tell_in_force(const Options& options, base::Instant accepted_at) {
    if (options.json) return;
    std::fprintf(stderr, "The configuration accepted on %s stays in force.\n",
                 base::format_instant(accepted_at).c_str());
}

std::uint64_t plan_inputs(const Config& ground, const CertificateConfig& certificate) {
    return plan_fingerprint(certificate, ground.agent.verify_every);
}

}  // namespace

std::optional<Configured> find_configuration(const Options& options) {
    auto files = load_config_files(options.config_file);
    auto config = files ? parse_config(*files) : tl::make_unexpected(files.error());
    if (config) return Configured{.config = std::move(*config), .files = std::move(*files)};
    tell_problems(options, config.error());
    if (!goes_on_without_the_files(options.command)) return std::nullopt;
    const auto kept = last_accepted(options);
    if (!kept) return std::nullopt;
    auto before = parse_config(kept->files);
    if (!before) return std::nullopt;
    tell_in_force(options, kept->accepted_at);
    return Configured{.config = std::move(*before),
                      .error = as_one(config.error()).message,
                      .accepted_at = kept->accepted_at};
}

tl::expected<Accepted, std::vector<base::Error>> read_catalogue(const std::string& file) {
    auto loaded = load_config_files(file);
    if (!loaded) return tl::make_unexpected(std::move(loaded).error());
    const auto texts = std::make_shared<const ConfigFiles>(std::move(*loaded));
    base::SystemFiles files;
    for (const std::string& directory : likely_state_directories(file)) {
        auto list = load_list(files, directory, *texts);
        if (!list) continue;
        auto catalogue = Catalogue::recall(texts, std::move(*list));
        if (catalogue && catalogue->ground().agent.state_dir == directory)
            return Accepted{.catalogue = std::move(*catalogue)};
    }
    auto catalogue = Catalogue::read(texts, plan_inputs);
    if (!catalogue) return tl::make_unexpected(std::move(catalogue).error());
    return Accepted{.catalogue = std::move(*catalogue), .is_new = true};
}

std::optional<Accepted> find_catalogue(const Options& options) {
    auto accepted = read_catalogue(options.config_file);
    if (accepted) return std::move(*accepted);
    tell_problems(options, accepted.error());
    auto kept = last_accepted(options);
    if (!kept) return std::nullopt;
    auto before = Catalogue::read(std::make_shared<const ConfigFiles>(std::move(kept->files)), plan_inputs);
    if (!before) return std::nullopt;
    tell_in_force(options, kept->accepted_at);
    return Accepted{.catalogue = std::move(*before),
                    .error = as_one(accepted.error()).message,
                    .accepted_at = kept->accepted_at};
}

void keep_configuration(Workshop& shop) {
    if (!shop.config_error.empty()) return;
    static_cast<void>(
        keep_accepted(shop.files, shop.config.agent.state_dir, shop.config_files, shop.clock.now()));
}

void keep_catalogue(base::Files& files, Accepted& accepted, base::Instant now) {
    if (!accepted.error.empty()) return;
    accepted.accepted_at = now;
    const Catalogue& catalogue = accepted.catalogue;
    const std::string& state_dir = catalogue.ground().agent.state_dir;
    // Also what was known already: the copy may have been lost, or be another that a single run has kept.
    const auto kept = keep_accepted(files, state_dir, catalogue.files(), now);
    if (!kept || !accepted.is_new) return;
    static_cast<void>(keep_list(files, state_dir, catalogue.list(), catalogue.files()));
}

}  // namespace agent
