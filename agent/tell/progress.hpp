// SPDX-License-Identifier: Apache-2.0
// Long work, as it goes: on a terminal one live line, elsewhere one quiet line for each certificate when it
// is done.
#pragma once

#include <cstdio>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"

namespace agent {

/// Thread safe.
class Progress {
  public:
    enum class Manner { Live, Lines, Silent };

    Progress(std::FILE* out, Manner manner, base::Clock& clock) : out_(out), manner_(manner), clock_(clock) {}

    /// A step has begun or come further ("authorize", "2/3 names"); a detail replaces the step's earlier one.
    void step(const std::string& certificate, std::string_view step, std::string_view detail);
    /// The work on this certificate has ended; `ending` closes its line. Certificates that had no step say
    /// nothing.
    void finish(const std::string& certificate, std::string_view ending);

  private:
    struct Line {
        base::Steady begun{};
        std::vector<std::pair<std::string, std::string>> steps{};
    };

    [[nodiscard]] std::string text_of(const std::string& certificate, const Line& line) const;

    std::FILE* out_;
    Manner manner_;
    base::Clock& clock_;
    std::mutex mutex_;
    std::map<std::string, Line> lines_;
};

}  // namespace agent
