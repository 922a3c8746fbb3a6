// SPDX-License-Identifier: Apache-2.0
// Signatures on DNS messages by a shared key (RFC 8945). ldns has them, too, but knows neither SHA-224 nor
// SHA-384. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/secret.hpp"

namespace acme {

struct TsigKey {
    std::string name{};       // as base::dns_name() writes it
    std::string algorithm{};  // "hmac-sha256"
    base::Secret secret{};    // raw bytes
};

/// `secret` is base64. config/wrong-value: no name, an unknown algorithm, no base64.
[[nodiscard]] base::Result<TsigKey> make_tsig_key(std::string_view name, std::string_view algorithm,
                                                  const base::Secret& secret);

struct SignedMessage {
    std::string message{};
    std::string mac{};  // goes into the signature of the answer
};

/// A message with its signature as the last additional record. `now` within 300 s of the server's is well.
[[nodiscard]] SignedMessage sign_message(std::string_view message, const TsigKey& key, base::Instant now);

/// The signature of an answer.
struct TsigAnswer {
    bool is_present = false;
    bool is_genuine = false;                // made with our key, over this message and our request
    std::uint16_t error = 0;                // 16 BADSIG, 17 BADKEY, 18 BADTIME, 22 BADTRUNC
    base::Instant time_signed{};            // by the server's clock
    std::uint16_t fudge = 0;                // seconds by which clocks may differ
    std::optional<base::Instant> server{};  // BADTIME: the server's clock
};

/// Nothing where the message cannot be read.
[[nodiscard]] std::optional<TsigAnswer> check_tsig(std::string_view answer, const TsigKey& key,
                                                   std::string_view request_mac);

}  // namespace acme
