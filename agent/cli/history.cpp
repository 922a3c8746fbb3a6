// SPDX-License-Identifier: Apache-2.0
// `renewd history [NAME]`: what happened to one certificate, or to all. Only reads, whatever the state of the
// disk.
#include "agent/tell/history.hpp"

#include <cstdio>
#include <set>

#include <nlohmann/json.hpp>

#include "agent/cli/command.hpp"
#include "agent/memory/machine.hpp"
#include "agent/tell/json_text.hpp"

namespace agent {

namespace {

/// Those of the configuration, and those that were removed from it and are still kept.
base::Result<std::set<std::string>> names_of(Workshop& shop) {
    if (!shop.options.name.empty()) return std::set{TRY(find_certificate(shop, shop.options.name))};
    const std::vector<std::string> kept = TRY(shop.store->certificates());
    std::set<std::string> names(kept.begin(), kept.end());
    names.insert(shop.certificates.begin(), shop.certificates.end());
    return names;
}

}  // namespace

int history_command(Workshop& shop) {
    const Options& options = shop.options;
    const auto names = names_of(shop);
    if (!names) {
        tell(options, names.error());
        return exit_code_of(names.error());
    }
    History history(options.lines);
    int code = exit_code::kWell;
    for (const std::string& name : *names) {
        const auto lines = shop.store->history(name, options.lines);
        if (lines) {
            history.add(name, *lines);
            continue;
        }
        tell(options, lines.error());
        code = exit_code::kState;
    }
    const std::string& state = shop.config.agent.state_dir;
    const auto moved = options.name.empty() ? moved_at(shop.files, state) : std::nullopt;
    if (moved)
        history.add("all certificates",
                    {to_line({.at = *moved, .what = "another_machine", .text = moved_error(state).message})});
    const std::string text = options.json ? json_text(to_json(history)) + "\n"
                                          : to_text(history, shop.clock.now(), width_of(options));
    std::printf("%s", text.c_str());
    return code;
}

}  // namespace agent
