// SPDX-License-Identifier: Apache-2.0
#include "base/service_manager.hpp"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.hpp"
#include "base/text.hpp"

namespace base {

namespace {

constexpr Milliseconds kPatience{5'000};

std::string take(const char* name) {
    const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): before any thread is started
    std::string text = value == nullptr ? "" : value;
    (void)::unsetenv(name);  // NOLINT(concurrency-mt-unsafe)
    return text;
}

std::string given(const char* name) {
    const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody sets it
    return value == nullptr ? "" : value;
}

std::string one_line(std::string text) {
    for (char& c : text) c = c == '\n' ? ' ' : c;
    return text;
}

}  // namespace

ServiceManager ServiceManager::from_environment() {
    ServiceManager manager;
    manager.socket_ = take("NOTIFY_SOCKET");
    const auto microseconds = parse_number<std::uint64_t>(take("WATCHDOG_USEC"));
    const std::string whose = take("WATCHDOG_PID");
    const bool is_ours = whose.empty() || whose == std::to_string(::getpid());
    if (is_ours && microseconds && *microseconds > 0) manager.watchdog_ = Milliseconds(*microseconds / 1000);
    return manager;
}

void ServiceManager::ready(const std::string& text) const {
    send("READY=1\nSTATUS=" + one_line(text), kPatience);
}

void ServiceManager::reloading() const {
    timespec now{};
    (void)::clock_gettime(CLOCK_MONOTONIC, &now);
    send("RELOADING=1\nMONOTONIC_USEC=" +
         std::to_string(std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000));
}

void ServiceManager::stopping() const {
    send("STOPPING=1");
}

void ServiceManager::status(const std::string& text) const {
    send("STATUS=" + one_line(text));
}

void ServiceManager::feed_watchdog() const {
    send("WATCHDOG=1", kPatience);
}

/// Where its queue is full, it is waited for as long as `patience` says.
void ServiceManager::send(const std::string& message, Milliseconds patience) const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (socket_.empty() || socket_.size() >= sizeof address.sun_path) return;
    std::memcpy(address.sun_path, socket_.data(), socket_.size());
    if (socket_.front() == '@') address.sun_path[0] = '\0';
    const Descriptor out(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
    // A manager that does not listen misses something; our work does not depend on it. One that is busy would
    // kill us for a word that it has not heard.
    const timeval limit{.tv_sec = patience.count() / 1000, .tv_usec = 0};
    (void)::setsockopt(out.number(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    const int flags = MSG_NOSIGNAL | (patience.count() == 0 ? MSG_DONTWAIT : 0);
    (void)::sendto(out.number(), message.data(), message.size(), flags,
                   reinterpret_cast<const sockaddr*>(&address), size);
}

std::string given_state_directory() {
    return given("STATE_DIRECTORY");
}

std::string given_boot_id() {
    return given("RENEWD_BOOT_ID");
}

bool logs_to_journal() {
    const char* stream = std::getenv("JOURNAL_STREAM");  // NOLINT(concurrency-mt-unsafe)
    struct stat status{};
    if (stream == nullptr || ::fstat(STDERR_FILENO, &status) != 0) return false;
    return stream == std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
}

}  // namespace base
