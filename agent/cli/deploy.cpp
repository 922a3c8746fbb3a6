// SPDX-License-Identifier: Apache-2.0
// `renewd deploy [SELECT] [--missing] [--now]`: the current generation again, and verified; never an order.
#include "agent/cli/command.hpp"

namespace agent {

int deploy_command(Workshop& shop) {
    const Options& options = shop.options;
    return work_on(shop, {.wishes = {.by_hand = true,
                                     .deploy_again = !options.missing,
                                     .retry_now = true,
                                     .past_holds = options.past_holds},
                          .only_targets = select_targets(shop.config, options),
                          .may_renew = false,
                          .wait = options.wait});
}

}  // namespace agent
