// SPDX-License-Identifier: Apache-2.0
#include "base/text.hpp"

#include <algorithm>

#include "base/encoding.hpp"

namespace base {

namespace {

constexpr std::string_view kSeal = "sha256 ";

}  // namespace

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& character : out) {
        if (character >= 'A' && character <= 'Z') character = static_cast<char>(character - 'A' + 'a');
    }
    return out;
}

std::string_view trimmed(std::string_view text, std::string_view blanks) {
    const std::size_t first = text.find_first_not_of(blanks);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

std::string_view take_until(std::string_view& rest, char separator) {
    const std::size_t end = std::min(rest.find(separator), rest.size());
    const std::string_view taken = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return taken;
}

std::string sealed(std::string text) {
    const std::string digest = sha256_hex(text);
    return text.append(kSeal).append(digest).append("\n");
}

std::optional<std::string_view> unsealed(std::string_view text) {
    const std::size_t end = text.rfind(kSeal);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view content = text.substr(0, end);
    if (text.substr(end + kSeal.size()) != sha256_hex(content) + "\n") return std::nullopt;
    return content;
}

}  // namespace base
