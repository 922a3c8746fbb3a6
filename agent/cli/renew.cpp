// SPDX-License-Identifier: Apache-2.0
// `renewd renew [SELECT] [--force] [--ca CA]`: by hand, in an emergency or out of curiosity.
#include <cstdio>

#include "agent/cli/command.hpp"
#include "agent/tell/overview.hpp"
#include "agent/tell/words.hpp"

namespace agent {

int renew_command(Workshop& shop) {
    const Options& options = shop.options;
    if (options.dry_run) return rehearse_command(shop);
    const PassOptions pass{.wishes = {.renew_now = options.force,
                                      .by_hand = true,
                                      .elsewhere = !options.order_at.empty(),
                                      .over_limit = options.over_limit},
                           .only_targets = select_targets(shop.config, options),
                           .order_at = options.order_at,
                           .limit_patience = limit_patience(options),
                           .wait = options.wait};
    const int code = work_on(shop, pass);
    const bool asks_for_some = !options.select.empty() && !options.force;
    if (!asks_for_some || options.json || options.quiet) return code;
    for (const CertificateStatus& status : overview_of(shop, /*with_removed=*/false).certificates) {
        const base::Instant now = shop.clock.now();
        if (status.state != CertificateState::Ok ||
            now - status.record.wanted()->issued_at < std::chrono::minutes(1))
            continue;
        std::printf("  %s is not due: renews %s; to renew it now:  renewd renew %s --force\n",
                    status.record.name.c_str(), relative(status.plan.renewal.at, now).c_str(),
                    status.record.name.c_str());
    }
    return code;
}

}  // namespace agent
