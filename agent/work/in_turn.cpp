// SPDX-License-Identifier: Apache-2.0
#include "agent/work/in_turn.hpp"

#include "base/patience.hpp"

namespace agent {

base::Result<std::unique_ptr<Keeper>> open_in_turn(Surroundings& s, const std::string& certificate,
                                                   base::Milliseconds wait) {
    constexpr std::string_view kStep = "waiting";
    constexpr std::string_view kForWhom = "for another renewd";
    bool is_told = false;
    auto keeper = base::take_patiently(s.clock, wait, base::Milliseconds(100), [&] {
        auto taken = Keeper::open(s.store, certificate, s.clock.now());
        const bool is_locked = !taken && taken.error().code == base::Code::StateLocked;
        if (is_locked && !is_told && wait.count() > 0) {
            s.progress.step(certificate, kStep, std::string(kForWhom) + ": " + taken.error().message);
            is_told = true;
        }
        return taken;
    });
    if (is_told) s.progress.step(certificate, kStep, kForWhom);  // which one is no news any more
    return keeper;
}

}  // namespace agent
