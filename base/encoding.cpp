// SPDX-License-Identifier: Apache-2.0
#include "base/encoding.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

#include <openssl/sha.h>

namespace base {

namespace {

constexpr std::string_view kBase64url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The six bits a character stands for, or -1.
int sextet(char character) {
    const std::size_t at = kBase64url.find(character);
    return at == std::string_view::npos ? -1 : static_cast<int>(at);
}

std::uint32_t byte_at(std::string_view bytes, std::size_t at) {
    return static_cast<unsigned char>(bytes[at]);
}

struct CodePoint {
    std::size_t size = 1;  // bytes it takes
    std::uint32_t value = 0;
    bool valid = false;
};

/// The UTF-8 sequence at the start of `text` (RFC 3629 §4): no overlong forms, no surrogates.
CodePoint decode(std::string_view text) {
    const std::uint32_t first = byte_at(text, 0);
    if (first < 0x80) return {.size = 1, .value = first, .valid = true};
    const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || text.size() < size) return {};
    std::uint32_t value = first & (0x7FU >> size);
    for (std::size_t i = 1; i < size; ++i) {
        if ((byte_at(text, i) & 0xC0U) != 0x80) return {};
        value = (value << 6U) | (byte_at(text, i) & 0x3FU);
    }
    constexpr std::array<std::uint32_t, 5> kLeast{0, 0, 0x80, 0x800, 0x10000};
    const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
    if (value < kLeast.at(size) || value > 0x10FFFF || surrogate) return {};
    return {.size = size, .value = value, .valid = true};
}

/// What moves a cursor, ends a line or turns the direction of writing lets a stranger forge what a reader
/// sees.
bool is_harmless(std::uint32_t code_point) {
    const bool control = code_point < 0x20 || (code_point >= 0x7F && code_point <= 0x9F);
    const bool line_end = code_point == 0x2028 || code_point == 0x2029;
    const bool direction = code_point == 0x061C || code_point == 0x200E || code_point == 0x200F ||
                           (code_point >= 0x202A && code_point <= 0x202E) ||
                           (code_point >= 0x2066 && code_point <= 0x2069);
    return !control && !line_end && !direction;
}

}  // namespace

std::string hex(std::string_view bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    text.reserve(bytes.size() * 2);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        text += kDigits[byte_at(bytes, i) >> 4U];
        text += kDigits[byte_at(bytes, i) & 0xFU];
    }
    return text;
}

std::string sha256(std::string_view bytes) {
    std::string digest(SHA256_DIGEST_LENGTH, '\0');
    SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
           reinterpret_cast<unsigned char*>(digest.data()));
    return digest;
}

std::string sha256_hex(std::string_view bytes) {
    return hex(sha256(bytes));
}

std::string base64url(std::string_view bytes) {
    std::string text;
    text.reserve((bytes.size() * 4 + 2) / 3);
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        const std::size_t taken = std::min<std::size_t>(3, bytes.size() - i);
        std::uint32_t bits = 0;
        for (std::size_t k = 0; k < 3; ++k) bits = (bits << 8U) | (k < taken ? byte_at(bytes, i + k) : 0);
        for (std::size_t k = 0; k <= taken; ++k) text += kBase64url[(bits >> (18 - 6 * k)) & 0x3FU];
    }
    return text;
}

std::optional<std::string> parse_base64url(std::string_view text) {
    if (text.size() % 4 == 1) return std::nullopt;
    std::string bytes;
    bytes.reserve(text.size() * 3 / 4);
    std::uint32_t bits = 0;
    unsigned held = 0;
    for (const char character : text) {
        const int six = sextet(character);
        if (six < 0) return std::nullopt;
        bits = ((bits << 6U) | static_cast<std::uint32_t>(six)) & 0xFFFFU;
        held += 6;
        if (held >= 8) {
            held -= 8;
            bytes += static_cast<char>((bits >> held) & 0xFFU);
        }
    }
    // Left-over bits must be zero, or two texts would stand for the same bytes (RFC 4648 §3.5).
    if ((bits & ((1U << held) - 1U)) != 0) return std::nullopt;
    return bytes;
}

bool is_base64url(std::string_view text, std::size_t length_max) {
    return !text.empty() && text.size() <= length_max &&
           std::ranges::all_of(text, [](char character) { return sextet(character) >= 0; });
}

std::string printable(std::string_view text, std::size_t length_max) {
    std::string safe;
    while (!text.empty()) {
        const CodePoint next = decode(text);
        const bool keep = next.valid && is_harmless(next.value);
        if (safe.size() + (keep ? next.size : 1) > length_max) return safe + "…";
        if (keep) {
            safe += text.substr(0, next.size);
        } else {
            safe += '?';
        }
        text.remove_prefix(next.size);
    }
    return safe;
}

}  // namespace base
