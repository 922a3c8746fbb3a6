// SPDX-License-Identifier: Apache-2.0
// year [CERTIFICATES]: a year of them (83,000) in seconds, its figures, and what they have to show. The last
// line says how many of these promises held and how many did not; exit status 1 where one did not.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "tests/bench/year/simulated_year.hpp"

namespace {

struct Promise {
    const char* what;
    bool is_kept;
};

int judge(const year::Figures& f) {
    const std::array promises{
        Promise{"no certificate expires before its successor is there", f.expired == 0},
        Promise{"no limit of the CA is broken", f.refused == 0},
        Promise{"what the CA will revoke is replaced before", f.void_in_use == 0},
        Promise{"every new one is issued", f.unissued == 0},
        Promise{"the work is even: no hour of a steady day has five times the median",
                f.busiest_steady_hour < 5 * f.median_hour},
        Promise{"without outage and revocation a fifth of each life is left", f.least_left_quiet > 0.2},
    };
    for (const Promise& promise : promises)
        if (!promise.is_kept) std::printf("  not kept: %s\n", promise.what);
    const auto kept = std::ranges::count_if(promises, &Promise::is_kept);
    const auto broken = static_cast<std::ptrdiff_t>(promises.size()) - kept;
    std::printf("%td passed, %td failed\n", kept, broken);
    return broken == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    year::Story story;
    if (argc > 1) story.certificates = std::strtoul(argv[1], nullptr, 10);
    story.revoked = std::min(story.revoked, story.certificates / 4);
    story.changed = std::min(story.changed, story.certificates / 4);
    const auto begun = std::chrono::steady_clock::now();
    const year::Figures figures = year::simulate(story);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
    std::printf("a year of %zu certificates in %.1f s\n%s", figures.certificates, took.count(),
                year::to_text(figures).c_str());
    return judge(figures);
}
