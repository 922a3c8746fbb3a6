// SPDX-License-Identifier: Apache-2.0
// `renewd status`: what is held, where it is served, what comes next. Only reads, whatever the state of the
// disk.
#include <cstdio>

#include <nlohmann/json.hpp>
#include <sys/ioctl.h>
#include <unistd.h>

#include "agent/cli/command.hpp"
#include "agent/tell/json_text.hpp"
#include "agent/tell/overview.hpp"

namespace agent {

namespace {

constexpr base::Milliseconds kRedraw{2'000};

/// Lines of the terminal; 0 where there is none.
std::size_t height_of_terminal() {
    winsize size{};
    const bool known = ::isatty(STDOUT_FILENO) == 1 && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
    return known ? size.ws_row : 0;
}

void print(const Workshop& shop, const Overview& overview) {
    const Options& options = shop.options;
    if (options.json) {
        std::printf("%s\n", json_text(to_json(overview)).c_str());
    } else if (!options.quiet) {
        const TableLook look{.width = width_of(options),
                             .height = height_of_terminal(),
                             .has_colour = ::isatty(STDOUT_FILENO) == 1,
                             .all = options.all};
        std::printf("%s", to_table(overview, look).c_str());
    }
}

Overview overview_for(Workshop& shop) {
    const Options& options = shop.options;
    const bool selects = !options.select.empty() || !options.ca.empty() || !options.host.empty() ||
                         !options.target.empty() || !options.contact.empty();
    const bool of_another_state = !options.state.empty() && options.state != "removed";
    return overview_of(shop, /*with_removed=*/!selects && !of_another_state);
}

/// Until Ctrl-C.
[[noreturn]] void watch(Workshop& shop) {
    while (true) {
        const Overview overview = overview_for(shop);
        std::printf("\033[H\033[J");
        print(shop, overview);
        std::fflush(stdout);
        shop.clock.sleep(kRedraw);
    }
}

}  // namespace

int status_command(Workshop& shop) {
    const Options& options = shop.options;
    if (options.watch && !options.json && !options.quiet && ::isatty(STDOUT_FILENO) == 1) watch(shop);
    const Overview overview = overview_for(shop);
    print(shop, overview);
    const int code = attention_code_of(overview);
    // A configuration that is not in force is found by a monitor, too; what it holds up is worse.
    return code == 0 && !overview.agent.config_error.empty() ? exit_code::kUsage : code;
}

}  // namespace agent
