// SPDX-License-Identifier: Apache-2.0
// Whether this machine's clock may be planned by, as far as CAs have told the time: each of their answers
// does, and the last one is kept for the next process. Thread safe.
#pragma once

#include <mutex>
#include <optional>
#include <string>

#include <spdlog/fwd.h>

#include "acme/session.hpp"
#include "agent/memory/kept_date.hpp"
#include "agent/memory/record.hpp"
#include "agent/plan/clock_check.hpp"
#include "base/clock.hpp"
#include "base/file.hpp"

namespace agent {

class ClockWatch {
  public:
    /// All but `boot` is borrowed for as long as this lives. `boot`: which start of this machine it is;
    /// empty: not known.
    ClockWatch(base::Files& files, std::string state_dir, base::Clock& clock, spdlog::logger& log,
               std::string boot = boot_id());

    /// A CA has told the time. Written to disk at the first call and then at most once an hour, best effort.
    void hear(const std::optional<acme::Session::SeenDate>& seen);

    /// `record`: its generations have been issued, and were no earlier than their not_before. What is wrong
    /// is logged when it begins, and once an hour.
    [[nodiscard]] ClockVerdict judge(const Record& record = {});

    /// It looks as if the clock were ahead, and that was heard too long ago to be relied on: a virtual
    /// machine that is stopped counts no time meanwhile. A CA is to be asked; true for one caller every few
    /// minutes.
    [[nodiscard]] bool wants_to_ask();

  private:
    struct Heard {
        base::Instant date{};
        base::Steady at{};
    };

    [[nodiscard]] std::optional<HeardDate> heard();
    void tell(const ClockVerdict& verdict);

    base::Files& files_;
    const std::string state_dir_;
    base::Clock& clock_;
    spdlog::logger& log_;
    const std::string boot_;
    std::mutex mutex_;
    std::optional<Heard> heard_{};    // by this process
    std::optional<KeptDate> kept_{};  // by one before
    bool is_read_ = false;
    std::optional<base::Steady> written_at_{};
    std::optional<base::Steady> asked_at_{};
    std::optional<base::Steady> told_at_{};
    ClockState told_ = ClockState::Right;
};

/// clock/wrong, for whoever is told; the verdict is one of a clock that is ahead or behind.
[[nodiscard]] base::Error clock_error(const ClockVerdict& verdict);

}  // namespace agent
