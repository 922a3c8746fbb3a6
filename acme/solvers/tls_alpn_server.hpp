// SPDX-License-Identifier: Apache-2.0
// The TLS server behind tls-alpn-01: one thread, which shakes hands and hangs up. It knows no other protocol,
// and no peer gets more than a few seconds of it.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/certificate.hpp"
#include "base/error.hpp"
#include "base/file.hpp"

struct ssl_ctx_st;  // OpenSSL's SSL_CTX

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

class AlpnServer {
  public:
    /// `proofs` must outlive the server. solver/present where the thread or OpenSSL cannot be had.
    [[nodiscard]] static base::Result<std::unique_ptr<AlpnServer>> start(
        std::vector<base::Descriptor> sockets, const AlpnProofs& proofs);
    /// Ends its connections; blocks for a moment.
    ~AlpnServer();
    AlpnServer(const AlpnServer&) = delete;
    AlpnServer& operator=(const AlpnServer&) = delete;

  private:
    class Loop;
    AlpnServer() = default;

    base::Descriptor wake_;
    std::unique_ptr<Loop> loop_;
    std::thread thread_;
};

}  // namespace acme
