// SPDX-License-Identifier: Apache-2.0
// The other end of NOTIFY_SOCKET: what a service manager hears.
#pragma once

#include <array>
#include <cstdlib>
#include <cstring>
#include <string>

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.hpp"
#include "base/file.hpp"

namespace tests {

// Before any other thread runs.
inline void give(const char* name, const std::string& value) {
    REQUIRE(::setenv(name, value.c_str(), 1) == 0);  // NOLINT(concurrency-mt-unsafe)
}

class NotifyListener {
  public:
    explicit NotifyListener(std::string path)
        : path_(std::move(path)), socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path_.c_str(), path_.size() + 1);
        REQUIRE(::bind(socket_.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    }

    /// As the manager sets it for what it starts.
    void give_environment(base::Milliseconds watchdog) const {
        give("NOTIFY_SOCKET", path_);
        give("WATCHDOG_USEC", std::to_string(watchdog.count() * 1000));
        give("WATCHDOG_PID", std::to_string(::getpid()));
    }

    /// The next message, or "nothing".
    [[nodiscard]] std::string hear() const {
        std::array<char, 1024> buffer{};
        const auto size = ::recv(socket_.number(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        return size < 0 ? "nothing" : std::string(buffer.data(), static_cast<std::size_t>(size));
    }

    /// All that have come, one a line.
    [[nodiscard]] std::string hear_all() const {
        std::string all;
        for (std::string one = hear(); one != "nothing"; one = hear()) all += one + "\n";
        return all;
    }

  private:
    std::string path_;
    base::Descriptor socket_;
};

}  // namespace tests
