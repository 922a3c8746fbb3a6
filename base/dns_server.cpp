// SPDX-License-Identifier: Apache-2.0
// Servers as people and resolv.conf(5) write them.
#include <algorithm>
#include <optional>

#include "base/dns.hpp"
#include "base/encoding.hpp"
#include "base/identifier.hpp"
#include "base/text.hpp"

namespace base {

namespace {

constexpr std::size_t kResolversMax = 8;

std::optional<std::uint16_t> parse_port(std::string_view text) {
    const auto port = parse_number<std::uint16_t>(text);
    return port == 0 ? std::nullopt : port;
}

Failure wrong(std::string_view text, const char* why) {
    return fail(Code::ConfigWrongValue, "\"" + printable(text, 80) + "\" " + why,
                R"(write "192.0.2.1", "192.0.2.1:5353", "2001:db8::1" or "[2001:db8::1]:5353")");
}

struct HostAndPort {
    std::string_view host{};
    std::optional<std::uint16_t> port{};
};

/// Nothing where a port is meant and is none. "2001:db8::1" has no port.
std::optional<HostAndPort> split(std::string_view text) {
    if (text.starts_with('[')) {
        const std::size_t end = text.find(']');
        if (end == std::string_view::npos) return std::nullopt;
        const HostAndPort bare{.host = text.substr(1, end - 1)};
        if (address_bytes(bare.host).size() != 16) return std::nullopt;
        if (end + 1 == text.size()) return bare;
        if (text[end + 1] != ':') return std::nullopt;
        const auto port = parse_port(text.substr(end + 2));
        return port ? std::optional(HostAndPort{.host = bare.host, .port = port}) : std::nullopt;
    }
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos || text.find(':') != colon) return HostAndPort{.host = text};
    const auto port = parse_port(text.substr(colon + 1));
    return port ? std::optional(HostAndPort{.host = text.substr(0, colon), .port = port}) : std::nullopt;
}

/// "fe80::1%eth0" is an address here, too: routers advertise themselves so.
bool is_address(std::string_view text) {
    const std::size_t percent = text.find('%');
    const std::string bytes = address_bytes(text.substr(0, percent));
    return percent == std::string_view::npos ? !bytes.empty() : bytes.size() == 16;
}

std::string_view next_word(std::string_view& line) {
    constexpr std::string_view kBlank = " \t\r";
    const std::size_t start = line.find_first_not_of(kBlank);
    if (start == std::string_view::npos) return {};
    line.remove_prefix(start);
    const std::size_t size = std::min(line.find_first_of(kBlank), line.size());
    const std::string_view word = line.substr(0, size);
    line.remove_prefix(size);
    return word;
}

}  // namespace

Result<DnsServer> parse_dns_server(std::string_view text) {
    const auto parts = split(text);
    if (!parts) return wrong(text, "is no address of a DNS server with a port from 1 to 65535");
    const std::string bytes = address_bytes(parts->host);
    if (bytes.empty()) return wrong(text, "is no address of a DNS server");
    return DnsServer{.address = address_text(bytes), .port = parts->port.value_or(53)};
}

std::string to_string(const DnsServer& server) {
    if (server.port == 53) return server.address;
    const bool v6 = server.address.find(':') != std::string::npos;
    return (v6 ? "[" + server.address + "]" : server.address) + ":" + std::to_string(server.port);
}

std::vector<DnsServer> parse_resolv_conf(std::string_view text) {
    std::vector<DnsServer> servers;
    while (!text.empty() && servers.size() < kResolversMax) {
        std::string_view line = take_until(text, '\n');
        if (next_word(line) != "nameserver") continue;
        const std::string_view address = next_word(line);
        if (is_address(address)) servers.push_back({.address = std::string(address)});
    }
    if (servers.empty()) servers.push_back({.address = "127.0.0.1"});
    return servers;
}

Result<ZoneServer> Dns::find_server(std::string_view text) const {
    const auto parts = split(text);
    if (!parts) return wrong(text, "is no DNS server with a port from 1 to 65535");
    if (!address_bytes(parts->host).empty()) {
        return ZoneServer{.name = std::string(text), .addresses = {TRY(parse_dns_server(text))}};
    }
    const std::uint16_t port = parts->port.value_or(53);
    ZoneServer server{.name = TRY(dns_name(parts->host))};
    for (std::string& address : TRY(addresses_of(server.name))) {
        server.addresses.push_back({.address = std::move(address), .port = port});
    }
    if (server.addresses.empty()) {
        return fail(Code::DnsFailed, "the DNS server " + std::string(parts->host) + " has no address in DNS");
    }
    return server;
}

}  // namespace base
