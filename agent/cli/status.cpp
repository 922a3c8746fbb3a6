// SPDX-License-Identifier: Apache-2.0
// `renewd status`: what is held, where it is served, what comes next. Only reads, whatever the state of the
// disk.
#include <algorithm>
#include <cstdio>

#include <nlohmann/json.hpp>
#include <unistd.h>

#include "agent/cli/command.hpp"

namespace agent {

int status_command(Workshop& shop) {
    const Options& options = shop.options;
    const bool selects =
        !options.select.empty() || !options.ca.empty() || !options.host.empty() || !options.target.empty();
    const Overview overview = overview_of(shop, /*with_removed=*/!selects);
    if (options.json) {
        std::printf("%s\n", to_json(overview).dump(1).c_str());
    } else if (!options.quiet) {
        std::printf("%s", to_table(overview, width_of(options), ::isatty(STDOUT_FILENO) == 1).c_str());
    }
    if (!overview.store.ok) return exit_code::kState;
    int code = 0;
    for (const CertificateStatus& status : overview.certificates) {
        const int own = attention_code_of(status);
        if (own != 0) code = code == 0 ? own : std::min(code, own);
    }
    // A configuration that is not in force is found by a monitor, too; what it holds up is worse.
    return code == 0 && !overview.agent.config_error.empty() ? exit_code::kUsage : code;
}

}  // namespace agent
