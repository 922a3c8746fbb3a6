// SPDX-License-Identifier: Apache-2.0
// The world around the flows, in memory: a clock that only sleeping moves, a solver that remembers, and a
// session with the fake CA.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "acme/issuance.hpp"
#include "acme/session.hpp"
#include "base/clock.hpp"
#include "tests/unit/acme/fake_ca.hpp"

using std::chrono_literals::operator""h;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

namespace fakes {

/// 2026-11-21T12:00:00Z
inline constexpr base::Instant kNow{base::Seconds(1'795'262'400)};

class Clock final : public base::Clock {
  public:
    [[nodiscard]] base::Instant now() const override {
        const std::scoped_lock lock(mutex_);
        return kNow + std::chrono::duration_cast<base::Seconds>(passed_);
    }

    [[nodiscard]] base::Steady steady() const override {
        const std::scoped_lock lock(mutex_);
        return base::Steady{} + passed_;
    }

    void sleep(base::Milliseconds duration) override {
        const std::scoped_lock lock(mutex_);
        passed_ += duration;
        slept_.push_back(duration);
    }

    [[nodiscard]] base::Milliseconds passed() const {
        const std::scoped_lock lock(mutex_);
        return passed_;
    }

    [[nodiscard]] std::vector<base::Milliseconds> slept() const {
        const std::scoped_lock lock(mutex_);
        return slept_;
    }

  private:
    mutable std::mutex mutex_;
    base::Milliseconds passed_{0};
    std::vector<base::Milliseconds> slept_;
};

class Solver final : public acme::Solver {
  public:
    [[nodiscard]] std::string_view type() const override { return type_name; }

    [[nodiscard]] bool outlives_us() const override { return outlives; }

    base::Result<void> present(const acme::ChallengeTask& task) override {
        const std::scoped_lock lock(mutex_);
        if (!failing.empty() && task.identifier.value == failing) {
            return base::fail(base::Code::SolverPresent, "the webroot is gone");
        }
        presented_[task.token] = task.key_authorization;
        last_task_ = task;
        ++presents_;
        return {};
    }

    base::Result<void> wait_until_seen(std::span<const acme::ChallengeTask>) override {
        if (waits) waits();
        return {};
    }

    base::Result<void> clean_up(const acme::ChallengeTask& task) override {
        const std::scoped_lock lock(mutex_);
        presented_.erase(task.token);
        if (cannot_clean_up) return base::fail(base::Code::FileIo, "read-only file system");
        return {};
    }

    [[nodiscard]] std::string find(const std::string& token) const {
        const std::scoped_lock lock(mutex_);
        const auto found = presented_.find(token);
        return found == presented_.end() ? std::string() : found->second;
    }

    [[nodiscard]] std::size_t held() const {
        const std::scoped_lock lock(mutex_);
        return presented_.size();
    }

    [[nodiscard]] int presents() const { return presents_; }

    [[nodiscard]] acme::ChallengeTask last_task() const {
        const std::scoped_lock lock(mutex_);
        return last_task_;
    }

    std::string type_name = "http-01";
    std::string failing{};
    bool cannot_clean_up = false;
    std::function<void()> waits{};  // until what it has presented is seen
    bool outlives = true;

  private:
    mutable std::mutex mutex_;
    std::map<std::string, std::string> presented_;
    int presents_ = 0;
    acme::ChallengeTask last_task_{};
};

/// A CA, a session with it, an account, and what issue() wants.
struct World {
    Clock clock{};
    Solver solver{};
    Ca ca{};
    acme::Session session{{.name = "fake", .directory = kOrigin + "/dir"}, ca, clock};
    acme::Account account{.key = base::PrivateKey::generate(base::KeyType::EcdsaP256).value(),
                          .url = kOrigin + "/account/1"};
    acme::IssuanceRequest request{.key = base::PrivateKey::generate(base::KeyType::EcdsaP256).value()};
    std::vector<std::string> placed{};
    std::vector<std::string> progress{};
    acme::IssuanceEffects effects{};

    explicit World(const std::vector<std::string>& names) {
        for (const std::string& name : names) request.names.push_back(base::parse_identifier(name).value());
        ca.fetch = [this](const std::string& token) { return solver.find(token); };
        effects.solver_for = [this](const base::Identifier&) { return &solver; };
        effects.order_placed = [this](const std::string& url) -> base::Result<void> {
            placed.push_back(url);
            return {};
        };
        effects.progress = [this](std::string_view step, std::string_view detail) {
            progress.push_back(std::string(step) + ": " + std::string(detail));
        };
        register_account();
    }

    [[nodiscard]] base::Result<acme::Issued> issue() {
        return acme::issue(session, account, request, effects);
    }

  private:
    /// Makes the account known to the CA without a trace in its log.
    void register_account() {
        acme::Session other({.name = "fake", .directory = kOrigin + "/dir"}, ca, clock);
        acme::Account nobody{.key = account.key};
        (void)other.post(nobody, kOrigin + "/account", "{}");
        ca.clear_log();
    }
};

/// "ca/refused", or "ok".
template <class T>
[[nodiscard]] std::string code_of(const base::Result<T>& result) {
    return result ? "ok" : std::string(base::to_string(result.error().code));
}

template <class T>
[[nodiscard]] std::string message_of(const base::Result<T>& result) {
    return result ? "" : result.error().message;
}

[[nodiscard]] inline bool contains(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

}  // namespace fakes
