// SPDX-License-Identifier: Apache-2.0
#include "acme/solvers/dns/xml_text.hpp"

#include <algorithm>
#include <array>
#include <system_error>
#include <utility>

#include "base/text.hpp"

namespace acme {
namespace {

constexpr std::string_view kBlank = " \t\r\n";

constexpr std::array<std::pair<std::string_view, char>, 5> kReferences{
    {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}}};

/// The character of "amp", "#39" or "#x27".
std::optional<char> character_of(std::string_view reference) {
    const auto* const known =
        std::ranges::find(kReferences, reference, [](const auto& row) { return row.first; });
    if (known != kReferences.end()) return known->second;
    if (!reference.starts_with('#')) return std::nullopt;
    reference.remove_prefix(1);
    const bool is_hex = reference.starts_with('x');
    if (is_hex) reference.remove_prefix(1);
    const auto number = base::parse_number<unsigned>(reference, is_hex ? 16 : 10);
    if (!number || *number == 0 || *number > 127) return std::nullopt;
    return static_cast<char>(*number);
}

}  // namespace

std::optional<std::string_view> xml_root(std::string_view document, std::string_view root) {
    if (document.find("<!") != std::string_view::npos) return std::nullopt;
    document = base::trimmed(document, kBlank);
    if (document.starts_with("<?xml")) {
        const std::size_t end = document.find("?>");
        if (end == std::string_view::npos) return std::nullopt;
        document = base::trimmed(document.substr(end + 2), kBlank);
    }
    const std::string open = "<" + std::string(root);
    const std::string close = "</" + std::string(root) + ">";
    if (!document.starts_with(open) || !document.ends_with(close)) return std::nullopt;
    const std::size_t inside = document.find('>');
    const char after = document[open.size()];
    if ((after != '>' && after != ' ') || inside + 1 > document.size() - close.size()) return std::nullopt;
    return document.substr(inside + 1, document.size() - close.size() - inside - 1);
}

std::optional<std::vector<std::string_view>> xml_all(std::string_view inside, std::string_view name) {
    const std::string open = "<" + std::string(name) + ">";
    const std::string close = "</" + std::string(name) + ">";
    std::vector<std::string_view> found;
    while (true) {
        const std::size_t start = inside.find(open);
        if (start == std::string_view::npos) return found;
        inside.remove_prefix(start + open.size());
        const std::size_t end = inside.find(close);
        if (end == std::string_view::npos) return std::nullopt;
        found.push_back(inside.substr(0, end));
        inside.remove_prefix(end + close.size());
    }
}

std::string xml_text(std::string_view inside, std::string_view name) {
    const auto all = xml_all(inside, name);
    if (!all || all->empty()) return {};
    return xml_unescape(all->front()).value_or(std::string{});
}

std::optional<std::string> xml_unescape(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        if (text.front() == '<') return std::nullopt;
        if (text.front() != '&') {
            out += text.front();
            text.remove_prefix(1);
            continue;
        }
        const std::size_t end = text.find(';');
        if (end == std::string_view::npos) return std::nullopt;
        const auto character = character_of(text.substr(1, end - 1));
        if (!character) return std::nullopt;
        out += *character;
        text.remove_prefix(end + 1);
    }
    return out;
}

std::string xml_escape(std::string_view text) {
    std::string out;
    for (const char character : text) {
        const auto* const known =
            std::ranges::find(kReferences, character, [](const auto& row) { return row.second; });
        if (known == kReferences.end()) {
            out += character;
        } else {
            out.append("&").append(known->first).append(";");
        }
    }
    return out;
}

}  // namespace acme
