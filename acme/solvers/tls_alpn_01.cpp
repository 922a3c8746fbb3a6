// SPDX-License-Identifier: Apache-2.0
#include "acme/solvers/tls_alpn_01.hpp"

#include <mutex>
#include <ranges>
#include <utility>

#include <openssl/x509v3.h>

#include "acme/solvers/listen_socket.hpp"
#include "acme/solvers/tls_alpn_server.hpp"
#include "base/encoding.hpp"
#include "base/openssl.hpp"

namespace acme {
namespace {

using base::Code;
using base::Result;

constexpr const char* kAcmeIdentifier = "1.3.6.1.5.5.7.1.31";  // id-pe-acmeIdentifier, RFC 8737 §6.1
constexpr base::Seconds kBefore{3600};                         // clocks differ
constexpr base::Seconds kAfter{7 * 24 * 3600};

/// Longer than one order is worked on at a time.
constexpr base::Seconds kTurnPatience{660};
constexpr base::Milliseconds kTurnPause{100};

constexpr ListenAdvice kAdvice{
    .busy = "a solver of type http-01 (webroot = \"…\") or dns-01 does not need the port",
    .denied = "use a solver of type http-01 (webroot = \"…\") or dns-01",
};

class TlsAlpnSolver final : public Solver {
  public:
    TlsAlpnSolver(const std::string& listen, base::Clock& clock)
        : listen_(parse_listen(listen)), clock_(clock) {}

    [[nodiscard]] std::string_view type() const override { return "tls-alpn-01"; }

    [[nodiscard]] bool outlives_us() const override { return false; }

    Result<void> present(const ChallengeTask& task) override {
        if (task.identifier.is_wildcard()) {
            return base::fail(Code::SolverPresent,
                              task.identifier.value + ": tls-alpn-01 cannot prove a wildcard",
                              "a wildcard needs a solver of type dns-01");
        }
        AlpnProof proof{.key_authorization = task.key_authorization,
                        .key = TRY(base::PrivateKey::generate(base::KeyType::EcdsaP256)),
                        .certificate = {}};
        proof.certificate.push_back(
            TRY(make_alpn_certificate(proof.key, task.identifier, task.key_authorization, clock_.now())));
        const std::scoped_lock lock(server_mutex_);
        if (!server_) TRY(open());
        proofs_.put(alpn_server_name(task.identifier), std::move(proof));
        return {};
    }

    /// Until no other order shows something else for one of the names. Whoever waits too long goes on all the
    /// same: the CA may be looking at what is its own.
    Result<void> wait_until_seen(std::span<const ChallengeTask> tasks) override {
        std::vector<std::pair<std::string, std::string>> wanted;
        for (const ChallengeTask& task : tasks)
            wanted.emplace_back(alpn_server_name(task.identifier), task.key_authorization);
        const base::Steady until = clock_.steady() + kTurnPatience;
        while (!proofs_.take_turns(wanted) && clock_.steady() < until) clock_.sleep(kTurnPause);
        return {};
    }

    Result<void> clean_up(const ChallengeTask& task) override {
        const std::scoped_lock lock(server_mutex_);
        if (proofs_.remove(alpn_server_name(task.identifier), task.key_authorization)) server_.reset();
        return {};
    }

  private:
    Result<void> open() {
        if (!listen_) return base::Failure(listen_.error());
        server_ = TRY(serve_proofs(TRY(open_listen_sockets(*listen_, kAdvice)), proofs_));
        return {};
    }

    Result<ListenAddress> listen_;
    base::Clock& clock_;
    AlpnProofs proofs_;        // outlives the server, which reads it
    std::mutex server_mutex_;  // never held by the server's thread: closing waits for it
    std::unique_ptr<PeerServer> server_;
};

}  // namespace

std::string alpn_server_name(const base::Identifier& identifier) {
    const std::string bytes =
        identifier.type == base::IdentifierType::Ip ? base::address_bytes(identifier.value) : std::string();
    if (bytes.empty()) return identifier.value;
    std::string name;
    if (bytes.size() == 4) {
        for (const char byte : std::views::reverse(bytes))
            name += std::to_string(static_cast<unsigned char>(byte)) + ".";
        return name + "in-addr.arpa";
    }
    const std::string digits = base::hex(bytes);
    for (const char digit : std::views::reverse(digits)) {
        name += digit;
        name += '.';
    }
    return name + "ip6.arpa";
}

Result<base::Certificate> make_alpn_certificate(const base::PrivateKey& key,
                                                const base::Identifier& identifier,
                                                std::string_view key_authorization, base::Instant now) {
    return base::self_sign(
        key, {identifier}, now - kBefore, now + kAfter,
        base::OctetExtension{.oid = kAcmeIdentifier, .bytes = base::sha256(key_authorization)});
}

bool is_alpn_answer(const base::Certificate& shown, const ChallengeTask& task) {
    if (shown.names() != std::vector{task.identifier}) return false;
    const std::unique_ptr<ASN1_OBJECT, base::Deleter<ASN1_OBJECT_free>> oid(
        OBJ_txt2obj(kAcmeIdentifier, /*no_name=*/1));
    const int at = X509_get_ext_by_OBJ(shown.handle(), oid.get(), -1);
    X509_EXTENSION* extension = at < 0 ? nullptr : X509_get_ext(shown.handle(), at);
    if (extension == nullptr || X509_EXTENSION_get_critical(extension) == 0) return false;
    const ASN1_OCTET_STRING* value = X509_EXTENSION_get_data(extension);
    const std::string_view der(reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
                               static_cast<std::size_t>(ASN1_STRING_length(value)));
    // An OCTET STRING of 32 bytes (X.690 §8.7).
    return der == "\x04\x20" + base::sha256(task.key_authorization);
}

std::unique_ptr<Solver> make_tls_alpn_solver(const std::string& listen, base::Clock& clock) {
    return std::make_unique<TlsAlpnSolver>(listen, clock);
}

}  // namespace acme
