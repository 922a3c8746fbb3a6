// SPDX-License-Identifier: Apache-2.0
// The small grammars of configuration values.
#include <algorithm>
#include <charconv>

#include "agent/config/config.hpp"
#include "base/encoding.hpp"

namespace agent {

using base::Code;
using base::Result;

namespace {

/// The number at the front and the unit behind it; nothing if there is no number.
std::optional<std::pair<std::uint64_t, std::string_view>> split_number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (status != std::errc{} || end == text.data()) return std::nullopt;
    return std::pair{value, text.substr(static_cast<std::size_t>(end - text.data()))};
}

std::string in_quotes(std::string_view text) {
    return "\"" + base::printable(text, 80) + "\"";
}

bool is_name(std::string_view name, std::string_view first, std::string_view rest, std::size_t length_max) {
    const auto among = [](std::string_view set, char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || set.find(c) != std::string_view::npos;
    };
    return !name.empty() && name.size() <= length_max && among(first, name.front()) &&
           std::all_of(name.begin() + 1, name.end(), [&](char c) { return among(rest, c); });
}

constexpr std::string_view kUpper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

}  // namespace

Result<base::Seconds> parse_duration(std::string_view text) {
    constexpr std::uint64_t kLongest = 10ULL * 366 * 86400;
    const auto parts = split_number(text);
    std::uint64_t unit = 0;
    if (parts) {
        if (parts->second == "s") unit = 1;
        if (parts->second == "m") unit = 60;
        if (parts->second == "h") unit = 3600;
        if (parts->second == "d") unit = 86400;
    }
    if (unit == 0 || parts->first > kLongest / unit) {
        return base::fail(Code::ConfigWrongValue,
                          in_quotes(text) + R"( is no duration; accepted: "90s", "15m", "12h", "30d")");
    }
    return base::Seconds(static_cast<std::int64_t>(parts->first * unit));
}

Result<std::uint64_t> parse_size(std::string_view text) {
    const auto parts = split_number(text);
    std::uint64_t unit = 0;
    if (parts) {
        if (parts->second.empty()) unit = 1;
        if (parts->second == "KiB") unit = 1024;
        if (parts->second == "MiB") unit = 1024ULL * 1024;
        if (parts->second == "GiB") unit = 1024ULL * 1024 * 1024;
    }
    if (unit == 0 || parts->first > (1ULL << 50) / unit) {
        return base::fail(Code::ConfigWrongValue,
                          in_quotes(text) + R"( is no size; accepted: "64KiB", "8MiB", "2GiB")");
    }
    return parts->first * unit;
}

Result<void> check_certificate_name(std::string_view name) {
    if (is_name(name, "*", "._-", 200)) return {};
    return base::fail(Code::ConfigWrongValue,
                      in_quotes(name) +
                          " cannot name a certificate; accepted: up to 200 of a-z 0-9 . _ -, beginning with "
                          "a letter, a digit or *");
}

Result<void> check_plain_name(std::string_view name) {
    const std::string rest = std::string(kUpper) + "._@-";
    if (is_name(name, kUpper, rest, 100)) return {};
    return base::fail(Code::ConfigWrongValue, in_quotes(name) +
                                                  " cannot be a name here; accepted: up to 100 letters, "
                                                  "digits, . _ @ -, beginning with a letter or digit");
}

Result<HostConfig> parse_ssh_destination(std::string_view text) {
    const auto wrong = [&](std::string_view why) {
        return base::fail(Code::ConfigWrongValue,
                          in_quotes(text) + " " + std::string(why) +
                              R"(; accepted: "deploy@web1.example.com:22", user and port optional)");
    };
    std::string_view rest = text;
    if (rest.starts_with("ssh://")) rest.remove_prefix(6);
    HostConfig destination;
    if (const auto at = rest.rfind('@'); at != std::string_view::npos) {
        destination.user = rest.substr(0, at);
        rest.remove_prefix(at + 1);
        // A leading "-" would be read as an option by ssh.
        if (!is_name(destination.user, std::string(kUpper) + "_", std::string(kUpper) + "._-", 100))
            return wrong("has no usable user");
    }
    if (rest.starts_with('[')) {
        const auto close = rest.find(']');
        if (close == std::string_view::npos) return wrong("lacks a ]");
        destination.host = rest.substr(1, close - 1);
        rest.remove_prefix(close + 1);
        if (base::address_bytes(destination.host).size() != 16)
            return wrong("has no IPv6 address in its brackets");
    } else {
        const auto colon = rest.find(':');
        destination.host = rest.substr(0, colon);
        rest.remove_prefix(std::min(colon, rest.size()));
        if (!is_name(destination.host, kUpper, std::string(kUpper) + "._-", 253))
            return wrong("names no host");
    }
    if (!rest.empty()) {
        const auto port = rest.front() == ':' ? split_number(rest.substr(1)) : std::nullopt;
        if (!port || !port->second.empty() || port->first < 1 || port->first > 65535)
            return wrong("has no usable port");
        destination.port = static_cast<int>(port->first);
    }
    return destination;
}

}  // namespace agent
