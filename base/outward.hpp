// SPDX-License-Identifier: Apache-2.0
// What renewd does to the world besides files and HTTP, which have seams of their own (Files, Transport):
// programs that it starts and talks with, and sockets. Each such call announces itself here. Nobody listens
// but the crash sweep (tests/sweep), which numbers every outward call of the process, and makes one of them
// the last, or makes it fail as the world might.
#pragma once

#include <atomic>
#include <string_view>

namespace base {

/// Is told what is about to be done ("spawn", "connect") and with whom; false: the call must not be made, and
/// fails.
using OutwardListener = bool (*)(std::string_view what, std::string_view whom);

/// nullptr where nobody listens.
inline std::atomic<OutwardListener> outward_listener{nullptr};

/// True: go ahead.
[[nodiscard]] inline bool outward(std::string_view what, std::string_view whom) {
    const OutwardListener listener = outward_listener.load(std::memory_order_relaxed);
    return listener == nullptr || listener(what, whom);
}

/// Something has been done; whoever listens may want it to have been the last.
inline void has_gone_outward(std::string_view what, std::string_view whom) {
    (void)outward(what, whom);
}

}  // namespace base
