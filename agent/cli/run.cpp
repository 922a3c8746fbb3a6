// SPDX-License-Identifier: Apache-2.0
// `renewd run --once`: all that is due, as from a timer.
#include "agent/cli/command.hpp"
#include "agent/work/removed.hpp"

namespace agent {

int run_command(Workshop& shop) {
    // A pass of its own is started by a timer or a person: the time between two of them is the backoff of
    // deployments.
    const int code = work_on(shop, {.wishes = {.retry_now = true}, .wait = shop.options.wait});
    tend_all_removed(
        *shop.surroundings,
        [&shop](const std::string& name) { return shop.config.certificates.contains(name); },
        /*eager=*/true);
    return code;
}

}  // namespace agent
