// SPDX-License-Identifier: Apache-2.0
#include "acme/solvers/peer_server.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <deque>
#include <string>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.hpp"

namespace acme {
namespace {

using base::Code;
using base::Result;

// A CA looks from a handful of places at once, and for each of a hundred names: those who find no room wait
// in the backlog until others are done. A stranger who holds connections open loses the oldest.
constexpr std::size_t kPeersMax = 256;
constexpr base::Milliseconds kPeerTurn{1'000};       // nobody who comes later takes its place before
constexpr base::Milliseconds kPeerDeadline{10'000};  // for all that it wants
constexpr base::Milliseconds kAcceptPause{100};      // after accept() found no descriptor free

struct Peer {
    base::Descriptor socket{};
    PeerStep go_on{};
    base::Steady since{};
    short events = POLLIN;
};

}  // namespace

/// What the thread works with; nobody else touches it while the thread runs.
class PeerServer::Loop {
  public:
    Loop(std::vector<base::Descriptor> sockets, Greeting greet, int wake)
        : sockets_(std::move(sockets)), greet_(std::move(greet)), wake_(wake) {}

    /// Until somebody writes to the wake descriptor.
    void run() {
        // A peer that hangs up must not end the process, and no signal is meant for this thread.
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_BLOCK, &all, nullptr);
        for (;;) {
            std::vector<pollfd> waited = what_to_wait_for();
            const int ready = ::poll(waited.data(), waited.size(), wait_ms());
            if (ready < 0 && errno != EINTR) return;
            if (waited.front().revents != 0) return;
            pauses_ = false;
            serve(waited);
            if (ready > 0) accept_new(waited);
        }
    }

  private:
    /// Whether one more may come, the oldest leaving for it if need be.
    [[nodiscard]] bool has_room(base::Steady now) const {
        return peers_.size() < kPeersMax || now - peers_.front().since >= kPeerTurn;
    }

    /// The wake descriptor, the peers, then the listening sockets (none in a pause, or without room).
    [[nodiscard]] std::vector<pollfd> what_to_wait_for() const {
        std::vector<pollfd> waited{{.fd = wake_, .events = POLLIN, .revents = 0}};
        for (const Peer& each : peers_)
            waited.push_back({.fd = each.socket.number(), .events = each.events, .revents = 0});
        if (pauses_ || !has_room(base::SystemClock().steady())) return waited;
        for (const base::Descriptor& each : sockets_)
            waited.push_back({.fd = each.number(), .events = POLLIN, .revents = 0});
        return waited;
    }

    [[nodiscard]] int wait_ms() const {
        if (peers_.empty()) return pauses_ ? static_cast<int>(kAcceptPause.count()) : -1;
        // They are in the order in which they came. Rounded up: a poll of 0 ms just before an end would spin.
        const base::Steady now = base::SystemClock().steady();
        const base::Steady end = peers_.front().since + (has_room(now) ? kPeerDeadline : kPeerTurn);
        const auto left = std::chrono::ceil<base::Milliseconds>(end - now);
        const auto wait = std::clamp(left, base::Milliseconds{0}, pauses_ ? kAcceptPause : kPeerDeadline);
        return static_cast<int>(wait.count());
    }

    void serve(const std::vector<pollfd>& waited) {
        const base::Steady now = base::SystemClock().steady();
        std::size_t place = 1;
        std::erase_if(peers_, [&](Peer& each) {
            const bool is_ready = waited[place++].revents != 0;
            if (is_ready) each.events = each.go_on();
            return each.events == 0 || now - each.since >= kPeerDeadline;
        });
    }

    void accept_new(const std::vector<pollfd>& waited) {
        for (const base::Descriptor& socket : sockets_) {
            const bool is_ready = std::ranges::any_of(
                waited, [&](const pollfd& each) { return each.fd == socket.number() && each.revents != 0; });
            if (is_ready) accept_from(socket);
        }
    }

    void accept_from(const base::Descriptor& socket) {
        const base::Steady now = base::SystemClock().steady();
        if (!has_room(now)) return;
        base::Descriptor peer(::accept4(socket.number(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (!peer.is_open()) {
            // It may have gone again; without descriptors or memory the next one would fail at once, too.
            pauses_ = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
            if (pauses_ && !peers_.empty()) peers_.pop_front();
            return;
        }
        PeerStep step = greet_(peer.number());
        if (!step) return;
        if (peers_.size() == kPeersMax) peers_.pop_front();
        peers_.push_back({.socket = std::move(peer), .go_on = std::move(step), .since = now});
    }

    std::vector<base::Descriptor> sockets_;
    Greeting greet_;
    int wake_;
    std::deque<Peer> peers_;
    bool pauses_ = false;
};

Result<std::unique_ptr<PeerServer>> PeerServer::start(std::vector<base::Descriptor> sockets, Greeting greet,
                                                      std::string_view what) {
    const auto refused = [what](const std::string& why) {
        return base::fail(Code::SolverPresent, std::string(what) + " cannot be served: " + why);
    };
    std::unique_ptr<PeerServer> server(new PeerServer);
    server->wake_ = base::Descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!server->wake_.is_open()) return refused(base::errno_text(errno));
    for (const base::Descriptor& each : sockets) {
        // What poll() saw may be gone when accept() comes to it.
        if (::fcntl(each.number(), F_SETFL, O_NONBLOCK) != 0) return refused(base::errno_text(errno));
    }
    server->loop_ = std::make_unique<Loop>(std::move(sockets), std::move(greet), server->wake_.number());
    try {
        server->thread_ = std::thread([loop = server->loop_.get()] { loop->run(); });
    } catch (const std::system_error& error) {
        return refused(error.what());
    }
    return server;
}

PeerServer::~PeerServer() {
    if (!thread_.joinable()) return;
    const std::uint64_t one = 1;
    // An eventfd takes its first number always; without it the thread would never end.
    while (::write(wake_.number(), &one, sizeof one) < 0 && errno == EINTR) continue;
    thread_.join();
}

}  // namespace acme
