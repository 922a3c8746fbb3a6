// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <csignal>
#include <ctime>

namespace base {

/// While it lives, a peer that has gone while the calling thread writes to it does not end the process, and
/// no other thread's signals are touched: SIGPIPE goes to the thread that wrote, so it is blocked here, and
/// taken back before the mask is. For writes of libraries, and to pipes; a socket of ours has MSG_NOSIGNAL.
class SigpipeHeld {
  public:
    SigpipeHeld() {
        sigset_t pending;
        (void)::sigemptyset(&pending);
        (void)::sigemptyset(&sigpipe_);
        (void)::sigaddset(&sigpipe_, SIGPIPE);
        (void)::sigpending(&pending);
        was_pending_ = ::sigismember(&pending, SIGPIPE) == 1;
        (void)::pthread_sigmask(SIG_BLOCK, &sigpipe_, &mask_before_);
    }

    SigpipeHeld(const SigpipeHeld&) = delete;
    SigpipeHeld& operator=(const SigpipeHeld&) = delete;

    ~SigpipeHeld() {
        const timespec at_once{};
        if (!was_pending_) (void)::sigtimedwait(&sigpipe_, nullptr, &at_once);
        (void)::pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
    }

  private:
    sigset_t sigpipe_{};
    sigset_t mask_before_{};
    bool was_pending_ = false;
};

}  // namespace base
