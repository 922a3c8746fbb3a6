// SPDX-License-Identifier: Apache-2.0
#include "base/service_manager.hpp"

#include <cstdlib>

#include <doctest/doctest.h>

#include "tests/unit/base/notify_listener.hpp"
#include "tests/unit/base/temporary_directory.hpp"

using base::Milliseconds;
using base::ServiceManager;
using tests::give;

namespace {

bool is_given(const char* name) {
    return std::getenv(name) != nullptr;  // NOLINT(concurrency-mt-unsafe)
}

}  // namespace

TEST_CASE("service manager: it hears what sd_notify(3) defines") {
    const tests::TemporaryDirectory directory;
    const tests::NotifyListener listener(directory / "notify");
    listener.give_environment(Milliseconds(30'000));
    const ServiceManager manager = ServiceManager::from_environment();
    CHECK(manager.watchdog() == Milliseconds(30'000));
    CHECK_FALSE(is_given("NOTIFY_SOCKET"));
    CHECK_FALSE(is_given("WATCHDOG_USEC"));

    manager.ready("4 certificates\nall well");
    CHECK(listener.hear() == "READY=1\nSTATUS=4 certificates all well");
    manager.feed_watchdog();
    CHECK(listener.hear() == "WATCHDOG=1");
    manager.reloading();
    CHECK(listener.hear().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    manager.stopping();
    CHECK(listener.hear() == "STOPPING=1");
}

TEST_CASE(
    "service manager: a watchdog of another process is none of ours; without a manager nothing is said") {
    give("WATCHDOG_USEC", "30000000");
    give("WATCHDOG_PID", "1");
    CHECK_FALSE(ServiceManager::from_environment().watchdog());
    give("WATCHDOG_USEC", "soon");
    const ServiceManager nobody = ServiceManager::from_environment();
    CHECK_FALSE(nobody.watchdog());
    nobody.ready("");
}
