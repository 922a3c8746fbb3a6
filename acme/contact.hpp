// SPDX-License-Identifier: Apache-2.0
// How long CAs may be silent while a person waits. An agent on its own has days and a backoff; a person in
// front of a terminal is told within half a minute, however many CAs there are.
#pragma once

#include <algorithm>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "acme/limits.hpp"
#include "base/clock.hpp"

namespace acme {

/// What a person has for all CAs of one command: what one of them has used up, the next ones do not have, but
/// for a little with which each is asked once. Thread safe.
class Patience {
  public:
    explicit Patience(base::Seconds all) : all_(all) {}

    [[nodiscard]] base::Milliseconds left() const {
        const std::scoped_lock lock(mutex_);
        return std::max<base::Milliseconds>(all_ - spent_, kPatienceAtLeast);
    }

    /// The silence of one CA; of several that are silent at once it counts once.
    void spend(base::Steady from, base::Steady until) {
        const std::scoped_lock lock(mutex_);
        from = std::max(from, spent_until_);
        if (until <= from) return;
        spent_ += std::chrono::duration_cast<base::Milliseconds>(until - from);
        spent_until_ = until;
    }

  private:
    base::Seconds all_;
    mutable std::mutex mutex_;
    base::Milliseconds spent_{0};
    base::Steady spent_until_{};
};

/// One CA. Thread safe. Silence is what passes from the first request without an answer on; any answer ends
/// it.
class Contact {
  public:
    /// Without patience nobody waits, and there is always time.
    explicit Contact(Patience* patience) : patience_(patience) {}

    /// How long a request that begins now may take; nothing: as long as it likes. Zero: the CA has been given
    /// up on, and is not asked for a while.
    [[nodiscard]] std::optional<base::Milliseconds> begin(base::Steady now) {
        if (patience_ == nullptr) return std::nullopt;
        const std::scoped_lock lock(mutex_);
        if (given_up_at_ && now - *given_up_at_ < kGivenUpFor) return base::Milliseconds{0};
        given_up_at_.reset();
        if (!silent_since_) {
            silent_since_ = now;
            allowance_ = patience_->left();
        }
        if (!has_answered_ && left(now) == base::Milliseconds{0}) return give_up(now);
        // Whoever has answered once is there: it may be slow.
        return has_answered_ ? std::max<base::Milliseconds>(left(now), kSlowAnswerMax) : left(now);
    }

    void answered() {
        const std::scoped_lock lock(mutex_);
        silent_since_.reset();
        given_up_at_.reset();
        has_answered_ = true;
    }

    /// What came of a request instead of an answer, in words.
    void unanswered(std::string why) {
        const std::scoped_lock lock(mutex_);
        why_silent_ = std::move(why);
    }

    /// Of the last request that was not answered.
    [[nodiscard]] std::string why_silent() const {
        const std::scoped_lock lock(mutex_);
        return why_silent_;
    }

    /// A request came to nothing. True while there is time for another one, and it was not the last one that
    /// would be tried.
    [[nodiscard]] bool has_time(base::Steady now, bool was_last) {
        if (patience_ == nullptr) return !was_last;
        const std::scoped_lock lock(mutex_);
        if (given_up_at_) return false;
        if (!was_last && (!silent_since_ || left(now) > kWorthATry)) return true;
        give_up(now);
        return false;
    }

  private:
    base::Milliseconds give_up(base::Steady now) {
        if (silent_since_) patience_->spend(*silent_since_, now);
        given_up_at_ = now;
        silent_since_.reset();
        return base::Milliseconds{0};
    }

    [[nodiscard]] base::Milliseconds left(base::Steady now) const {
        const auto silent = std::chrono::duration_cast<base::Milliseconds>(now - *silent_since_);
        return std::max(base::Milliseconds{0}, allowance_ - silent);
    }

    Patience* patience_;
    mutable std::mutex mutex_;
    std::optional<base::Steady> silent_since_;
    base::Milliseconds allowance_{0};  // for this silence
    std::optional<base::Steady> given_up_at_;
    bool has_answered_ = false;
    std::string why_silent_{};
};

}  // namespace acme
