// SPDX-License-Identifier: Apache-2.0
// The figures of a year, for people.
#include <algorithm>
#include <array>
#include <cstdio>

#include "tests/bench/year/simulated_year.hpp"

namespace year {

namespace {

std::string hours_text(base::Seconds duration) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.1f h", static_cast<double>(duration.count()) / 3600);
    return text.data();
}

std::string percent(double share) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.1f %%", share * 100);
    return text.data();
}

}  // namespace

std::string to_text(const Figures& f) {
    std::string text;
    const auto line = [&](const char* what, const std::string& value) {
        std::string begin = std::string("  ") + what;
        begin.resize(std::max<std::size_t>(begin.size() + 1, 42), ' ');
        text += begin + value + "\n";
    };
    line("certificates", std::to_string(f.certificates));
    line("issued in the year", std::to_string(f.issued));
    line("expired before their successor", std::to_string(f.expired));
    line("revoked by the CA while in use", std::to_string(f.void_in_use));
    line("new ones without a certificate at the end", std::to_string(f.unissued));
    line("orders refused by a limit (429)", std::to_string(f.refused));
    line("orders in the CA's own window", std::to_string(f.spared));
    line("put off for a limit", std::to_string(f.held) + " times");
    line("failed validations", std::to_string(f.failed));
    line("attempts while the CA was away", std::to_string(f.unreachable));
    line("questions for renewal information", std::to_string(f.questions));
    line("issued in the median hour", std::to_string(f.median_hour));
    line("in the busiest hour of steady days", std::to_string(f.busiest_steady_hour));
    line("of days with no event, but its echo", std::to_string(f.busiest_quiet_hour));
    line("in the busiest hour of all",
         std::to_string(f.busiest_hour) + ", " + base::format_instant(f.busiest_at));
    line("longest wait for a hand", hours_text(f.longest_wait));
    line("least of a life left at renewal", percent(f.least_left));
    line("the same, neither outage nor revocation", percent(f.least_left_quiet));
    line("outage of the CA made good after", hours_text(f.outage_cleared_in));
    line("mass revocation replaced after", hours_text(f.revocation_cleared_in));
    line("new ones issued after", hours_text(f.added_in));
    line("those of one registered domain after", hours_text(f.domain_in));
    return text;
}

}  // namespace year
