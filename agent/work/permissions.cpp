// SPDX-License-Identifier: Apache-2.0
#include "agent/work/permissions.hpp"

#include <chrono>

namespace agent {

namespace {

constexpr std::chrono::minutes kGoodFor{15};

}  // namespace

void Permissions::give(const std::string& what, base::Steady now) {
    const std::scoped_lock guard(mutex_);
    std::erase_if(given_, [&](const auto& given) { return now - given.second > kGoodFor; });
    given_[what] = now;
}

bool Permissions::use(const std::string& what, base::Steady now) {
    const std::scoped_lock guard(mutex_);
    const auto given = given_.extract(what);
    return !given.empty() && now - given.mapped() <= kGoodFor;
}

}  // namespace agent
