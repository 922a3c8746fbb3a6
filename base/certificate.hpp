// SPDX-License-Identifier: Apache-2.0
// X.509 certificates, requests and trust over OpenSSL, and the proof that a key and a chain belong together.
// Apache exits on a mismatched pair and its own config test does not notice, so renewd proves every pair
// itself.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/identifier.hpp"
#include "base/key.hpp"

struct x509_st;        // OpenSSL's X509
struct x509_store_st;  // OpenSSL's X509_STORE

namespace base {

/// One certificate. Cheap to copy (shared, immutable).
class Certificate {
  public:
    [[nodiscard]] static Result<Certificate> parse_der(std::string_view der);

    [[nodiscard]] std::string der() const;
    [[nodiscard]] std::string pem() const;
    /// SHA-256 of the DER, lower-case hex: how a generation is recognised on the wire.
    [[nodiscard]] std::string sha256() const;
    /// Lower-case hex without leading zero bytes.
    [[nodiscard]] std::string serial() const;
    /// The content octets of the serial number's DER INTEGER, with the leading zero where there is one.
    [[nodiscard]] std::string serial_octets() const;
    /// The keyIdentifier of the authority key identifier (RFC 5280 §4.2.1.1), raw; empty if there is none.
    [[nodiscard]] std::string authority_key_id() const;
    [[nodiscard]] Instant not_before() const;
    [[nodiscard]] Instant not_after() const;
    /// The subject alternative names, sorted; those that are no DNS name or IP address are left out.
    [[nodiscard]] std::vector<Identifier> names() const;
    [[nodiscard]] std::string subject() const;
    [[nodiscard]] std::string issuer() const;
    /// The issuer's common name; empty if it has none.
    [[nodiscard]] std::string issuer_common_name() const;
    [[nodiscard]] std::string public_key_der() const;
    /// Did the holder of `issuer` sign this?
    [[nodiscard]] bool is_signed_by(const Certificate& issuer) const;
    [[nodiscard]] bool is_self_signed() const;

    [[nodiscard]] x509_st* handle() const { return certificate_.get(); }

    /// Takes a share of an OpenSSL certificate (its count goes up).
    [[nodiscard]] static Certificate share(x509_st* certificate);

  private:
    explicit Certificate(std::shared_ptr<x509_st> certificate) : certificate_(std::move(certificate)) {}

    std::shared_ptr<x509_st> certificate_;
};

/// Leaf first, as a CA sends it and a server serves it. Never empty once parsed.
using Chain = std::vector<Certificate>;

/// RFC 8555 §9.1: one to `count_max` CERTIFICATE blocks and nothing else. A private key in it is an error.
[[nodiscard]] Result<Chain> parse_chain(std::string_view pem, std::size_t count_max = 10);
[[nodiscard]] std::string to_pem(const Chain& chain);

/// DER PKCS#10 request with the names in a subjectAltName and no common name (RFC 8555 §7.4).
[[nodiscard]] Result<std::string> make_request(const PrivateKey& key, const std::vector<Identifier>& names);

/// A critical extension of one OCTET STRING.
struct OctetExtension {
    std::string oid{};  // dotted numbers
    std::string bytes{};
};

/// A self-signed certificate, for tests, placeholders and proofs (RFC 8737 §3: `extension`).
[[nodiscard]] Result<Certificate> self_sign(const PrivateKey& key, const std::vector<Identifier>& names,
                                            Instant not_before, Instant not_after,
                                            const std::optional<OctetExtension>& extension = std::nullopt);

/// The proof of a pair: the leaf holds `public_key_der`, its names are exactly `names`, each certificate is
/// signed by the next, the leaf is valid at `now`, no leaf is a CA. The
/// error's message says which of these is not so; its code is `code`.
[[nodiscard]] Result<void> prove_pair(const Chain& chain, std::string_view public_key_der,
                                      const std::vector<Identifier>& names, Instant now, Code code);

/// Trust anchors to judge served chains with.
class Anchors {
  public:
    /// The system's anchors, and those of each PEM file named (a file that cannot be read is
    /// config/unreadable).
    [[nodiscard]] static Result<Anchors> load(const std::vector<std::string>& extra_files);

    enum class Judgement { Trusted, IncompleteChain, Untrusted };
    /// Does the served chain lead from its leaf to an anchor at `now`? IncompleteChain: an issuer is missing
    /// from what was served; a chain of a private CA nobody here trusts looks the same, unless it comes with
    /// its root (then it is Untrusted). Expiry of the leaf is not judged here; that of its issuers is.
    [[nodiscard]] Judgement judge(const Chain& served, Instant now) const;

  private:
    explicit Anchors(std::shared_ptr<x509_store_st> store) : store_(std::move(store)) {}

    std::shared_ptr<x509_store_st> store_;
};

}  // namespace base
