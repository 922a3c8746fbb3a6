// SPDX-License-Identifier: Apache-2.0
// Threads that are handed one piece of work after another, for a process that lives for years. A thread is
// started when there is none to spare, and kept.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace base {

/// Used from one thread; the work runs on others.
class Crew {
  public:
    explicit Crew(std::size_t at_once) : at_once_(at_once) {}

    /// Waits for the end of all that was begun.
    ~Crew();
    Crew(const Crew&) = delete;
    Crew& operator=(const Crew&) = delete;

    /// Begins `work` at once, which must not throw. False where all hands are busy, or no thread can be had.
    [[nodiscard]] bool begin(std::function<void()> work);
    /// Pieces of work that were begun and have not ended.
    [[nodiscard]] std::size_t busy() const;

  private:
    void serve();

    std::size_t at_once_;
    mutable std::mutex mutex_;
    std::condition_variable has_work_;
    std::deque<std::function<void()>> handed_{};  // begun, and not taken by a thread yet
    std::size_t busy_ = 0;
    bool is_over_ = false;
    std::vector<std::jthread> threads_;
};

}  // namespace base
