// SPDX-License-Identifier: Apache-2.0
// What every host brings back: when it is told to, after a run that was cut off, and what it keeps where
// nobody says anything any more.
#pragma once

#include <filesystem>
#include <string>

#include <doctest/doctest.h>

#include "deployers/hosts/host.hpp"
#include "deployers/hosts/places.hpp"
#include "tests/unit/deployers/fake_service.hpp"
#include "tests/unit/deployers/host_under_test.hpp"

namespace tests {

/// What a run leaves that is cut off after `renamed` of its renames from generation 1 to generation 2.
inline void leave_interrupted(const FakeService& service, int renamed) {
    const Installation installation = service.installation("2");
    const std::string work = deployers::work_directory(installation);
    service.hold("1");
    std::filesystem::create_directory(work);
    (void)::chmod(work.c_str(), 0700);
    std::string journal;
    for (const auto& digest : deployers::digests_of(installation)) {
        std::filesystem::create_hard_link(digest.path, deployers::old_name(work, digest.path));
        journal += digest.sha256 + " had " + digest.path + "\n";
    }
    spill(work + "/journal", journal, 0600);
    for (const auto& file : installation.published) {
        const std::string beside = deployers::new_name(work, file.path);
        spill(beside, file.content.reveal(), static_cast<mode_t>(file.mode));
        if (renamed-- > 0) std::filesystem::rename(beside, file.path);
    }
}

inline void goes_on_after_an_interruption(const MakeHost& make_host) {
    const FakeService service;
    SUBCASE("between the two renames") {
        leave_interrupted(service, 1);
        const auto session = install(make_host, service.installation("2", {"1"}));
        CHECK(session->report().outcome == InstallOutcome::Installed);
        CHECK(session->report().interrupted_before);
        CHECK_FALSE(session->report().test_before.ok());
        CHECK(slurp(service.key()) == "key 2");
        SUBCASE("and what was there before is what the first run found") {
            REQUIRE(session->restore().has_value());
            CHECK(slurp(service.cert()) == "certificate 1");
            CHECK(attributes(service.key()) == "0640 0:1");
        }
    }
    SUBCASE("between the two renames, and the wanted generation is no good") {
        leave_interrupted(service, 1);
        service.be("picky", "certificate 2");
        CHECK(install(make_host, service.installation("2", {"1"}))->report().outcome ==
              InstallOutcome::TestFailed);
        CHECK(slurp(service.cert()) == "certificate 1");
        CHECK(slurp(service.key()) == "key 1");
    }
    SUBCASE("between the two renames, and another generation is wanted by now") {
        leave_interrupted(service, 1);
        const auto session = install(make_host, service.installation("3", {"1", "2"}));
        CHECK(session->report().outcome == InstallOutcome::Installed);
        REQUIRE(session->restore().has_value());
        CHECK(slurp(service.cert()) == "certificate 1");
        CHECK(slurp(service.key()) == "key 1");
    }
    SUBCASE("before the first rename") {
        leave_interrupted(service, 0);
        const auto session = install(make_host, service.installation("2", {"1"}));
        CHECK(session->report().outcome == InstallOutcome::Installed);
        REQUIRE(session->restore().has_value());
        CHECK(slurp(service.cert()) == "certificate 1");
    }
    SUBCASE("after the last rename: nothing is written again, but tested and reloaded") {
        leave_interrupted(service, 2);
        (void)::chown(service.key().c_str(), 0, 0);
        const auto session = install(make_host, service.installation("2", {"1"}));
        CHECK(session->report().outcome == InstallOutcome::Unchanged);
        CHECK(session->report().interrupted_before);
        CHECK(service.log() == "test certificate 2\nreload certificate 2\n");
        REQUIRE(session->commit().has_value());
        CHECK(slurp(service.key()) == "key 2");
    }
    SUBCASE("after the last rename, and the test says no: the old files come back") {
        leave_interrupted(service, 2);
        service.be("picky", "certificate 2");
        const auto session = install(make_host, service.installation("2", {"1"}));
        CHECK(session->report().outcome == InstallOutcome::TestFailed);
        CHECK(slurp(service.cert()) == "certificate 1");
        CHECK(slurp(service.key()) == "key 1");
    }
    CHECK(service.names() == Names{"cert", "key"});
}

inline void restores(const MakeHost& make_host) {
    const FakeService service;
    const bool had = [] {
        bool answer = true;
        SUBCASE("what was there") {
            answer = true;
        }
        SUBCASE("nothing") {
            answer = false;
        }
        return answer;
    }();
    if (had) service.hold("1");
    const auto session = install(make_host, service.installation("2", {"1"}));
    REQUIRE(session->report().outcome == InstallOutcome::Installed);
    service.forget_log();
    const auto restored = session->restore();
    REQUIRE(restored.has_value());
    CHECK(restored->outcome == InstallOutcome::Restored);
    CHECK(restored->test_after.ran);
    CHECK(restored->test_after.ok() == had);
    CHECK(restored->reload.ran);
    CHECK(service.log() == (had ? "test certificate 1\nrestart certificate 1\n" : "test\nreload\n"));
    CHECK(attributes(service.key()) == (had ? "0640 0:1" : "nothing"));
    CHECK(service.names() == (had ? Names{"cert", "key"} : Names{}));
}

/// Something else is broken by now: what runs with it would not come up again.
inline void restarts_nothing_that_would_not_start(const MakeHost& make_host) {
    const FakeService service;
    service.hold("1");
    const auto session = install(make_host, service.installation("2", {"1"}));
    REQUIRE(session->report().outcome == InstallOutcome::Installed);
    service.forget_log();
    service.be("broken");
    const auto restored = session->restore();
    REQUIRE(restored.has_value());
    CHECK(restored->outcome == InstallOutcome::Restored);
    CHECK(restored->test_after.exit_code == 3);
    CHECK(restored->reload.ran);
    CHECK(slurp(service.key()) == "key 1");
    CHECK(service.log() == "test certificate 1\nreload certificate 1\n");
}

/// A restore that fails must not cost what it was to bring back.
inline void keeps_what_cannot_be_put_back(const MakeHost& make_host) {
    const FakeService service;
    service.hold("1");
    const Installation installation = service.installation("2", {"1"});
    const std::string elsewhere = service.path() + "/elsewhere";
    {
        const auto session = install(make_host, installation);
        REQUIRE(session->report().outcome == InstallOutcome::Installed);
        service.forget_log();
        std::filesystem::rename(service.cert(), elsewhere);
        std::filesystem::create_symlink(elsewhere, service.cert());
        const auto failed = session->restore();
        REQUIRE(failed.has_value());
        CHECK(failed->outcome == InstallOutcome::WriteFailed);
        CHECK(failed->message.find(service.cert()) != std::string::npos);
        CHECK(failed->message.ends_with("; the next run tries again"));
        CHECK(service.log() == "");
    }
    CHECK(slurp(service.key()) == "key 1");  // the one that can come back does
    std::filesystem::rename(elsewhere, service.cert());
    const auto again = install(make_host, installation);
    CHECK(again->report().outcome == InstallOutcome::Installed);
    CHECK(again->report().interrupted_before);
    REQUIRE(again->restore().has_value());
    CHECK(slurp(service.cert()) == "certificate 1");
    CHECK(slurp(service.key()) == "key 1");
    CHECK(attributes(service.key()) == "0640 0:1");
    CHECK(service.names() == Names{"cert", "key"});
}

inline void keeps_what_is_proven(const MakeHost& make_host) {
    const FakeService service;
    service.hold("1");
    CHECK(install(make_host, service.installation("2", {"1"}))->report().outcome ==
          InstallOutcome::Installed);
    CHECK(slurp(service.key()) == "key 2");  // the session is gone, without a word
    CHECK(service.names() == Names{"cert", "key"});
}

}  // namespace tests
