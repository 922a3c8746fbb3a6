// SPDX-License-Identifier: Apache-2.0
// The TLS server behind tls-alpn-01: it shakes hands and hangs up, and knows no other protocol.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "acme/solvers/peer_server.hpp"
#include "base/certificate.hpp"
#include "base/error.hpp"
#include "base/file.hpp"

namespace acme {

/// What is shown for one challenge.
struct AlpnProof {
    std::string key_authorization{};
    base::PrivateKey key;
    base::Chain certificate{};  // just the one
};

/// What is presented, by server name. Thread safe.
class AlpnProofs {
  public:
    /// Of several for one name (two orders at once) the newest is shown; one that is there already stays.
    void put(const std::string& server_name, AlpnProof proof);
    /// True if none is left at all.
    [[nodiscard]] bool remove(const std::string& server_name, const std::string& key_authorization);
    [[nodiscard]] std::optional<AlpnProof> find(const std::string& server_name) const;

  private:
    mutable std::mutex mutex_;
    std::map<std::string, std::vector<AlpnProof>> proofs_;
};

/// Shakes hands with whoever asks for one of them, and hangs up. `proofs` must outlive the server.
/// solver/present where OpenSSL, the thread or a descriptor cannot be had.
[[nodiscard]] base::Result<std::unique_ptr<PeerServer>> serve_proofs(std::vector<base::Descriptor> sockets,
                                                                     const AlpnProofs& proofs);

}  // namespace acme
