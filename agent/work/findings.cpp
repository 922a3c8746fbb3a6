// SPDX-License-Identifier: Apache-2.0
#include "agent/work/findings.hpp"

#include <algorithm>

#include <spdlog/spdlog.h>

#include "agent/memory/history.hpp"

namespace agent {

base::Result<void> tell_findings(Surroundings& s, const std::string& certificate, Keeper& keeper) {
    constexpr std::size_t kLately = 40;
    const std::vector<std::string> findings = s.store.findings(certificate);
    if (findings.empty()) return {};
    const auto lately = TRY(s.store.history(certificate, kLately));
    for (const std::string& finding : findings) {
        s.log.error("{}: {}", certificate, finding);
        const bool is_known = std::ranges::any_of(lately, [&](const std::string& line) {
            const auto happening = parse_line(line);
            return happening && happening->text == finding;
        });
        if (!is_known) s.remember(certificate, {.what = "state", .text = finding});
    }
    return keeper.change([](Record&) {});
}

}  // namespace agent
