// SPDX-License-Identifier: Apache-2.0
// tls-alpn-01 (RFC 8737; for addresses RFC 8738 §6): the proof is in a certificate that a listener of our own
// shows to whoever speaks "acme-tls/1", and to nobody else. It is open only while something is presented.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "acme/solvers/listen_address.hpp"
#include "acme/solvers/solver.hpp"
#include "base/certificate.hpp"
#include "base/clock.hpp"

namespace acme {

/// The server name a CA asks for: the name itself, or the reverse name of an address
/// ("1.2.0.192.in-addr.arpa", RFC 8738 §6), without a final dot. Pure.
[[nodiscard]] std::string alpn_server_name(const base::Identifier& identifier);

/// The certificate that answers a challenge (RFC 8737 §3): self-signed, `identifier` as its only name, and
/// the SHA-256 of the key authorization in a critical extension. Pure but for its serial number.
[[nodiscard]] base::Result<base::Certificate> make_alpn_certificate(const base::PrivateKey& key,
                                                                    const base::Identifier& identifier,
                                                                    std::string_view key_authorization,
                                                                    base::Instant now);

/// Is this the certificate that answers the challenge, as a CA would judge it (RFC 8737 §3)? Pure.
[[nodiscard]] bool is_alpn_answer(const base::Certificate& shown, const ChallengeTask& task);

/// present() opens the port (solver/port-busy, solver/present), the last clean_up() closes it. `listen` as
/// parse_listen takes it; its error comes from present(). A wildcard is solver/present: RFC 8737 has none.
[[nodiscard]] std::unique_ptr<Solver> make_tls_alpn_solver(const std::string& listen, base::Clock& clock);

}  // namespace acme
