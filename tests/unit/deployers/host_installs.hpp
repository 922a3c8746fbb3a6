// SPDX-License-Identifier: Apache-2.0
// What every host does with an installation: tests, writes, tests again, reloads, and takes back what does
// not pass; what it only looks at or rehearses it leaves as it is.
#pragma once

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "base/clock.hpp"
#include "deployers/hosts/host.hpp"
#include "tests/unit/deployers/fake_service.hpp"
#include "tests/unit/deployers/host_under_test.hpp"

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

inline void inspects(const MakeHost& make_host) {
    const FakeService service;
    const Installation installation = service.installation("1");
    const auto nothing = make_host()->inspect(installation);
    REQUIRE(nothing.has_value());
    CHECK(nothing->empty());
    spill(service.key(), "key 1");
    const auto half = make_host()->inspect(installation);
    REQUIRE(half.has_value());
    CHECK(*half == std::vector<deployers::FileDigest>{deployers::digests_of(installation)[1]});
    CHECK(service.names() == Names{"key"});
    CHECK(service.log() == "");
}

}  // namespace tests
