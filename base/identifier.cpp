// SPDX-License-Identifier: Apache-2.0
#include "base/identifier.hpp"

#include <algorithm>
#include <array>
#include <memory>

#include <arpa/inet.h>
#include <idn2.h>

#include "base/encoding.hpp"

namespace base {

namespace {

constexpr std::size_t kNameMax = 253;  // RFC 1035 §2.3.4, as text without the final dot
constexpr std::size_t kLabelMax = 63;
constexpr std::size_t kUnicodeMax = 1024;  // bytes of UTF-8 that are looked at: four for each character
constexpr std::size_t kQuotedMax = 80;     // bytes of a wrong name that are repeated in a message

std::string in_quotes(std::string_view text) {
    return "\"" + printable(text, kQuotedMax) + "\"";
}

/// `shown`: the name as it is told, in quotes.
Failure wrong(const std::string& shown, const std::string& rule, std::string hint = {}) {
    return fail(Code::ConfigWrongValue, shown + " " + rule, std::move(hint));
}

bool is_digit(char character) {
    return character >= '0' && character <= '9';
}

bool is_letter(char character) {
    return character >= 'a' && character <= 'z';
}

char lower(char character) {
    return character >= 'A' && character <= 'Z' ? static_cast<char>(character - 'A' + 'a') : character;
}

/// The rule a label breaks; empty if it breaks none.
std::string broken_rule(std::string_view label) {
    if (label.empty()) return "has an empty label (two dots in a row, or one in front)";
    if (label.size() > kLabelMax) return "has a label of more than 63 characters: " + in_quotes(label);
    if (label.find('*') != std::string_view::npos) {
        return R"(has a "*" that is not its whole first label: only "*.example.com" is a wildcard)";
    }
    for (const char character : label) {
        if (is_letter(character) || is_digit(character) || character == '-') continue;
        return "contains " + in_quotes({&character, 1}) +
               ": only letters, digits and hyphens may be in a name";
    }
    if (label.front() == '-' || label.back() == '-') {
        return "has a label that begins or ends with a hyphen: " + in_quotes(label);
    }
    return {};
}

/// Checks what is behind a wildcard, or the whole name.
Result<void> check_labels(const std::string& shown, std::string_view labels) {
    for (;;) {
        const std::size_t dot = labels.find('.');
        const std::string_view label = labels.substr(0, dot);
        const std::string rule = broken_rule(label);
        if (!rule.empty()) return wrong(shown, rule);
        if (dot == std::string_view::npos) {
            // No top-level domain is a number, and resolvers would take such a name for an address (RFC 3696
            // §2).
            if (!std::ranges::all_of(label, is_digit)) return {};
            return wrong(shown, "ends in a number, as an IPv4 address does, but is none",
                         "an IPv4 address is four numbers from 0 to 255, such as 192.0.2.10");
        }
        labels.remove_prefix(dot + 1);
    }
}

Result<Identifier> parse_name(const std::string& shown, std::string_view text) {
    std::string name(text);
    std::ranges::transform(name, name.begin(), lower);
    if (name.ends_with('.')) name.pop_back();
    if (name.empty()) return wrong(shown, "is no name");
    if (name == "*") return wrong(shown, "is a wildcard for nothing: write \"*.example.com\"");
    if (name.size() > kNameMax) return wrong(shown, "is longer than 253 characters");
    TRY(check_labels(shown, std::string_view(name).substr(name.starts_with("*.") ? 2 : 0)));
    return Identifier{.type = IdentifierType::Dns, .value = std::move(name)};
}

/// UTS #46, not transitional, as browsers do it ("straße" keeps its ß), and what comes of it must be good
/// under IDNA2008. `text` is not ASCII.
Result<Identifier> parse_international(std::string_view text) {
    const std::string shown = in_quotes(text);
    if (text.size() > kUnicodeMax) return wrong(shown, "is longer than 253 characters");
    if (text.find('\0') != std::string_view::npos) return wrong(shown, "contains a NUL");
    const bool wildcard = text.starts_with("*.");
    const std::string unicode(text.substr(wildcard ? 2 : 0));
    char* raw = nullptr;
    // Not IDN2_USE_STD3_ASCII_RULES: libidn2 2.3 then takes a "_" out without a word. What is no letter,
    // digit or hyphen stays visible in an A-label, and parse_name finds it.
    const int problem = idn2_to_ascii_8z(unicode.c_str(), &raw, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    const std::unique_ptr<char, void (*)(void*)> ascii(raw, idn2_free);
    if (problem != IDN2_OK) {
        return wrong(shown, std::string("is no international name (IDNA2008): ") + idn2_strerror(problem),
                     "write its A-labels (xn--…) if you know better");
    }
    const std::string read = (wildcard ? "*." : "") + std::string(ascii.get());
    const std::string both = shown + ", read as " + in_quotes(read) + ",";
    // Only an asterisk that was written as one makes a wildcard.
    if (!wildcard && read.starts_with('*')) return wrong(both, "has a \"*\" of another script");
    return parse_name(both, read);
}

}  // namespace

std::string_view to_string(IdentifierType type) {
    switch (type) {
        case IdentifierType::Dns:
            return "dns";
        case IdentifierType::Ip:
            return "ip";
    }
    return "dns";
}

std::string address_bytes(std::string_view address) {
    const std::string text(address);
    // inet_pton reads up to the first NUL: what is behind it would be lost unseen.
    if (text.find('\0') != std::string::npos) return {};
    std::array<char, 16> bytes{};
    if (inet_pton(AF_INET, text.c_str(), bytes.data()) == 1) return {bytes.data(), 4};
    if (inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) return {bytes.data(), bytes.size()};
    return {};
}

std::string address_text(std::string_view bytes) {
    if (bytes.size() != 4 && bytes.size() != 16) return {};
    std::array<char, INET6_ADDRSTRLEN> out{};
    // inet_ntop writes RFC 5952 §4: lower case, no leading zeros, the longest run of zeros as "::".
    inet_ntop(bytes.size() == 4 ? AF_INET : AF_INET6, bytes.data(), out.data(), out.size());
    return out.data();
}

Result<Identifier> parse_identifier(std::string_view text) {
    if (text.empty()) return fail(Code::ConfigWrongValue, "a name is empty");
    const bool bracketed = text.size() >= 2 && text.front() == '[' && text.back() == ']';
    const std::string_view inner = bracketed ? text.substr(1, text.size() - 2) : text;
    std::string address = address_text(address_bytes(inner));
    const bool colons = inner.find(':') != std::string_view::npos;
    if (!address.empty() && (colons || !bracketed)) {
        return Identifier{.type = IdentifierType::Ip, .value = std::move(address)};
    }
    if (text.find("://") != std::string_view::npos) {
        return wrong(in_quotes(text), "is a URL", "write the host name in it alone");
    }
    if (colons || bracketed) {
        return wrong(in_quotes(text), "is no IPv6 address, and a name has no colons or brackets",
                     "a port does not belong to a name: write the name or the address alone");
    }
    const auto is_ascii = [](char character) { return static_cast<unsigned char>(character) < 0x80; };
    if (!std::ranges::all_of(text, is_ascii)) return parse_international(text);
    return parse_name(in_quotes(text), text);
}

bool covers(const Identifier& pattern, const Identifier& name) {
    if (pattern == name) return true;
    if (pattern.type != IdentifierType::Dns || name.type != IdentifierType::Dns || !pattern.is_wildcard()) {
        return false;
    }
    const std::size_t dot = name.value.find('.');
    return dot != std::string::npos && name.value.substr(dot) == pattern.value.substr(1);
}

}  // namespace base
