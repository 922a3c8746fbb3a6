// SPDX-License-Identifier: Apache-2.0
#include "acme/solvers/tls_alpn_server.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <deque>
#include <string_view>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.hpp"
#include "base/openssl.hpp"

namespace acme {
namespace {

using base::Code;
using base::Result;
using ContextPtr = std::unique_ptr<SSL_CTX, base::Deleter<SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, base::Deleter<SSL_free>>;

// A CA looks from a handful of places at once. A stranger who holds connections open loses the oldest.
constexpr std::size_t kConnectionsMax = 64;
constexpr base::Milliseconds kHandshakeDeadline{10'000};
constexpr base::Milliseconds kAcceptPause{100};  // after accept() found no descriptor free

/// RFC 7301 §3.1: a list of names, each behind its length; here exactly this one (RFC 8737 §3).
constexpr std::string_view kOnlyProtocol(
    "\x00\x0b\x0a"
    "acme-tls/1",
    13);
constexpr std::string_view kProtocol = "acme-tls/1";

std::string_view extension_of(SSL* ssl, unsigned int type) {
    const unsigned char* bytes = nullptr;
    std::size_t size = 0;
    if (SSL_client_hello_get0_ext(ssl, type, &bytes, &size) != 1) return {};
    return {reinterpret_cast<const char*>(bytes), size};
}

/// The one host name of a server_name extension (RFC 6066 §3), in lower case; empty where it is none.
std::string server_name_of(SSL* ssl) {
    const std::string_view extension = extension_of(ssl, TLSEXT_TYPE_server_name);
    constexpr std::size_t kHeader = 5;  // list length, type, name length
    if (extension.size() <= kHeader || extension[2] != TLSEXT_NAMETYPE_host_name) return {};
    const auto number_at = [&](std::size_t at) {
        return static_cast<std::size_t>(static_cast<unsigned char>(extension[at])) << 8U |
               static_cast<unsigned char>(extension[at + 1]);
    };
    if (number_at(0) != extension.size() - 2 || number_at(3) != extension.size() - kHeader) return {};
    std::string name(extension.substr(kHeader));
    std::ranges::transform(name, name.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return name;
}

/// Decides before anything else is: with the wrong protocol or name the handshake ends here, and nobody has
/// seen a certificate. (OpenSSL's own ALPN callback is not called where a client sends none.)
int choose_proof(SSL* ssl, int* alert, void* argument) {
    if (extension_of(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation) != kOnlyProtocol) {
        *alert = SSL_AD_NO_APPLICATION_PROTOCOL;
        return SSL_CLIENT_HELLO_ERROR;
    }
    const auto proof = static_cast<const AlpnProofs*>(argument)->find(server_name_of(ssl));
    if (!proof) {
        *alert = SSL_AD_UNRECOGNIZED_NAME;
        return SSL_CLIENT_HELLO_ERROR;
    }
    if (SSL_use_certificate(ssl, proof->certificate.front().handle()) != 1 ||
        SSL_use_PrivateKey(ssl, proof->key.handle()) != 1) {
        *alert = SSL_AD_INTERNAL_ERROR;
        return SSL_CLIENT_HELLO_ERROR;
    }
    return SSL_CLIENT_HELLO_SUCCESS;
}

int choose_protocol(SSL* /*ssl*/, const unsigned char** out, unsigned char* out_size,
                    const unsigned char* /*in*/, unsigned int /*in_size*/, void* /*argument*/) {
    *out =
        reinterpret_cast<const unsigned char*>(kProtocol.data());  // the client's hello has been read before
    *out_size = static_cast<unsigned char>(kProtocol.size());
    return SSL_TLSEXT_ERR_OK;
}

ContextPtr make_context(const AlpnProofs& proofs) {
    ContextPtr context(SSL_CTX_new(TLS_server_method()));
    if (!context) return nullptr;
    SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);  // RFC 8737 §3
    SSL_CTX_set_options(context.get(), SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_num_tickets(context.get(), 0);
    SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
    SSL_CTX_set_client_hello_cb(context.get(), choose_proof, const_cast<AlpnProofs*>(&proofs));
    SSL_CTX_set_alpn_select_cb(context.get(), choose_protocol, nullptr);
    return context;
}

struct Connection {
    base::Descriptor socket{};
    SslPtr ssl{};
    base::Steady end{};
    short events = POLLIN;
};

/// One step of a handshake; false once there is nothing more to wait for.
bool go_on(Connection& connection) {
    ERR_clear_error();
    const int done = SSL_accept(connection.ssl.get());
    const int wants = done == 1 ? SSL_ERROR_NONE : SSL_get_error(connection.ssl.get(), done);
    if (wants == SSL_ERROR_WANT_READ || wants == SSL_ERROR_WANT_WRITE) {
        connection.events = wants == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
        return true;
    }
    // RFC 8737 §3: nothing is said after the handshake.
    if (done == 1) SSL_shutdown(connection.ssl.get());
    ::shutdown(connection.socket.number(), SHUT_WR);
    ERR_clear_error();
    return false;
}

}  // namespace

void AlpnProofs::put(const std::string& server_name, AlpnProof proof) {
    const std::scoped_lock lock(mutex_);
    std::vector<AlpnProof>& all = proofs_[server_name];
    const auto same = std::ranges::find(all, proof.key_authorization, &AlpnProof::key_authorization);
    if (same == all.end()) all.push_back(std::move(proof));
}

bool AlpnProofs::remove(const std::string& server_name, const std::string& key_authorization) {
    const std::scoped_lock lock(mutex_);
    if (const auto found = proofs_.find(server_name); found != proofs_.end()) {
        std::erase_if(found->second,
                      [&](const AlpnProof& each) { return each.key_authorization == key_authorization; });
        if (found->second.empty()) proofs_.erase(found);
    }
    return proofs_.empty();
}

std::optional<AlpnProof> AlpnProofs::find(const std::string& server_name) const {
    const std::scoped_lock lock(mutex_);
    const auto found = proofs_.find(server_name);
    if (found == proofs_.end()) return std::nullopt;
    return found->second.back();
}

/// What the thread works with; nobody else touches it while the thread runs.
class AlpnServer::Loop {
  public:
    Loop(std::vector<base::Descriptor> sockets, ContextPtr context, int wake)
        : sockets_(std::move(sockets)), context_(std::move(context)), wake_(wake) {}

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
    /// The wake descriptor, the connections, then the listening sockets (none in a pause).
    [[nodiscard]] std::vector<pollfd> what_to_wait_for() const {
        std::vector<pollfd> waited{{.fd = wake_, .events = POLLIN, .revents = 0}};
        for (const Connection& each : connections_)
            waited.push_back({.fd = each.socket.number(), .events = each.events, .revents = 0});
        if (pauses_) return waited;
        for (const base::Descriptor& each : sockets_)
            waited.push_back({.fd = each.number(), .events = POLLIN, .revents = 0});
        return waited;
    }

    [[nodiscard]] int wait_ms() const {
        if (connections_.empty()) return pauses_ ? static_cast<int>(kAcceptPause.count()) : -1;
        // They are in the order of their ends. Rounded up: a poll of 0 ms just before one would spin.
        const auto left =
            std::chrono::ceil<base::Milliseconds>(connections_.front().end - base::SystemClock().steady());
        const auto wait =
            std::clamp(left, base::Milliseconds{0}, pauses_ ? kAcceptPause : kHandshakeDeadline);
        return static_cast<int>(wait.count());
    }

    void serve(const std::vector<pollfd>& waited) {
        const base::Steady now = base::SystemClock().steady();
        std::size_t place = 1;
        std::erase_if(connections_, [&](Connection& each) {
            const bool is_ready = waited[place++].revents != 0;
            return (is_ready && !go_on(each)) || each.end <= now;
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
        base::Descriptor peer(::accept4(socket.number(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (!peer.is_open()) {
            // It may have gone again; without descriptors or memory the next one would fail at once, too.
            pauses_ = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
            if (pauses_ && !connections_.empty()) connections_.pop_front();
            return;
        }
        SslPtr ssl(SSL_new(context_.get()));
        if (!ssl || SSL_set_fd(ssl.get(), peer.number()) != 1) return;
        if (connections_.size() == kConnectionsMax) connections_.pop_front();
        connections_.push_back({.socket = std::move(peer),
                                .ssl = std::move(ssl),
                                .end = base::SystemClock().steady() + kHandshakeDeadline});
    }

    std::vector<base::Descriptor> sockets_;
    ContextPtr context_;
    int wake_;
    std::deque<Connection> connections_;
    bool pauses_ = false;
};

Result<std::unique_ptr<AlpnServer>> AlpnServer::start(std::vector<base::Descriptor> sockets,
                                                      const AlpnProofs& proofs) {
    const auto refused = [](const std::string& why) {
        return base::fail(Code::SolverPresent, "the answer for tls-alpn-01 cannot be served: " + why);
    };
    std::unique_ptr<AlpnServer> server(new AlpnServer);
    server->wake_ = base::Descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!server->wake_.is_open()) return refused(base::errno_text(errno));
    for (const base::Descriptor& each : sockets) {
        // What poll() saw may be gone when accept() comes to it.
        if (::fcntl(each.number(), F_SETFL, O_NONBLOCK) != 0) return refused(base::errno_text(errno));
    }
    ContextPtr context = make_context(proofs);
    if (!context) return refused(base::openssl_error());
    server->loop_ = std::make_unique<Loop>(std::move(sockets), std::move(context), server->wake_.number());
    try {
        server->thread_ = std::thread([loop = server->loop_.get()] { loop->run(); });
    } catch (const std::system_error& error) {
        return refused(error.what());
    }
    return server;
}

AlpnServer::~AlpnServer() {
    if (!thread_.joinable()) return;
    const std::uint64_t one = 1;
    // An eventfd takes its first number always; without it the thread would never end.
    while (::write(wake_.number(), &one, sizeof one) < 0 && errno == EINTR) continue;
    thread_.join();
}

}  // namespace acme
