// SPDX-License-Identifier: Apache-2.0
// The accounts of the fake CA: who may sign for which, what is known of each, and what was revoked in its
// name. Signatures are really verified (P-256), because a change of the key is about nothing else.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/http.hpp"

namespace fakes {

class Accounts {
  public:
    struct Known {
        nlohmann::json jwk{};
        std::vector<std::string> contact{};
        std::string status = "valid";
    };

    /// A certificate that was revoked: as was asked, and by whom ("/account/1", or "its key").
    struct Revoked {
        std::string der{};
        int reason = 0;
        std::string by{};
    };

    // Each answers one kind of request; `jws` is its body.
    base::HttpResponse create(const nlohmann::json& jws, bool binding_required);
    base::HttpResponse show_or_change(const nlohmann::json& jws, const std::string& path);
    base::HttpResponse change_key(const nlohmann::json& jws);
    base::HttpResponse revoke(const nlohmann::json& jws);

    std::map<int, Known> known{};  // by the number in "/account/1"
    std::vector<Revoked> revoked{};
    bool ignores_key_change = false;  // answers 200 and changes nothing, as Pebble 2.6 does for a key in use
    bool checks_key_use = true;       // 409 for a key that is another account's; else as above

  private:
    [[nodiscard]] int find(const nlohmann::json& jwk) const;
    [[nodiscard]] base::HttpResponse show(int number, int status) const;
    /// The account that signed, or 0.
    [[nodiscard]] int signer_of(const nlohmann::json& jws) const;
};

/// The protected header of a JWS, and its payload ({} for POST-as-GET).
[[nodiscard]] nlohmann::json header_of(const nlohmann::json& jws);
[[nodiscard]] nlohmann::json payload_of(const nlohmann::json& jws);
/// Does the signature belong to this P-256 key?
[[nodiscard]] bool is_signed_with(const nlohmann::json& jws, const nlohmann::json& jwk);

}  // namespace fakes
