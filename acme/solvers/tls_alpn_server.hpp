// SPDX-License-Identifier: Apache-2.0
// The TLS server behind tls-alpn-01: it shakes hands and hangs up, and knows no other protocol.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
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
    /// One that is there already stays.
    void put(const std::string& server_name, AlpnProof proof);
    /// Of several for one name (two orders at once) the one whose turn it is is shown, and the newest where
    /// it is nobody's. `wanted` are server names with their key authorizations. All of them or none: two
    /// orders that have each one of the names would wait for one another. False while another one has a turn;
    /// it ends when that is removed.
    [[nodiscard]] bool take_turns(const std::vector<std::pair<std::string, std::string>>& wanted);
    /// True if none is left at all.
    [[nodiscard]] bool remove(const std::string& server_name, const std::string& key_authorization);
    [[nodiscard]] std::optional<AlpnProof> find(const std::string& server_name) const;

  private:
    mutable std::mutex mutex_;
    std::map<std::string, std::vector<AlpnProof>> proofs_;
    std::map<std::string, std::string> turns_;  // key authorizations by server name
};

/// Shakes hands with whoever asks for one of them, and hangs up. `proofs` must outlive the server.
/// solver/present where OpenSSL, the thread or a descriptor cannot be had.
[[nodiscard]] base::Result<std::unique_ptr<PeerServer>> serve_proofs(std::vector<base::Descriptor> sockets,
                                                                     const AlpnProofs& proofs);

}  // namespace acme
