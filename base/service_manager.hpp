// SPDX-License-Identifier: Apache-2.0
// The service manager that started us, spoken to as sd_notify(3) describes: one datagram a message. Its
// protocol is public and stable, and a program that holds keys loads no library more for it than it must.
#pragma once

#include <optional>
#include <string>

#include "base/clock.hpp"

namespace base {

class ServiceManager {
  public:
    /// From NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, which it takes out of the environment: no child of
    /// ours may speak in our place.
    [[nodiscard]] static ServiceManager from_environment();

    /// Like feed_watchdog() it waits for a few seconds where the manager is too busy to listen.
    void ready(const std::string& status) const;
    /// SIGHUP was heard; ready() says when it is done.
    void reloading() const;
    void stopping() const;
    /// One line for `systemctl status`.
    void status(const std::string& text) const;
    /// We are alive.
    void feed_watchdog() const;

    /// How often it wants to hear that; nothing if it does not.
    [[nodiscard]] std::optional<Milliseconds> watchdog() const { return watchdog_; }

  private:
    void send(const std::string& message, Milliseconds patience = Milliseconds(0)) const;

    std::string socket_{};
    std::optional<Milliseconds> watchdog_{};
};

/// The directory it has made for our state (STATE_DIRECTORY); empty: it has made none.
[[nodiscard]] std::string given_state_directory();

/// Which start of the machine this is (RENEWD_BOOT_ID, which our units set); empty: it does not say.
[[nodiscard]] std::string given_boot_id();

/// Does stderr go to the journal, which keeps time and priority itself (JOURNAL_STREAM)?
[[nodiscard]] bool logs_to_journal();

}  // namespace base
