// SPDX-License-Identifier: Apache-2.0
// Workers draw the next index from one counter, so that one slow item holds up nothing but itself.
#include "base/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace base {

void in_parallel(std::size_t count, std::size_t at_once, const std::function<void(std::size_t)>& work) {
    std::atomic<std::size_t> next{0};
    std::mutex mutex;
    std::exception_ptr thrown;
    const auto draw = [&] {
        for (std::size_t index = next++; index < count; index = next++) {
            try {
                work(index);
            } catch (const std::exception&) {
                const std::scoped_lock guard(mutex);
                thrown = std::current_exception();
            }
        }
    };
    const std::size_t workers = std::min(std::max<std::size_t>(at_once, 1), count);
    {
        std::vector<std::jthread> helpers;  // joined when they go
        for (std::size_t started = 1; started < workers; ++started) {
            try {
                helpers.emplace_back(draw);
            } catch (const std::system_error&) {
                break;  // no more threads to be had: those that run, and this one, do all the work
            }
        }
        draw();
    }
    if (thrown) std::rethrow_exception(thrown);
}

}  // namespace base
