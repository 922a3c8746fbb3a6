// SPDX-License-Identifier: Apache-2.0
// year [CERTIFICATES]: a year of them (83,000) in seconds, and its figures. Exit status 1 where a certificate
// expired, or a limit of the CA was broken.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "tests/bench/year/simulated_year.hpp"

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
    return figures.expired + figures.refused + figures.void_in_use == 0 ? 0 : 1;
}
