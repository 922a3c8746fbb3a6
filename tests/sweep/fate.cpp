// SPDX-License-Identifier: Apache-2.0
#include "tests/sweep/fate.hpp"

#include <algorithm>

#include <unistd.h>

namespace sweep {

std::string_view to_string(Kind kind) {
    switch (kind) {
        case Kind::Kill:
            return "kill";
        case Kind::NoSpace:
            return "no-space";
        case Kind::Io:
            return "io";
        case Kind::PowerLost:
            return "power-lost";
        case Kind::PowerTorn:
            return "power-torn";
        case Kind::PowerMixed:
            return "power-mixed";
    }
    return "kill";
}

namespace {

bool is_power_cut(Kind kind) {
    return kind == Kind::PowerLost || kind == Kind::PowerTorn || kind == Kind::PowerMixed;
}

}  // namespace

Fate::Fate(Plan plan, Trace& trace)
    : plan_(std::move(plan)),
      trace_(trace),
      disk_(plan_.graveyard, plan_.at != 0 && is_power_cut(plan_.kind)) {}

void Fate::note(std::string_view what) {
    const std::size_t length = std::min(what.size(), trace_.what.size() - 1);
    std::copy_n(what.begin(), length, trace_.what.begin());
    trace_.struck = true;
}

void Fate::end() {
    if (plan_.kind == Kind::PowerLost) disk_.lose(Loss::Lost, plan_.seed);
    if (plan_.kind == Kind::PowerTorn) disk_.lose(Loss::Torn, plan_.seed);
    if (plan_.kind == Kind::PowerMixed) disk_.lose(Loss::Mixed, plan_.seed + plan_.at);
    constexpr int kAsIfKilled = 137;
    ::_exit(kAsIfKilled);
}

}  // namespace sweep
