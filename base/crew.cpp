// SPDX-License-Identifier: Apache-2.0
#include "base/crew.hpp"

#include <system_error>
#include <utility>

namespace base {

Crew::~Crew() {
    {
        const std::scoped_lock guard(mutex_);
        is_over_ = true;
    }
    has_work_.notify_all();
}

bool Crew::begin(std::function<void()> work) {
    std::unique_lock guard(mutex_);
    if (busy_ >= at_once_) return false;
    if (busy_ == threads_.size()) {
        try {
            threads_.emplace_back([this] { serve(); });
        } catch (const std::system_error&) {
            return false;  // when one of those that run is free again
        }
    }
    handed_.push_back(std::move(work));
    ++busy_;
    guard.unlock();
    has_work_.notify_one();
    return true;
}

std::size_t Crew::busy() const {
    const std::scoped_lock guard(mutex_);
    return busy_;
}

void Crew::serve() {
    std::unique_lock guard(mutex_);
    while (true) {
        has_work_.wait(guard, [this] { return is_over_ || !handed_.empty(); });
        if (handed_.empty()) return;
        auto work = std::move(handed_.front());
        handed_.pop_front();
        guard.unlock();
        work();
        work = nullptr;  // what it held may take its time to go
        guard.lock();
        --busy_;
    }
}

}  // namespace base
