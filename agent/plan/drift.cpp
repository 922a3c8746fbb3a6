// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/drift.hpp"

#include <algorithm>
#include <cstdint>

namespace agent {

using base::Instant;
using base::Seconds;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t kRepairsMax = 3;
constexpr Seconds kTruce = 24h;

/// FNV-1a: the same on every machine and in every version.
std::uint64_t hash_of(std::string_view text) {
    std::uint64_t hash = 14695981039346656037ULL;
    for (const char c : text) {
        hash ^= static_cast<unsigned char>(c);
        hash *= 1099511628211ULL;
    }
    return hash ^ (hash >> 29U);
}

}  // namespace

Instant next_look(Instant last, Seconds every, std::string_view place) {
    const std::int64_t period = std::max<std::int64_t>(every.count(), 1);
    const auto phase = static_cast<std::int64_t>(hash_of(place) % static_cast<std::uint64_t>(period));
    const std::int64_t since = last.time_since_epoch().count() - phase;
    return last + Seconds(period - ((since % period) + period) % period);
}

void note_drift(Drift& drift, Instant now, Seconds verify_every) {
    drift.seen_at = drift.seen_at.value_or(now);
    const Seconds lately = std::max<Seconds>(1h, 4 * verify_every);
    const auto recent = std::ranges::count_if(drift.repairs, [&](Instant at) { return at > now - lately; });
    if (recent >= static_cast<std::ptrdiff_t>(kRepairsMax)) drift.is_contested = true;
}

void note_repair(Drift& drift, Instant now) {
    drift.seen_at.reset();
    drift.repairs.push_back(now);
    if (drift.repairs.size() > kRepairsMax) drift.repairs.erase(drift.repairs.begin());
}

void note_well(Drift& drift, Instant now) {
    drift.seen_at.reset();
    if (drift.repairs.empty() || now - drift.repairs.back() < kTruce) return;
    drift = {};
}

std::optional<Instant> repair_time(const Drift& drift, Instant now) {
    if (!drift.is_contested || drift.repairs.empty() || drift.repairs.back() > now) return std::nullopt;
    return drift.repairs.back() + kTruce;
}

}  // namespace agent
