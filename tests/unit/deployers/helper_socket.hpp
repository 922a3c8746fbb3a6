// SPDX-License-Identifier: Apache-2.0
// The root helper behind a socket, as systemd would have it: a thread takes connections, and each is served
// on its own. And a peer that says whatever a test wants.
#pragma once

#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/local_stream.hpp"
#include "deployers/hosts/apply.hpp"
#include "tests/unit/base/temporary_directory.hpp"

namespace tests {

class HelperSocket {
  public:
    explicit HelperSocket(deployers::Gate gate, deployers::ApplyOptions options = {})
        : gate_(std::move(gate)), options_(std::move(options)) {
        options_.tell = [this](const std::string& text) {
            const std::scoped_lock guard(mutex_);
            told_ += text + "\n";
        };
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path().copy(address.sun_path, sizeof address.sun_path - 1);
        listener_ = base::Descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        if (::bind(listener_.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
            ::listen(listener_.number(), 16) != 0) {
            throw std::runtime_error("no socket for the helper");
        }
        acceptor_ = std::thread([this] { accept_all(); });
    }

    HelperSocket(const HelperSocket&) = delete;
    HelperSocket& operator=(const HelperSocket&) = delete;

    ~HelperSocket() {
        (void)::shutdown(listener_.number(), SHUT_RDWR);
        acceptor_.join();
        for (std::thread& one : served_) one.join();
    }

    [[nodiscard]] std::string path() const { return directory_ / "apply.sock"; }

    /// What it has told its journal.
    [[nodiscard]] std::string told() {
        const std::scoped_lock guard(mutex_);
        return told_;
    }

  private:
    void accept_all() {
        for (;;) {
            base::Descriptor connection(::accept4(listener_.number(), nullptr, nullptr, SOCK_CLOEXEC));
            if (!connection.is_open()) return;
            served_.emplace_back([this, taken = std::move(connection)]() mutable {
                auto stream = base::LocalStream::adopt(std::move(taken));
                base::SystemFiles files;
                if (stream) deployers::serve(*stream, files, gate_, options_);
            });
        }
    }

    TemporaryDirectory directory_;
    deployers::Gate gate_;
    deployers::ApplyOptions options_;
    base::Descriptor listener_;
    std::mutex mutex_;
    std::string told_;
    std::vector<std::thread> served_;
    std::thread acceptor_;
};

/// A gate that lets everything through.
inline deployers::Gate open_gate() {
    return {.permit = [](const auto&) -> base::Result<std::size_t> { return 1; },
            .permit_look = [](const auto&) -> base::Result<void> { return {}; }};
}

}  // namespace tests
