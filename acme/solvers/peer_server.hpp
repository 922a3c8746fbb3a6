// SPDX-License-Identifier: Apache-2.0
// What listens where a CA looks: one thread for all peers. Anybody may come, so nobody gets more than ten
// seconds, and nobody can keep others out: of too many the one that has been there longest has to go, once it
// has had a second.
#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <thread>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"

namespace acme {

/// Goes on with one peer, whose socket does not block: what to wait for next (POLLIN, POLLOUT), or 0 when
/// there is nothing more to be done. Called by the server's thread alone.
using PeerStep = std::function<short()>;
/// Makes the step for a peer that has just come, and waits for what it says first. `socket` is there for as
/// long as the step is. An empty step hangs up.
using Greeting = std::function<PeerStep(int socket)>;

class PeerServer {
  public:
    /// What `greet` refers to must outlive the server. solver/present ("WHAT cannot be served: …") where the
    /// thread or a descriptor cannot be had.
    [[nodiscard]] static base::Result<std::unique_ptr<PeerServer>> start(
        std::vector<base::Descriptor> sockets, Greeting greet, std::string_view what);
    /// Hangs up on everybody; blocks for a moment, whatever peers do.
    ~PeerServer();
    PeerServer(const PeerServer&) = delete;
    PeerServer& operator=(const PeerServer&) = delete;

  private:
    class Loop;
    PeerServer() = default;

    base::Descriptor wake_;
    std::unique_ptr<Loop> loop_;
    std::thread thread_;
};

}  // namespace acme
