// SPDX-License-Identifier: Apache-2.0
// What every host must do, whichever way it is reached: one scenario a case, run against this machine, a real
// sshd, and the remote script under other shells. The files are always on this machine, so that a scenario
// can look at them. Needs root.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "base/clock.hpp"
#include "base/encoding.hpp"
#include "base/file.hpp"
#include "deployers/hosts/host.hpp"
#include "deployers/hosts/places.hpp"
#include "tests/unit/deployers/fake_service.hpp"
#include "tests/unit/deployers/host_refusals.hpp"

namespace tests {

inline void installs_where_nothing_was(const MakeHost& make_host) {
    const FakeService service;
    std::filesystem::remove(service.tls());  // its parent is there, so it is made
    const auto session = install(make_host, service.installation("1"));
    CHECK(session->report().outcome == InstallOutcome::Installed);
    CHECK(session->report().message == "");
    CHECK(session->report().test_before.exit_code == 1);
    CHECK(session->report().test_before.output == "cannot load the pair");
    CHECK(session->report().test_after.output == "test is successful");
    CHECK(session->report().reload.ok());
    CHECK(slurp(service.cert()) == "certificate 1");
    CHECK(slurp(service.key()) == "key 1");
    CHECK(attributes(service.cert()) == "0644 0:0");
    CHECK(attributes(service.key()) == "0600 0:0");
    CHECK(attributes(service.tls()) == "0755 0:0");
    CHECK(service.log() == "test\ntest certificate 1\nreload certificate 1\n");
    const auto committed = session->commit();
    REQUIRE(committed.has_value());
    CHECK(committed->outcome == InstallOutcome::Committed);
    CHECK(service.names() == Names{"cert", "key"});
}

inline void nothing_is_nothing_again(const MakeHost& make_host) {
    const FakeService service;
    service.be("picky", "certificate 1");
    const auto session = install(make_host, service.installation("1"));
    CHECK(session->report().outcome == InstallOutcome::TestFailed);
    CHECK(session->report().test_before.output == "cannot load the pair");
    CHECK(session->report().test_after.output == "not this one");
    CHECK_FALSE(session->report().reload.ran);
    CHECK(service.names().empty());
}

inline void replaces_what_was_there(const MakeHost& make_host) {
    const FakeService service;
    service.hold("1");
    const auto session = install(make_host, service.installation("2", {"1"}));
    CHECK(session->report().outcome == InstallOutcome::Installed);
    CHECK_FALSE(session->report().interrupted_before);
    CHECK(slurp(service.key()) == "key 2");
    CHECK(attributes(service.key()) == "0600 0:0");
    REQUIRE(session->reload().has_value());
    CHECK(service.log() ==
          "test certificate 1\ntest certificate 2\nreload certificate 2\nreload certificate 2\n");
    REQUIRE(session->commit().has_value());
    CHECK(service.names() == Names{"cert", "key"});
}

inline void writes_nothing_twice(const MakeHost& make_host) {
    const FakeService service;
    REQUIRE(install(make_host, service.installation("1"))->commit().has_value());
    const auto written = std::filesystem::last_write_time(service.cert());
    service.forget_log();
    const auto session = install(make_host, service.installation("1"));
    CHECK(session->report().outcome == InstallOutcome::Unchanged);
    CHECK(session->report().reload.ran);
    CHECK(service.log() == "test certificate 1\nreload certificate 1\n");
    CHECK(std::filesystem::last_write_time(service.cert()) == written);
    REQUIRE(session->commit().has_value());

    SUBCASE("but a mode that somebody changed is put right") {
        (void)::chmod(service.key().c_str(), 0604);
        CHECK(install(make_host, service.installation("1"))->report().outcome == InstallOutcome::Installed);
        CHECK(attributes(service.key()) == "0600 0:0");
    }
}

inline void takes_back_what_does_not_pass(const MakeHost& make_host) {
    const FakeService service;
    service.hold("1");
    service.be("picky", "certificate 2");
    Installation installation = service.installation("2", {"1"});
    installation.staged = {
        {.path = service.tls() + "/versions/2-0123abcd/privkey.pem", .content = base::Secret("key 2")}};
    installation.versions = service.tls() + "/versions";
    const auto session = install(make_host, installation);
    CHECK(session->report().outcome == InstallOutcome::TestFailed);
    CHECK(session->report().test_before.ok());
    CHECK(session->report().test_after.output == "not this one");
    CHECK(slurp(service.cert()) == "certificate 1");
    CHECK(slurp(service.key()) == "key 1");
    CHECK(attributes(service.cert()) == "0644 0:0");
    CHECK(attributes(service.key()) == "0640 0:1");
    CHECK(service.log() == "test certificate 1\ntest certificate 2\n");
    CHECK(service.names() == Names{"cert", "key"});
}

inline void leaves_a_broken_service_alone(const MakeHost& make_host) {
    const FakeService service;
    service.be("broken");
    SUBCASE("with an earlier pair of ours") {
        service.hold("1");
        const auto session = install(make_host, service.installation("2", {"0", "1"}));
        CHECK(session->report().outcome == InstallOutcome::ServiceBroken);
        CHECK(session->report().test_before.exit_code == 3);
        CHECK(session->report().test_before.output == "out of order");
        CHECK(slurp(service.cert()) == "certificate 1");
        CHECK(attributes(service.key()) == "0640 0:1");
        CHECK(service.log() == "test certificate 1\n");
    }
    SUBCASE("with the wanted pair") {
        service.hold("2");
        CHECK(install(make_host, service.installation("2"))->report().outcome ==
              InstallOutcome::ServiceBroken);
    }
    SUBCASE("but not with somebody else's files: those may be why, and they come back") {
        service.hold("9");
        const auto session = install(make_host, service.installation("2", {"1"}));
        CHECK(session->report().outcome == InstallOutcome::TestFailed);
        CHECK(session->report().test_after.output == "out of order");
        CHECK(slurp(service.key()) == "key 9");
    }
    SUBCASE("and not with a mixed pair of ours") {
        service.hold("1", "0");
        CHECK(install(make_host, service.installation("2", {"0", "1"}))->report().outcome ==
              InstallOutcome::TestFailed);
        CHECK(slurp(service.cert()) == "certificate 1");
    }
    CHECK(service.names() == Names{"cert", "key"});
}

/// An include file is there and names a version; whether that is there, too, decides who has to mend it.
inline void repairs_a_damaged_version(const MakeHost& make_host) {
    const FakeService service;
    const std::string versions = service.tls() + "/v";
    const auto key_of = [&](const std::string& number) {
        return versions + "/" + number + "-0000000" + number + "/privkey.pem";
    };
    const auto version = [&](const std::string& number) {
        Installation plan = service.installation(number);
        plan.published.pop_back();
        plan.staged = {{.path = key_of(number), .content = base::Secret("key " + number)}};
        plan.versions = versions;
        plan.versions_kept = {"1-00000001", "2-00000002"};
        plan.test = {"/bin/sh", "-c",
                     "n=$(tail -c 1 " + service.cert() + "); [ ! -e " + service.path() +
                         "/broken ] && [ \"$(cat " + versions +
                         "/$n-0000000$n/privkey.pem)\" = \"key $n\" ]"};
        return plan;
    };
    REQUIRE(install(make_host, version("1"))->commit().has_value());
    Installation next = version("2");
    next.known = {deployers::digests_of({.published = {version("1").staged[0], version("1").published[0]}})};
    SUBCASE("gone, and the next one is wanted") {
        std::filesystem::remove(key_of("1"));
        CHECK(install(make_host, next)->report().outcome == InstallOutcome::Installed);
    }
    SUBCASE("damaged, and the next one is wanted") {
        spill(key_of("1"), "", 0600);
        CHECK(install(make_host, next)->report().outcome == InstallOutcome::Installed);
    }
    SUBCASE("gone, and it is wanted itself") {
        std::filesystem::remove(key_of("1"));
        CHECK(install(make_host, version("1"))->report().outcome == InstallOutcome::Installed);
        CHECK(slurp(key_of("1")) == "key 1");
    }
    SUBCASE("whole: the service is broken without us") {
        service.be("broken");
        CHECK(install(make_host, next)->report().outcome == InstallOutcome::ServiceBroken);
        CHECK(install(make_host, version("1"))->report().outcome == InstallOutcome::ServiceBroken);
    }
}

/// Whatever stands there, a rehearsal leaves it so.
inline void rehearses(const MakeHost& make_host) {
    const FakeService service;
    service.hold("1");
    const auto rehearsed = make_host()->rehearse(service.installation("2"));
    REQUIRE(rehearsed.has_value());
    CHECK(rehearsed->outcome == InstallOutcome::Unchanged);
    CHECK(rehearsed->test_before.output == "test is successful");
    service.be("broken");
    const auto broken = make_host()->rehearse(service.installation("2"));
    REQUIRE(broken.has_value());
    CHECK(broken->outcome == InstallOutcome::ServiceBroken);
    CHECK(broken->test_before.exit_code == 3);
    CHECK(slurp(service.key()) == "key 1");
    CHECK(attributes(service.key()) == "0640 0:1");
    CHECK(service.log() == "test certificate 1\ntest certificate 1\n");
    CHECK(service.names() == Names{"cert", "key"});
}

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

inline void keeps_only_the_versions_it_is_told(const MakeHost& make_host) {
    const FakeService service;
    service.hold("1");
    const std::string versions = service.tls() + "/v";
    for (const char* name :
         {"1-00000001", "2-00000002", "backup", "3-0000000x", "-00000003", "12345-abcdef01"}) {
        std::filesystem::create_directories(versions + "/" + name + "/below");
        spill(versions + "/" + name + "/privkey.pem", "secret");
    }
    Installation installation = service.installation("3", {"1"});
    installation.versions = versions;
    installation.versions_kept = {"3-00000003", "2-00000002"};
    installation.staged = {
        {.path = versions + "/3-00000003/fullchain.pem", .content = base::Secret("f"), .mode = 0644},
        {.path = versions + "/3-00000003/privkey.pem", .content = base::Secret("p"), .mode = 0640}};
    const auto session = install(make_host, installation);
    REQUIRE(session->report().outcome == InstallOutcome::Installed);
    CHECK(slurp(versions + "/3-00000003/privkey.pem") == "p");
    CHECK(attributes(versions + "/3-00000003/privkey.pem") == "0640 0:0");
    CHECK(attributes(versions + "/3-00000003") == "0755 0:0");
    CHECK(std::filesystem::exists(versions + "/1-00000001"));
    REQUIRE(session->commit().has_value());
    Names left;
    for (const auto& entry : std::filesystem::directory_iterator(versions))
        left.push_back(entry.path().filename());
    std::ranges::sort(left);
    CHECK(left == Names{"-00000003", "2-00000002", "3-00000003", "3-0000000x", "backup"});
}

inline void reports_what_a_reload_says(const MakeHost& make_host) {
    const FakeService service;
    service.be("stubborn");
    const auto session = install(make_host, service.installation("1"));
    CHECK(session->report().outcome == InstallOutcome::Installed);
    CHECK(session->report().reload.exit_code == 7);
    CHECK(session->report().reload.output == "no");
    service.be_well();
    const auto again = session->reload();
    REQUIRE(again.has_value());
    CHECK(again->outcome == InstallOutcome::Installed);
    CHECK(again->reload.ok());
    REQUIRE(session->commit().has_value());
}

/// All of it.
/// Neither held up by it, nor the end of it.
inline void lets_daemons_print_on(const MakeHost& make_host) {
    const FakeService service;
    base::SystemClock clock;
    service.be("daemon");
    const base::Steady begun = clock.steady();
    {
        auto installation = service.installation("1");
        installation.command_deadline = base::Seconds{60};
        installation.deadline = base::Seconds{300};
        const auto session = install(make_host, installation);
        CHECK(session->report().reload.ok());
        CHECK(session->report().reload.output == "begun");
        REQUIRE(session->commit().has_value());
    }
    CHECK(clock.steady() - begun < base::Seconds{60});
    service.be("go");
    for (int i = 0; i < 400 && !service.is("went_on"); ++i) clock.sleep(base::Milliseconds{25});
    CHECK(service.is("went_on"));
}

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
