// SPDX-License-Identifier: Apache-2.0
// A TLS server on loopback whose behaviour a test switches while it runs: which certificate it shows, or how
// it fails. It answers one connection at a time on a thread of its own, and counts what it sees.
#pragma once

#include <csignal>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.hpp"
#include "base/file.hpp"
#include "tests/unit/deployers/identities.hpp"

namespace tests {

class TlsServer {
  public:
    /// Listens on `ip` (an IPv4 loopback address), `port` 0 for any, and refuses connections until told to
    /// serve.
    explicit TlsServer(std::string ip = "127.0.0.1", int port = 0) : ip_(std::move(ip)) {
        guard_ = bound(port);
        sockaddr_in address{};
        socklen_t size = sizeof address;
        getsockname(guard_.number(), reinterpret_cast<sockaddr*>(&address), &size);
        port_ = ntohs(address.sin_port);
        thread_ = std::thread([this] { answer_until_stopped(); });
    }

    TlsServer(const TlsServer&) = delete;
    TlsServer& operator=(const TlsServer&) = delete;

    ~TlsServer() {
        in_loop([this] { stopped_ = true; });
        thread_.join();
    }

    [[nodiscard]] const std::string& ip() const { return ip_; }

    [[nodiscard]] int port() const { return port_; }

    /// "127.0.0.1:4433"
    [[nodiscard]] std::string address() const { return ip_ + ":" + std::to_string(port_); }

    void serve(const Identity& identity) { serve_in_turn({identity}); }

    /// Connection i shows identity i modulo their number: several workers that do not agree.
    void serve_in_turn(const std::vector<Identity>& identities) {
        std::vector<ContextPtr> contexts;
        for (const Identity& identity : identities) contexts.push_back(context_of({identity}));
        switch_to(Mode::Serve, std::move(contexts));
    }

    /// As old servers do: TLS 1.2 and a Diffie-Hellman group of 1536 bits.
    void serve_with_small_group(const Identity& identity) {
        std::vector<ContextPtr> contexts;
        contexts.push_back(context_of({identity}));
        SSL_CTX* context = contexts.front().get();
        SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
        SSL_CTX_set_cipher_list(context, "DHE");
        SSL_CTX_set0_tmp_dh_pkey(context, small_group().release());
        switch_to(Mode::Serve, std::move(contexts));
    }

    /// Certificates of different key types at once, in one TLS version.
    void serve_by_key_type(const std::vector<Identity>& identities, int version) {
        std::vector<ContextPtr> contexts;
        contexts.push_back(context_of(identities));
        SSL_CTX_set_min_proto_version(contexts.front().get(), version);
        SSL_CTX_set_max_proto_version(contexts.front().get(), version);
        switch_to(Mode::Serve, std::move(contexts));
    }

    /// As serve(), in the one TLS version, and breaking off without a client's certificate.
    void serve_clients_with_certificate_only(const Identity& identity, int version) {
        std::vector<ContextPtr> contexts;
        contexts.push_back(context_of({identity}));
        SSL_CTX_set_verify(contexts.front().get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                           nullptr);
        SSL_CTX_set_min_proto_version(contexts.front().get(), version);
        SSL_CTX_set_max_proto_version(contexts.front().get(), version);
        switch_to(Mode::Serve, std::move(contexts));
    }

    /// TLS 1.2 with a key exchange that signs nothing; `insists`: and breaking off without a client's
    /// certificate, before the server has proved to hold its key.
    void serve_without_signature(const Identity& identity, bool insists) {
        std::vector<ContextPtr> contexts;
        contexts.push_back(context_of({identity}));
        SSL_CTX* context = contexts.front().get();
        SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
        SSL_CTX_set_cipher_list(context, "kRSA");
        if (insists) SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
        switch_to(Mode::Serve, std::move(contexts));
    }

    /// As serve(), but each handshake begins only after this long.
    void serve_slowly(const Identity& identity, base::Milliseconds delay) {
        serve(identity);
        in_loop([&] { delay_ = delay; });
    }

    void refuse() { switch_to(Mode::Refuse, {}); }

    void hang() { switch_to(Mode::Hang, {}); }  // accepts, and says nothing

    void talk_plain_text() { switch_to(Mode::PlainText, {}); }

    void hang_up() { switch_to(Mode::HangUp, {}); }  // accepts, and closes

    struct Seen {
        int connections = 0;
        std::string last_name{};      // the last server name asked for
        std::size_t bytes_after = 0;  // of application data: none is to be sent
        int resumed = 0;
        int closed_cleanly = 0;  // with a close_notify
    };

    [[nodiscard]] Seen seen() {
        Seen copy;
        in_loop([&] { copy = seen_; });
        return copy;
    }

  private:
    enum class Mode { Refuse, Serve, Hang, PlainText, HangUp };

    struct ContextDeleter {
        void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
    };

    struct SslDeleter {
        void operator()(SSL* ssl) const { SSL_free(ssl); }
    };

    using ContextPtr = std::unique_ptr<SSL_CTX, ContextDeleter>;
    using SslPtr = std::unique_ptr<SSL, SslDeleter>;

    static ContextPtr context_of(const std::vector<Identity>& identities) {
        ContextPtr context(SSL_CTX_new(TLS_server_method()));
        SSL_CTX_set_security_level(context.get(), 0);  // tests serve small keys as well
        SSL_CTX_set_session_id_context(context.get(), reinterpret_cast<const unsigned char*>("t"), 1);
        for (const Identity& identity : identities) {
            SSL_CTX_use_certificate(context.get(), identity.leaf().handle());
            SSL_CTX_use_PrivateKey(context.get(), identity.key.handle());
            SSL_CTX_clear_chain_certs(context.get());
            for (std::size_t i = 1; i < identity.chain.size(); ++i)
                SSL_CTX_add1_chain_cert(context.get(), identity.chain[i].handle());
        }
        return context;
    }

    static base::PkeyPtr small_group() {
        const std::unique_ptr<EVP_PKEY_CTX, base::Deleter<EVP_PKEY_CTX_free>> maker(
            EVP_PKEY_CTX_new_from_name(nullptr, "DH", nullptr));
        EVP_PKEY_keygen_init(maker.get());
        EVP_PKEY_CTX_set_group_name(maker.get(), "modp_1536");
        EVP_PKEY* group = nullptr;
        EVP_PKEY_generate(maker.get(), &group);
        return base::PkeyPtr(group);
    }

    [[nodiscard]] base::Descriptor bound(int port) const {
        base::Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const int yes = 1;
        setsockopt(socket.number(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(static_cast<std::uint16_t>(port));
        inet_pton(AF_INET, ip_.c_str(), &address.sin_addr);
        if (bind(socket.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
            throw std::runtime_error("cannot bind " + ip_);
        return socket;
    }

    void switch_to(Mode mode, std::vector<ContextPtr> contexts) {
        in_loop([&] {
            mode_ = mode;
            contexts_ = std::move(contexts);
            held_.clear();
            turn_ = 0;
            delay_ = {};
            if (mode == Mode::Refuse) {
                listener_.close();
            } else if (!listener_.is_open()) {
                // The guard is bound without listening: the port stays ours while connections are refused.
                listener_ = bound(port_);
                listen(listener_.number(), 64);
            }
        });
    }

    /// Has the loop's own thread do it, and waits until it is done.
    void in_loop(const std::function<void()>& work) {
        std::promise<void> done;
        {
            const std::lock_guard lock(mutex_);
            work_.emplace_back([&] {
                work();
                done.set_value();
            });
        }
        const std::uint64_t one = 1;
        (void)!write(wake_.number(), &one, sizeof one);
        done.get_future().wait();
    }

    void answer_until_stopped() {
        // Clients hang up in the middle of things. On this thread alone: whether the client can bear that is
        // tested.
        sigset_t pipe;
        sigemptyset(&pipe);
        sigaddset(&pipe, SIGPIPE);
        pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
        while (!stopped_) {
            pollfd waited[2] = {{.fd = wake_.number(), .events = POLLIN, .revents = 0},
                                {.fd = listener_.number(), .events = POLLIN, .revents = 0}};
            poll(waited, listener_.is_open() ? 2 : 1, -1);
            if (waited[0].revents != 0)
                do_work();
            else if (waited[1].revents != 0)
                answer();
        }
    }

    void do_work() {
        std::uint64_t count = 0;
        (void)!read(wake_.number(), &count, sizeof count);
        std::vector<std::function<void()>> work;
        {
            const std::lock_guard lock(mutex_);
            work.swap(work_);
        }
        for (const auto& piece : work) piece();
    }

    void answer() {
        base::Descriptor client(accept4(listener_.number(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!client.is_open()) return;
        ++seen_.connections;
        switch (mode_) {
            case Mode::Refuse:
            case Mode::HangUp:
                return;
            case Mode::Hang:
                held_.push_back(std::move(client));
                return;
            case Mode::PlainText: {
                const std::string_view text = "220 mx.example.com ESMTP\r\n";
                (void)!write(client.number(), text.data(), text.size());
                held_.push_back(std::move(client));
                return;
            }
            case Mode::Serve:
                shake_hands(client);
                return;
        }
    }

    void shake_hands(const base::Descriptor& client) {
        base::SystemClock().sleep(delay_);
        const timeval patience{.tv_sec = 2, .tv_usec = 0};
        setsockopt(client.number(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        const SslPtr ssl(SSL_new(contexts_[turn_++ % contexts_.size()].get()));
        SSL_set_fd(ssl.get(), client.number());
        const bool done = SSL_accept(ssl.get()) == 1;
        if (const char* name = SSL_get_servername(ssl.get(), TLSEXT_NAMETYPE_host_name))
            seen_.last_name = name;
        if (!done) return;
        seen_.resumed += SSL_session_reused(ssl.get());
        char buffer[256];
        for (int count = 0; (count = SSL_read(ssl.get(), buffer, sizeof buffer)) > 0;)
            seen_.bytes_after += static_cast<std::size_t>(count);
        if ((SSL_get_shutdown(ssl.get()) & SSL_RECEIVED_SHUTDOWN) != 0) ++seen_.closed_cleanly;
    }

    std::string ip_;
    int port_ = 0;
    base::Descriptor guard_;
    base::Descriptor listener_;
    base::Descriptor wake_{eventfd(0, EFD_CLOEXEC)};
    std::mutex mutex_;
    std::vector<std::function<void()>> work_;  // guarded by mutex_
    // What follows belongs to the loop's thread.
    Mode mode_ = Mode::Refuse;
    std::vector<ContextPtr> contexts_;
    std::vector<base::Descriptor> held_;
    std::size_t turn_ = 0;
    base::Milliseconds delay_{};
    Seen seen_;
    bool stopped_ = false;
    std::thread thread_;  // last: it uses all of the above
};

}  // namespace tests
