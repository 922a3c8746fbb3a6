// SPDX-License-Identifier: Apache-2.0
#include "base/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <ostream>
#include <stdexcept>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

namespace {

/// Counts who is at work, and lets everybody wait until `wanted` have met.
class Meeting {
  public:
    explicit Meeting(std::size_t wanted) : wanted_(wanted) {}

    void attend() {
        std::unique_lock lock(mutex_);
        ++present_;
        most_ = std::max(most_, present_);
        if (most_ >= wanted_) all_here_.notify_all();
        all_here_.wait_for(lock, std::chrono::seconds(10), [&] { return most_ >= wanted_; });
        --present_;
    }

    [[nodiscard]] std::size_t most() const { return most_; }

  private:
    std::mutex mutex_;
    std::condition_variable all_here_;
    std::size_t wanted_;
    std::size_t present_ = 0;
    std::size_t most_ = 0;
};

}  // namespace

TEST_CASE("parallel: every item is done exactly once") {
    struct Case {
        std::size_t count;
        std::size_t at_once;
    };

    for (const Case& c : {Case{0, 4}, Case{1, 4}, Case{3, 8}, Case{100, 1}, Case{1000, 7}, Case{5, 0}}) {
        CAPTURE(c.count);
        CAPTURE(c.at_once);
        std::vector<std::atomic<int>> done(c.count);
        base::in_parallel(c.count, c.at_once, [&](std::size_t index) { ++done.at(index); });
        CHECK(std::ranges::all_of(done, [](const std::atomic<int>& times) { return times == 1; }));
    }
}

TEST_CASE("parallel: as many at once as allowed, and not one more") {
    Meeting meeting(4);
    base::in_parallel(40, 4, [&](std::size_t) { meeting.attend(); });
    CHECK(meeting.most() == 4);
}

TEST_CASE("parallel: alone, or one at a time, on the calling thread") {
    const std::thread::id here = std::this_thread::get_id();
    std::vector<std::thread::id> where;
    std::vector<std::size_t> order;
    base::in_parallel(1, 16, [&](std::size_t) { where.push_back(std::this_thread::get_id()); });
    base::in_parallel(3, 1, [&](std::size_t index) {
        where.push_back(std::this_thread::get_id());
        order.push_back(index);
    });
    CHECK(where == std::vector<std::thread::id>(4, here));
    CHECK(order == std::vector<std::size_t>{0, 1, 2});
}

TEST_CASE("parallel: what one throws is thrown when all others are done") {
    for (const std::size_t at_once : {std::size_t{1}, std::size_t{4}}) {
        std::atomic<int> done = 0;
        CHECK_THROWS_WITH(base::in_parallel(20, at_once,
                                            [&](std::size_t index) {
                                                if (index == 3) throw std::runtime_error("a bug");
                                                ++done;
                                            }),
                          "a bug");
        CHECK(done == 19);
    }
}
