// SPDX-License-Identifier: Apache-2.0
#include "acme/solvers/tls_alpn_server.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/openssl.hpp"

namespace acme {
namespace {

using base::Code;
using base::Result;
using ContextPtr = std::unique_ptr<SSL_CTX, base::Deleter<SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, base::Deleter<SSL_free>>;

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

/// One step of a handshake: what it waits for next, 0 once there is nothing more to wait for.
short go_on(SSL* ssl) {
    ERR_clear_error();
    const int done = SSL_accept(ssl);
    const int wants = done == 1 ? SSL_ERROR_NONE : SSL_get_error(ssl, done);
    if (wants == SSL_ERROR_WANT_READ) return POLLIN;
    if (wants == SSL_ERROR_WANT_WRITE) return POLLOUT;
    // RFC 8737 §3: nothing is said after the handshake.
    if (done == 1) SSL_shutdown(ssl);
    ::shutdown(SSL_get_fd(ssl), SHUT_WR);
    ERR_clear_error();
    return 0;
}

}  // namespace

void AlpnProofs::put(const std::string& server_name, AlpnProof proof) {
    const std::scoped_lock lock(mutex_);
    std::vector<AlpnProof>& all = proofs_[server_name];
    const auto same = std::ranges::find(all, proof.key_authorization, &AlpnProof::key_authorization);
    if (same == all.end()) all.push_back(std::move(proof));
}

bool AlpnProofs::take_turns(const std::vector<std::pair<std::string, std::string>>& wanted) {
    const std::scoped_lock lock(mutex_);
    const bool are_free = std::ranges::all_of(wanted, [this](const auto& one) {
        const auto turn = turns_.find(one.first);
        return turn == turns_.end() || turn->second == one.second;
    });
    if (are_free) turns_.insert(wanted.begin(), wanted.end());
    return are_free;
}

bool AlpnProofs::remove(const std::string& server_name, const std::string& key_authorization) {
    const std::scoped_lock lock(mutex_);
    if (const auto turn = turns_.find(server_name); turn != turns_.end() && turn->second == key_authorization)
        turns_.erase(turn);
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
    const std::vector<AlpnProof>& all = found->second;
    const auto turn = turns_.find(server_name);
    if (turn == turns_.end()) return all.back();
    const auto shown = std::ranges::find(all, turn->second, &AlpnProof::key_authorization);
    return shown == all.end() ? all.back() : *shown;
}

Result<std::unique_ptr<PeerServer>> serve_proofs(std::vector<base::Descriptor> sockets,
                                                 const AlpnProofs& proofs) {
    constexpr std::string_view kWhat = "the answer for tls-alpn-01";
    const std::shared_ptr<SSL_CTX> context = make_context(proofs);
    if (!context) {
        return base::fail(Code::SolverPresent,
                          std::string(kWhat) + " cannot be served: " + base::openssl_error());
    }
    const auto greet = [context](int socket) -> PeerStep {
        const std::shared_ptr<SSL> ssl = SslPtr(SSL_new(context.get()));
        if (!ssl || SSL_set_fd(ssl.get(), socket) != 1) return {};
        return [ssl] { return go_on(ssl.get()); };
    };
    return PeerServer::start(std::move(sockets), greet, kWhat);
}

}  // namespace acme
