// SPDX-License-Identifier: Apache-2.0
// Digests and the encodings ACME uses.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace base {

/// Lower-case hex of any bytes.
[[nodiscard]] std::string hex(std::string_view bytes);
/// SHA-256 as 32 raw bytes.
[[nodiscard]] std::string sha256(std::string_view bytes);
/// SHA-256 as 64 lower-case hex digits.
[[nodiscard]] std::string sha256_hex(std::string_view bytes);
/// base64url without padding (RFC 7515 §2).
[[nodiscard]] std::string base64url(std::string_view bytes);
/// Strict inverse of base64url: nothing for padding, foreign characters or a wrong length.
[[nodiscard]] std::optional<std::string> parse_base64url(std::string_view text);
/// True for 1 to `length_max` characters of the base64url alphabet: what a token must be before it touches a
/// path (RFC 8555 §8.1).
[[nodiscard]] bool is_base64url(std::string_view text, std::size_t length_max);
/// Text from outside made safe for one line of a terminal or a log: control characters become '?', what is
/// longer than `length_max` bytes is cut with "…". UTF-8 is kept.
[[nodiscard]] std::string printable(std::string_view text, std::size_t length_max = 512);

}  // namespace base
