// SPDX-License-Identifier: Apache-2.0
// `renewd run --once`: all that is due, as from a timer.
#include "agent/cli/command.hpp"

namespace agent {

int run_command(Workshop& shop) {
    // A pass of its own is started by a timer or a person: the time between two of them is the backoff of
    // deployments.
    return work_on(shop, {.wishes = {.retry_now = true}, .wait = shop.options.wait});
}

}  // namespace agent
