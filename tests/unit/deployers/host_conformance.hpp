// SPDX-License-Identifier: Apache-2.0
// What every host must do, whichever way it is reached: one scenario a case, run against this machine, a real
// sshd, and the remote script under other shells. The files are always on this machine, so that a scenario
// can look at them. Needs root.
#pragma once

#include <doctest/doctest.h>

#include "tests/unit/deployers/host_installs.hpp"
#include "tests/unit/deployers/host_refusals.hpp"
#include "tests/unit/deployers/host_restores.hpp"
#include "tests/unit/deployers/host_under_test.hpp"

namespace tests {

/// All of it.
inline void check_conformance(const MakeHost& make_host) {
    SUBCASE("installs where nothing was") {
        installs_where_nothing_was(make_host);
    }
    SUBCASE("nothing is nothing again") {
        nothing_is_nothing_again(make_host);
    }
    SUBCASE("replaces what was there") {
        replaces_what_was_there(make_host);
    }
    SUBCASE("writes nothing twice") {
        writes_nothing_twice(make_host);
    }
    SUBCASE("takes back what does not pass") {
        takes_back_what_does_not_pass(make_host);
    }
    SUBCASE("leaves a broken service alone") {
        leaves_a_broken_service_alone(make_host);
    }
    SUBCASE("rehearses") {
        rehearses(make_host);
    }
    SUBCASE("repairs a damaged version") {
        repairs_a_damaged_version(make_host);
    }
    SUBCASE("goes on after an interruption") {
        goes_on_after_an_interruption(make_host);
    }
    SUBCASE("restores") {
        restores(make_host);
    }
    SUBCASE("restarts nothing that would not start") {
        restarts_nothing_that_would_not_start(make_host);
    }
    SUBCASE("keeps what cannot be put back") {
        keeps_what_cannot_be_put_back(make_host);
    }
    SUBCASE("keeps what is proven") {
        keeps_what_is_proven(make_host);
    }
    SUBCASE("keeps only the versions it is told") {
        keeps_only_the_versions_it_is_told(make_host);
    }
    SUBCASE("reports what a reload says") {
        reports_what_a_reload_says(make_host);
    }
    SUBCASE("lets daemons print on") {
        lets_daemons_print_on(make_host);
    }
    SUBCASE("survives bad commands") {
        survives_bad_commands(make_host);
    }
    SUBCASE("says what cannot be written") {
        says_what_cannot_be_written(make_host);
    }
    SUBCASE("refuses unsafe paths") {
        refuses_unsafe_paths(make_host);
    }
    SUBCASE("inspects") {
        inspects(make_host);
    }
}

}  // namespace tests
