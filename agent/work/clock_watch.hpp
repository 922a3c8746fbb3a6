// SPDX-License-Identifier: Apache-2.0
// Whether this machine's clock may be planned by, as far as CAs have told the time: each of their answers
// does, and the last one of each CA is kept for the next process. Thread safe.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

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

    /// This CA has told the time. Written to disk at its first call and then at most once an hour, best
    /// effort.
    void hear(const std::string& ca, const std::optional<acme::Session::SeenDate>& seen);

    /// By the Date of `ca`; without one, of the CA that issued what `record` holds; without either, of the CA
    /// that is nearest to our clock. What one CA says of the time thus counts for its own certificates alone.
    /// The generations of the same CA count, too: they were issued no earlier than their not_before. What is
    /// wrong is logged when it begins, and once an hour.
    [[nodiscard]] ClockVerdict judge(const Record& record = {}, const std::string& ca = {});

    /// It looks as if the clock were wrong, and this CA has not said so lately: nothing since this machine
    /// was started, but others have, or too long ago to be relied on for a clock that is ahead (a virtual
    /// machine that is stopped counts no time meanwhile). It is to be asked; true for one caller every few
    /// minutes.
    [[nodiscard]] bool wants_to_ask(const std::string& ca);

  private:
    struct Heard {
        base::Instant date{};
        base::Instant now{};
        base::Steady at{};
        std::optional<base::Steady> written_at{};
    };

    struct Told {
        ClockState state = ClockState::Right;
        base::Steady at{};
    };

    void read();
    [[nodiscard]] std::optional<HeardDate> heard(const std::string& ca);
    [[nodiscard]] std::vector<HeardDate> all_heard();
    [[nodiscard]] base::Result<void> write();
    void tell(const std::string& ca, const ClockVerdict& verdict);

    base::Files& files_;
    const std::string state_dir_;
    base::Clock& clock_;
    spdlog::logger& log_;
    const std::string boot_;
    std::mutex mutex_;
    std::map<std::string, Heard> heard_{};    // by this process, of each CA
    std::map<std::string, KeptDate> kept_{};  // by one before
    bool is_read_ = false;
    std::map<std::string, base::Steady> asked_at_{};
    std::map<std::string, Told> told_{};
};

/// clock/wrong, for whoever is told; the verdict is one of a clock that is ahead or behind.
[[nodiscard]] base::Error clock_error(const ClockVerdict& verdict);

}  // namespace agent
