// SPDX-License-Identifier: Apache-2.0
// This machine as a host: the contract, and a run that dies at each single call to the system.
#include <map>
#include <ostream>

#include <doctest/doctest.h>

#include "deployers/hosts/local.hpp"
#include "tests/unit/base/faulty_files.hpp"
#include "tests/unit/deployers/host_conformance.hpp"

namespace {

using tests::FakeService;
using tests::Fault;
using tests::FaultyFiles;
using tests::InstallOutcome;

/// Certificate and key there are a pair, and one of the two generations, or nothing where that is allowed.
void check_pair(const FakeService& service, const std::string& before) {
    const std::string certificate = tests::slurp(service.cert());
    const std::string key = tests::slurp(service.key());
    const bool is_old = certificate == "certificate " + before && key == "key " + before;
    const bool is_new = certificate == "certificate 2" && key == "key 2";
    CHECK((is_old || is_new));
    CHECK(service.names() == tests::Names{"cert", "key"});
}

/// Whatever holds the new key, under whatever name, is for its owner only.
void check_keys_are_hidden(const FakeService& service) {
    for (const std::string& name : service.names()) {
        const std::string path = service.tls() + "/" + name;
        if (!std::filesystem::is_regular_file(path) || !tests::slurp(path).starts_with("key")) continue;
        CHECK(tests::attributes(path) == (tests::slurp(path) == "key 1" ? "0640 0:1" : "0600 0:0"));
    }
}

deployers::Installation quiet_installation(const FakeService& service) {
    deployers::Installation installation = service.installation("2", {"1"});
    installation.test = {};
    installation.reload = {};
    return installation;
}

void install_and_commit(base::Files& files, const deployers::Installation& installation) {
    const auto session = deployers::make_local_host(files)->install(installation);
    if (session && session.value()->report().outcome == InstallOutcome::Installed)
        (void)session.value()->commit();
}

}  // namespace

TEST_CASE("local host: keeps the contract of hosts") {
    base::SystemFiles files;
    tests::check_conformance([&] { return deployers::make_local_host(files); });
}

TEST_CASE("local host: a call that fails anywhere leaves one whole generation") {
    std::map<std::size_t, FakeService> services;
    std::size_t at = 1;
    const std::size_t struck = tests::at_every_call(
        Fault::Fail,
        [&](FaultyFiles& files) {
            const FakeService& service = services[at];
            service.hold("1");
            const auto session = deployers::make_local_host(files)->install(quiet_installation(service));
            const bool written = session && session.value()->report().outcome == InstallOutcome::Installed;
            CHECK(tests::slurp(service.key()) == (written ? "key 2" : "key 1"));
            CHECK(tests::slurp(service.cert()) == (written ? "certificate 2" : "certificate 1"));
            if (written) (void)session.value()->commit();
        },
        [&](FaultyFiles&, std::size_t number) {
            CAPTURE(number);
            base::SystemFiles files;
            const auto session = deployers::make_local_host(files)->install(quiet_installation(services[at]));
            REQUIRE(session.has_value());
            CHECK(session.value()->commit().has_value());
            check_pair(services[at], "2");
            services.erase(at++);
        });
    CHECK(struck > 50);
}

TEST_CASE("local host: a restore that fails anywhere loses nothing of what it was to bring back") {
    std::map<std::size_t, FakeService> services;
    std::size_t at = 1;
    long kept = 0;
    long untidy = 0;
    const std::size_t struck = tests::at_every_call(
        Fault::Fail,
        [&](FaultyFiles& files) {
            const FakeService& service = services[at];
            service.hold("1");
            const auto session = deployers::make_local_host(files)->install(quiet_installation(service));
            if (!session || session.value()->report().outcome != InstallOutcome::Installed) return;
            const auto restored = session.value()->restore();
            const bool is_back = restored && restored->outcome == InstallOutcome::Restored;
            if (is_back) CHECK(tests::slurp(service.cert()) == "certificate 1");
            if (is_back) CHECK(tests::slurp(service.key()) == "key 1");
            if (!is_back) kept += 1;
            if (is_back && !restored->message.empty()) untidy += 1;
        },
        [&](FaultyFiles& failed, std::size_t number) {
            CAPTURE(number);
            CAPTURE(failed.calls().back());
            base::SystemFiles files;
            const auto session = deployers::make_local_host(files)->install(quiet_installation(services[at]));
            REQUIRE(session.has_value());
            REQUIRE(session.value()->restore().has_value());
            CHECK(tests::slurp(services[at].key()) == "key 1");
            check_pair(services[at], "1");
            services.erase(at++);
        });
    CHECK(struck > 80);
    CHECK(kept > 5);
    CHECK(untidy > 0);
}

TEST_CASE("local host: what dies at any call is repaired by the next run, and can still be taken back") {
    for (const Fault fault : {Fault::Kill, Fault::PowerCut}) {
        std::map<std::size_t, FakeService> services;
        std::size_t at = 1;
        const std::size_t struck = tests::at_every_call(
            fault,
            [&](FaultyFiles& files) {
                services[at].hold("1");
                install_and_commit(files, quiet_installation(services[at]));
            },
            [&](FaultyFiles& dead, std::size_t number) {
                CAPTURE(number);
                CAPTURE(dead.calls().back());
                const FakeService& service = services[at];
                check_keys_are_hidden(service);
                const bool before_commit = std::filesystem::exists(
                    deployers::work_directory(quiet_installation(service)) + "/journal");
                base::SystemFiles files;
                const auto session = deployers::make_local_host(files)->install(quiet_installation(service));
                REQUIRE(session.has_value());
                CHECK(tests::slurp(service.key()) == "key 2");
                REQUIRE(session.value()->restore().has_value());
                check_pair(service, "1");
                if (before_commit) CHECK(tests::slurp(service.key()) == "key 1");
                services.erase(at++);
            });
        CHECK(struck > 50);
    }
}

TEST_CASE("local host: locks are where only their user can make them") {
    CHECK(deployers::lock_directory(0, "/var/lib/renewd/locks") == "/run/renewd-locks");
    CHECK(deployers::lock_directory(997, "/var/lib/renewd/locks") == "/var/lib/renewd/locks");
}

TEST_CASE("local host: one transaction of a service at a time") {
    base::SystemFiles files;
    const FakeService service;
    const auto installation = service.installation("1");
    const std::string directory = deployers::lock_directory(::geteuid());
    (void)files.make_directory(directory, 0700);
    auto held = base::Lock::take(files, directory + "/" + deployers::service_lock_name(installation.reload));
    REQUIRE(held.has_value());
    deployers::Installation hurried = installation;
    hurried.command_deadline = base::Seconds{1};
    hurried.deadline = base::Seconds{5};
    const auto busy = deployers::make_local_host(files)->install(hurried);
    REQUIRE_FALSE(busy.has_value());
    CHECK(base::to_string(busy.error().code) == "state/locked");
    CHECK(service.names().empty());
    held = base::fail(base::Code::InternalUnexpected, "given back");
    CHECK(deployers::make_local_host(files)->install(hurried).has_value());
}
