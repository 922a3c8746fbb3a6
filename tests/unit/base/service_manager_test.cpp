// SPDX-License-Identifier: Apache-2.0
#include "base/service_manager.hpp"

#include <array>
#include <cstdlib>
#include <cstring>

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.hpp"
#include "tests/unit/base/temporary_directory.hpp"

using base::Milliseconds;
using base::ServiceManager;

namespace {

/// The other end of NOTIFY_SOCKET.
class Listener {
  public:
    explicit Listener(const std::string& path) : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
        REQUIRE(::bind(socket_.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    }

    [[nodiscard]] std::string hear() const {
        std::array<char, 1024> buffer{};
        const auto size = ::recv(socket_.number(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        return size < 0 ? "nothing" : std::string(buffer.data(), static_cast<std::size_t>(size));
    }

  private:
    base::Descriptor socket_;
};

// No other thread runs in these tests.
void give(const char* name, const std::string& value) {
    REQUIRE(::setenv(name, value.c_str(), 1) == 0);  // NOLINT(concurrency-mt-unsafe)
}

bool is_given(const char* name) {
    return std::getenv(name) != nullptr;  // NOLINT(concurrency-mt-unsafe)
}

}  // namespace

TEST_CASE("service manager: it hears what sd_notify(3) defines") {
    const tests::TemporaryDirectory directory;
    const Listener listener(directory / "notify");
    give("NOTIFY_SOCKET", directory / "notify");
    give("WATCHDOG_USEC", "30000000");
    give("WATCHDOG_PID", std::to_string(::getpid()));
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
