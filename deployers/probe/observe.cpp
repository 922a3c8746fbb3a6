// SPDX-License-Identifier: Apache-2.0
// One handshake, as a visitor without a memory would make it: a new connection, no session, no ticket, and
// not a byte after it but the close. It reports what the server showed and trusts nothing; verdict.cpp
// judges. The time limit is real time, whatever clock the caller has: it bounds a peer, not a schedule.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/encoding.hpp"
#include "base/file.hpp"
#include "base/identifier.hpp"
#include "base/openssl.hpp"
#include "base/outward.hpp"
#include "base/sigpipe.hpp"
#include "deployers/probe/look.hpp"
#include "deployers/probe/no_connection.hpp"

namespace deployers {
namespace {

using Kind = Observation::Kind;
using ContextPtr = std::unique_ptr<SSL_CTX, base::Deleter<SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, base::Deleter<SSL_free>>;

// Level 2, Debian's default, breaks off where a server's Diffie-Hellman group is below 2048 bits. How strong
// its other settings are is not the question here: it serves its visitors, and the question is which
// certificate.
constexpr int kSecurityLevel = 1;

// With TLS 1.3 a cipher list says nothing about the certificate's key (deployment.md §5.3): the signature
// algorithms choose it. For ECDSA the PKCS#1 ones are offered as well, because the CA may have signed with
// RSA; TLS 1.3 cannot use these in a handshake (RFC 8446 §4.2.3), and for TLS 1.2 the cipher list shuts RSA
// out.
constexpr const char* kRsaSignatures =
    "RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:RSA+SHA256:RSA+SHA384:RSA+SHA512";
constexpr const char* kEcdsaSignatures =
    "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:RSA+SHA256:RSA+SHA384:RSA+SHA512";

/// Until when, and the words for having waited that long.
class Deadline {
  public:
    explicit Deadline(base::Milliseconds length)
        : length_(length), end_(base::SystemClock().steady() + length) {}

    [[nodiscard]] int left_ms() const {
        // Rounded up: a poll of 0 ms just before the end would spin.
        const auto left = std::chrono::ceil<base::Milliseconds>(end_ - base::SystemClock().steady());
        return static_cast<int>(std::max(left, base::Milliseconds{0}).count());
    }

    [[nodiscard]] std::string text() const {
        if (length_.count() % 1000 == 0) return std::to_string(length_.count() / 1000) + " s";
        return std::to_string(length_.count()) + " ms";
    }

  private:
    base::Milliseconds length_;
    base::Steady end_;
};

/// Waits until the socket is ready for `events`; false at the deadline.
bool wait_for(const base::Descriptor& socket, short events, const Deadline& deadline) {
    for (;;) {
        const int left = deadline.left_ms();
        if (left == 0) return false;
        pollfd waited{.fd = socket.number(), .events = events, .revents = 0};
        const int ready = ::poll(&waited, 1, left);
        if (ready > 0) return true;
        if (ready < 0 && errno != EINTR) return false;
    }
}

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;

    [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

SocketAddress socket_address(const std::string& ip, int port) {
    SocketAddress result;
    const std::string bytes = base::address_bytes(ip);
    const auto network_port = htons(static_cast<std::uint16_t>(port));
    if (bytes.size() == sizeof(in_addr)) {
        sockaddr_in v4{};
        v4.sin_family = AF_INET;
        v4.sin_port = network_port;
        std::memcpy(&v4.sin_addr, bytes.data(), bytes.size());
        std::memcpy(&result.storage, &v4, sizeof v4);
        result.size = sizeof v4;
    } else if (bytes.size() == sizeof(in6_addr)) {
        sockaddr_in6 v6{};
        v6.sin6_family = AF_INET6;
        v6.sin6_port = network_port;
        std::memcpy(&v6.sin6_addr, bytes.data(), bytes.size());
        std::memcpy(&result.storage, &v6, sizeof v6);
        result.size = sizeof v6;
    }
    return result;
}

void set_failure(Observation& seen, int error, bool at_once) {
    NoConnection why = no_connection(error, /*is_v6=*/seen.address.starts_with('['), at_once);
    seen.kind = why.kind;
    seen.detail = std::move(why.detail);
}

/// A connected, non-blocking socket; closed where it did not come to that, and `seen` says why.
base::Descriptor connect_to(const SocketAddress& address, const Deadline& deadline, Observation& seen) {
    if (!base::outward("connect", seen.address)) {
        set_failure(seen, ECONNREFUSED, /*at_once=*/true);
        return {};
    }
    base::Descriptor socket(
        ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
    if (!socket.is_open()) {
        set_failure(seen, errno, /*at_once=*/true);
        return {};
    }
    if (::connect(socket.number(), address.get(), address.size) == 0) return socket;
    if (errno != EINPROGRESS) {
        set_failure(seen, errno, /*at_once=*/true);
        return {};
    }
    if (!wait_for(socket, POLLOUT, deadline)) {
        seen.kind = Kind::TimedOut;
        seen.detail = "no answer within " + deadline.text();
        return {};
    }
    int error = 0;
    socklen_t size = sizeof error;
    if (::getsockopt(socket.number(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
    if (error == 0) return socket;
    set_failure(seen, error, /*at_once=*/false);
    return {};
}

/// A client that remembers nothing and refuses nobody; null only if OpenSSL itself cannot (no memory).
SslPtr make_client(const Endpoint& endpoint, std::string_view protocol) {
    const ContextPtr context(SSL_CTX_new(TLS_client_method()));
    if (!context) return nullptr;
    SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
    SSL_CTX_set_security_level(context.get(), kSecurityLevel);
    // Nothing is said after the handshake, so there is nothing that an old renegotiation could be used
    // against.
    SSL_CTX_set_options(context.get(), SSL_OP_NO_TICKET | SSL_OP_LEGACY_SERVER_CONNECT);
    SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
    // Whatever is served is to be seen, also an expired or a stranger's certificate; verdict.cpp verifies.
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
    if (endpoint.key != KeyChoice::Any) {
        const bool rsa = endpoint.key == KeyChoice::Rsa;
        if (SSL_CTX_set1_sigalgs_list(context.get(), rsa ? kRsaSignatures : kEcdsaSignatures) != 1)
            return nullptr;
        if (SSL_CTX_set_cipher_list(context.get(), rsa ? "aRSA" : "aECDSA") != 1) return nullptr;
    }
    SslPtr ssl(SSL_new(context.get()));
    if (!ssl) return nullptr;
    const std::string& name =
        endpoint.sni.empty() && base::address_bytes(endpoint.host).empty() ? endpoint.host : endpoint.sni;
    // What SSL_set_tlsext_host_name() is, without its old-style cast.
    if (!name.empty() && SSL_ctrl(ssl.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                                  const_cast<char*>(name.c_str())) != 1)
        return nullptr;
    if (!protocol.empty()) {
        const std::string offer = static_cast<char>(protocol.size()) + std::string(protocol);
        if (SSL_set_alpn_protos(ssl.get(), reinterpret_cast<const unsigned char*>(offer.data()),
                                static_cast<unsigned int>(offer.size())) != 0)  // 0 is success here
            return nullptr;
    }
    return ssl;
}

/// OpenSSL's reason in short, with what it means where that is not plain.
std::string handshake_reason(int error_number) {
    const unsigned long code = ERR_peek_error();
    std::string reason;
    if (code == 0) {
        reason = error_number == 0 ? "the server closed the connection" : base::errno_text(error_number);
    } else if (ERR_GET_LIB(code) == ERR_LIB_SSL &&
               ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        reason = "the server closed the connection";
    } else if (ERR_GET_LIB(code) == ERR_LIB_SYS) {
        reason = base::errno_text(ERR_GET_REASON(code));
    } else {
        const char* text = ERR_reason_error_string(code);
        reason = text == nullptr ? "error " + std::to_string(code) : text;
        // What OpenSSL says where the first bytes are no TLS record at all.
        if (ERR_GET_LIB(code) == ERR_LIB_SSL && (ERR_GET_REASON(code) == SSL_R_WRONG_VERSION_NUMBER ||
                                                 ERR_GET_REASON(code) == SSL_R_PACKET_LENGTH_TOO_LONG))
            reason += " (what listens there does not speak TLS)";
    }
    ERR_clear_error();
    return "TLS handshake: " + reason;
}

base::Chain served_chain(const SSL* ssl) {
    base::Chain chain;
    const STACK_OF(X509)* served = SSL_get_peer_cert_chain(ssl);
    for (int i = 0; i < sk_X509_num(served); ++i)
        chain.push_back(base::Certificate::share(sk_X509_value(served, i)));
    return chain;
}

/// In TLS 1.2 a server that insists on a client's certificate breaks off after it has shown its own and
/// proved to hold the key: the client's Finished is out then. Not so where the key exchange is RSA's own:
/// there nothing is signed, and only the server's Finished is a proof. In TLS 1.3 the client is done before
/// that.
bool has_shown_its_certificate(const SSL* ssl) {
    if (SSL_get_state(ssl) != TLS_ST_CW_FINISHED || SSL_get_peer_cert_chain(ssl) == nullptr) return false;
    const SSL_CIPHER* suite = SSL_get_pending_cipher(ssl);
    return suite != nullptr && SSL_CIPHER_get_kx_nid(suite) != NID_kx_rsa;
}

void shake_hands(const Endpoint& endpoint, const base::Descriptor& socket, const Deadline& deadline,
                 std::string_view protocol, Observation& seen) {
    ERR_clear_error();
    seen.kind = Kind::HandshakeFailed;
    const SslPtr ssl = make_client(endpoint, protocol);
    if (!ssl || SSL_set_fd(ssl.get(), socket.number()) != 1) {
        seen.kind = Kind::NotLooked;
        seen.detail = "this machine could not look: TLS: " + base::openssl_error();
        return;
    }
    for (;;) {
        errno = 0;
        const int result = SSL_connect(ssl.get());
        if (result == 1) break;
        const int error_number = errno;
        const int error = SSL_get_error(ssl.get(), result);
        if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
            seen.detail = handshake_reason(error_number);
            if (!has_shown_its_certificate(ssl.get())) return;
            break;
        }
        if (!wait_for(socket, error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, deadline)) {
            seen.kind = Kind::TimedOut;
            seen.detail = "connected, but no TLS handshake within " + deadline.text();
            return;
        }
    }
    seen.kind = Kind::Handshake;
    seen.detail.clear();
    seen.chain = served_chain(ssl.get());
    // One close_notify and the end; the server's own is not waited for. After a fatal error there is nothing
    // to close.
    if (SSL_is_init_finished(ssl.get()) == 1) SSL_shutdown(ssl.get());
    ERR_clear_error();
}

}  // namespace

Observation observe(const Endpoint& endpoint, const std::string& ip, int port, base::Milliseconds deadline,
                    std::string_view protocol) {
    const bool v6 = ip.find(':') != std::string::npos;
    Observation seen{.address = (v6 ? "[" + ip + "]" : ip) + ":" + std::to_string(port)};
    const SocketAddress address = socket_address(ip, port);
    if (address.size == 0) {
        seen.kind = Kind::Refused;
        seen.detail = "\"" + base::printable(ip, 100) + "\" is no address";
        return seen;
    }
    const Deadline until(deadline);
    const base::SigpipeHeld held;
    const base::Descriptor socket = connect_to(address, until, seen);
    if (socket.is_open()) shake_hands(endpoint, socket, until, protocol, seen);
    return seen;
}

}  // namespace deployers
