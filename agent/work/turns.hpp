// SPDX-License-Identifier: Apache-2.0
// Who works at which place. Nobody waits for a turn with a hand in his lap: whoever gets none goes on with
// what else there is to do, and says what he would have needed; whoever hands out the work calls him up when
// it can be had.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "agent/plan/place.hpp"
#include "base/clock.hpp"

namespace agent {

/// Thread safe. Outlives every turn that it gives.
class Turns {
  public:
    class Held {
      public:
        Held(Turns& turns, Places places) : turns_(turns), places_(std::move(places)) {}

        ~Held() { turns_.give_back(places_); }

        Held(const Held&) = delete;
        Held& operator=(const Held&) = delete;

        [[nodiscard]] const Places& places() const { return places_; }

      private:
        Turns& turns_;
        const Places places_;
    };

    /// Given back when the last one lets go of it. Empty: it was not to be had.
    using Turn = std::shared_ptr<const Held>;

    /// At all of these places, or at none. Does not block.
    [[nodiscard]] Turn take(const Places& places);
    /// Could it be had now?
    [[nodiscard]] bool is_free(const Places& places) const;
    /// Called whenever one is given back, on any thread, with no lock held.
    void on_return(std::function<void()> call);

  private:
    void give_back(const Places& places);
    [[nodiscard]] bool has_room(const Places& places) const;

    mutable std::mutex mutex_;
    std::map<std::string, std::size_t, std::less<>> taken_;
    std::function<void()> call_{};
};

/// The turns of one piece of work: first the one that it was called up with, then what it can get. Thread
/// safe.
class Errand {
  public:
    Errand(Turns& turns, Turns::Turn brought) : turns_(turns), brought_(std::move(brought)) {}

    /// As Turns::take(); what could not be had is remembered.
    [[nodiscard]] Turns::Turn take(const Places& places);
    /// What could not be had, each once.
    [[nodiscard]] std::vector<Places> missed() const;

  private:
    Turns& turns_;
    mutable std::mutex mutex_;
    Turns::Turn brought_;
    std::vector<Places> missed_{};
};

/// Calls work(i, turn) for each entry, at most `at_once` at a time, those whose time is short first. What
/// work() returns it could not get a turn for: then it is called again when that can be had, with the turn.
/// Blocks until all are done. `work` must not throw.
void in_turns(Turns& turns, std::size_t at_once, std::span<const base::Instant> pressing_at,
              const std::function<std::vector<Places>(std::size_t index, Turns::Turn turn)>& work);

}  // namespace agent
