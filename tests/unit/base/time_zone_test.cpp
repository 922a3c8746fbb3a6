// SPDX-License-Identifier: Apache-2.0
// Zones of the system's database, and what their clocks do twice a year.
#include "base/time_zone.hpp"

#include <ostream>

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using base::Instant;
using base::Twice;

namespace {

Instant at(const char* text) {
    return base::parse_instant(text).value();
}

std::chrono::local_seconds shown(const char* text) {
    return std::chrono::local_seconds(at(text).time_since_epoch());
}

}  // namespace

TEST_CASE("time zone: which there are") {
    CHECK(base::is_time_zone("UTC"));
    CHECK(base::is_time_zone("Europe/Berlin"));
    CHECK_FALSE(base::is_time_zone("Europe/Atlantis"));
    CHECK_FALSE(base::is_time_zone("../../etc/passwd"));
    CHECK_FALSE(base::is_time_zone(""));
    CHECK(base::is_time_zone(base::local_time_zone()));
}

TEST_CASE("time zone: what clocks show, and when they show it") {
    struct Case {
        const char* zone;
        const char* shown;
        const char* first;
        const char* last;
    };

    for (const Case& c : {
             Case{"UTC", "2026-03-29T02:30:00Z", "2026-03-29T02:30:00Z", "2026-03-29T02:30:00Z"},
             Case{"Europe/Berlin", "2026-01-15T02:30:00Z", "2026-01-15T01:30:00Z", "2026-01-15T01:30:00Z"},
             Case{"Europe/Berlin", "2026-07-15T02:30:00Z", "2026-07-15T00:30:00Z", "2026-07-15T00:30:00Z"},
             // Skipped: clocks go from 02:00 to 03:00 at 01:00 UTC.
             Case{"Europe/Berlin", "2026-03-29T02:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:00:00Z"},
             // Twice: clocks go from 03:00 back to 02:00 at 01:00 UTC.
             Case{"Europe/Berlin", "2026-10-25T02:30:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"},
             // Half an hour of summer time.
             Case{"Australia/Lord_Howe", "2026-10-04T02:15:00Z", "2026-10-03T15:30:00Z",
                  "2026-10-03T15:30:00Z"},
             Case{"No/Where", "2026-07-15T02:30:00Z", "2026-07-15T02:30:00Z", "2026-07-15T02:30:00Z"},
         }) {
        CAPTURE(std::string(c.zone) + " " + c.shown);
        CHECK(base::instant_of(c.zone, shown(c.shown), Twice::First) == at(c.first));
        CHECK(base::instant_of(c.zone, shown(c.shown), Twice::Last) == at(c.last));
    }
    CHECK(base::local_time("Europe/Berlin", at("2026-07-15T00:30:00Z")) == shown("2026-07-15T02:30:00Z"));
    CHECK(base::local_time("America/New_York", at("2026-11-22T03:00:00Z")) == shown("2026-11-21T22:00:00Z"));
}
