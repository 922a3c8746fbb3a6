// SPDX-License-Identifier: Apache-2.0
// Reads endpoints strictly. A misspelt option that was passed over would mean that renewd looks at the wrong
// place and says "serving", so everything that is not understood is an error that says what would be.
#include "deployers/probe/endpoint.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "base/encoding.hpp"
#include "base/identifier.hpp"
#include "base/text.hpp"

namespace deployers {
namespace {

using base::Code;
using base::Result;

constexpr int kHttpsPort = 443;
constexpr int kPortMax = 65535;
// More handshakes than this with one address would be a load test, not a look.
constexpr int kConnectionsMax = 100;

constexpr std::string_view kForm =
    "scheme://host[:port][?address=IP[:port]&sni=NAME&connections=N&key=rsa|ecdsa], scheme https or tls";

/// Schemes of INTERFACE.md that this version knows but cannot look at. `port`: TLS from the first byte on
/// there, so that tls:// shows the same thing; 0: STARTTLS.
struct UnbuiltScheme {
    std::string_view name;
    int port;
};

constexpr std::array kUnbuilt = {
    UnbuiltScheme{.name = "smtps", .port = 465},  UnbuiltScheme{.name = "imaps", .port = 993},
    UnbuiltScheme{.name = "pop3s", .port = 995},  UnbuiltScheme{.name = "ldaps", .port = 636},
    UnbuiltScheme{.name = "smtp", .port = 0},     UnbuiltScheme{.name = "submission", .port = 0},
    UnbuiltScheme{.name = "imap", .port = 0},     UnbuiltScheme{.name = "pop3", .port = 0},
    UnbuiltScheme{.name = "ftp", .port = 0},      UnbuiltScheme{.name = "ldap", .port = 0},
    UnbuiltScheme{.name = "postgres", .port = 0}, UnbuiltScheme{.name = "mysql", .port = 0},
    UnbuiltScheme{.name = "xmpp", .port = 0},     UnbuiltScheme{.name = "sieve", .port = 0},
};

/// Everything that is wrong with an endpoint reads the same: its text, what is wrong, what would be right.
base::Failure wrong(std::string_view text, const std::string& what, std::string hint = {}) {
    return base::fail(Code::ConfigWrongValue, "endpoint \"" + base::printable(text, 200) + "\": " + what,
                      hint.empty() ? "an endpoint is " + std::string(kForm) : std::move(hint));
}

std::optional<int> parse_number(std::string_view text, int least, int most) {
    const auto number = base::parse_number<int>(text);
    return number && *number >= least && *number <= most ? number : std::nullopt;
}

bool is_address(std::string_view text) {
    return !base::address_bytes(text).empty();
}

/// A host and what follows its colon, as written; IPv6 without its brackets.
struct HostAndPort {
    std::string host{};
    std::optional<int> port{};
};

/// "host", "host:port", "[v6]", "[v6]:port". `what` names the place in messages.
Result<HostAndPort> parse_host_and_port(std::string_view text, std::string_view part,
                                        const std::string& what) {
    std::string_view host = part;
    std::optional<std::string_view> port;
    if (part.starts_with('[')) {
        const auto close = part.find(']');
        if (close == std::string_view::npos) return wrong(text, what + R"( has a "[" without its "]")");
        host = part.substr(1, close - 1);
        if (base::address_bytes(host).size() != 16)
            return wrong(text, what + ": only an IPv6 address goes into brackets");
        const std::string_view rest = part.substr(close + 1);
        if (!rest.empty() && !rest.starts_with(':'))
            return wrong(text, what + ": only :port may follow the \"]\"");
        if (!rest.empty()) port = rest.substr(1);
    } else if (const auto colon = part.find(':'); colon != std::string_view::npos) {
        if (is_address(part))
            return wrong(text, what + ": an IPv6 address goes into brackets, [" + std::string(part) + "]");
        host = part.substr(0, colon);
        port = part.substr(colon + 1);
    }
    if (host.empty()) return wrong(text, what + " is empty");
    HostAndPort result{.host = std::string(host), .port = std::nullopt};
    if (port) {
        result.port = parse_number(*port, 1, kPortMax);
        if (!result.port)
            return wrong(text, what + ": \"" + std::string(*port) + "\" is no port; a port is 1 to " +
                                   std::to_string(kPortMax));
    }
    return result;
}

/// A name or an address in its canonical form; never a wildcard, which is nothing one could connect to or ask
/// for.
Result<base::Identifier> parse_host(std::string_view text, std::string_view host, std::string_view what) {
    auto identifier = base::parse_identifier(host);
    if (!identifier) return wrong(text, std::string(what) + ": " + identifier.error().message);
    if (identifier->is_wildcard())
        return wrong(text, std::string(what) +
                               ": a wildcard is no name to look at; write one it covers, such as www" +
                               identifier->value.substr(1));
    return std::move(*identifier);
}

Result<Scheme> parse_scheme(std::string_view text, std::string_view name, std::string_view rest) {
    if (name == "https") return Scheme::Https;
    if (name == "tls") return Scheme::Tls;
    const auto* unbuilt = std::ranges::find(kUnbuilt, name, &UnbuiltScheme::name);
    if (unbuilt == kUnbuilt.end())
        return wrong(text, "there is no scheme \"" + std::string(name) + "\"; https and tls are accepted");
    const std::string message = "endpoint \"" + base::printable(text, 200) +
                                "\": this version cannot look at " + std::string(name) + " yet";
    if (unbuilt->port == 0)
        return base::fail(
            Code::ConfigNotBuilt, message + ": it does not speak STARTTLS",
            "https and tls are what it can look at; without an endpoint the target is `unverified`");
    // The same bytes on the wire: TLS begins at once there, only the default port is lost.
    std::string_view authority = rest.substr(0, rest.find('?'));
    const bool has_port = authority.rfind(':') != std::string_view::npos && !authority.ends_with(']');
    return base::fail(Code::ConfigNotBuilt, message,
                      "tls://" + base::printable(authority, 200) +
                          (has_port ? "" : ":" + std::to_string(unbuilt->port)) +
                          " looks at the same thing today");
}

Result<void> set_address(Endpoint& endpoint, std::string_view value) {
    // A bare IPv6 address is clear here: a port needs the brackets.
    if (base::address_bytes(value).size() == 16) {
        endpoint.address = TRY(parse_host(endpoint.text, value, "address=")).value;
        return {};
    }
    const HostAndPort parts = TRY(parse_host_and_port(endpoint.text, value, "address="));
    if (!is_address(parts.host))
        return wrong(endpoint.text, "address=" + base::printable(parts.host, 100) +
                                        " is no IP address; names stand before the \"?\"");
    endpoint.address = TRY(parse_host(endpoint.text, parts.host, "address=")).value;
    endpoint.address_port = parts.port.value_or(0);
    return {};
}

Result<void> set_sni(Endpoint& endpoint, std::string_view value) {
    const base::Identifier name = TRY(parse_host(endpoint.text, value, "sni="));
    // RFC 6066 §3: "Literal IPv4 and IPv6 addresses are not permitted in HostName".
    if (name.type != base::IdentifierType::Dns)
        return wrong(endpoint.text, "sni= is a DNS name; TLS has no server name for addresses");
    endpoint.sni = name.value;
    return {};
}

Result<void> set_option(Endpoint& endpoint, std::string_view name, std::string_view value) {
    if (name == "address") return set_address(endpoint, value);
    if (name == "sni") return set_sni(endpoint, value);
    if (name == "connections") {
        const auto number = parse_number(value, 1, kConnectionsMax);
        if (!number)
            return wrong(endpoint.text,
                         "connections is a number from 1 to " + std::to_string(kConnectionsMax));
        endpoint.connections = *number;
        return {};
    }
    if (name == "key") {
        if (value != "rsa" && value != "ecdsa") return wrong(endpoint.text, "key is rsa or ecdsa");
        endpoint.key = value == "rsa" ? KeyChoice::Rsa : KeyChoice::Ecdsa;
        return {};
    }
    return wrong(endpoint.text, "there is no option \"" + base::printable(name, 100) +
                                    "\"; address, sni, connections and key are accepted");
}

Result<void> set_options(Endpoint& endpoint, std::string_view options) {
    std::vector<std::string_view> seen;
    while (true) {
        const auto end = options.find('&');
        const std::string_view option = options.substr(0, end);
        const auto equals = option.find('=');
        if (equals == std::string_view::npos || equals + 1 == option.size())
            return wrong(endpoint.text, "after the \"?\" stand options, each as name=value");
        const std::string_view name = option.substr(0, equals);
        if (std::ranges::find(seen, name) != seen.end())
            return wrong(endpoint.text, "option " + base::printable(name, 100) + " stands there twice");
        seen.push_back(name);
        TRY(set_option(endpoint, name, option.substr(equals + 1)));
        if (end == std::string_view::npos) return {};
        options.remove_prefix(end + 1);
    }
}

std::string bracketed(const std::string& host) {
    return host.find(':') == std::string::npos ? host : "[" + host + "]";
}

}  // namespace

Result<Endpoint> parse_endpoint(std::string_view text) {
    Endpoint endpoint{.text = std::string(text)};
    const auto separator = text.find("://");
    if (separator == std::string_view::npos)
        return wrong(text, "the scheme is missing; write https://" + base::printable(text, 200));
    const std::string_view rest = text.substr(separator + 3);
    endpoint.scheme = TRY(parse_scheme(text, base::lower(text.substr(0, separator)), rest));

    if (rest.find('#') != std::string_view::npos) return wrong(text, "a fragment (#…) has no meaning here");
    const auto question = rest.find('?');
    const std::string_view authority = rest.substr(0, question);
    if (authority.find('@') != std::string_view::npos)
        return wrong(text, "a user has no meaning here: nothing is said after the handshake");
    if (authority.find('/') != std::string_view::npos)
        return wrong(text, "a path has no meaning here: the handshake is all that is looked at");

    const HostAndPort parts = TRY(parse_host_and_port(text, authority, "the host"));
    const base::Identifier host = TRY(parse_host(text, parts.host, "the host"));
    endpoint.host = host.value;
    if (host.type == base::IdentifierType::Dns) endpoint.sni = host.value;
    if (!parts.port && endpoint.scheme == Scheme::Tls)
        return wrong(text, "tls has no usual port; write tls://" + bracketed(endpoint.host) + ":PORT");
    endpoint.port = parts.port.value_or(kHttpsPort);
    if (question != std::string_view::npos) TRY(set_options(endpoint, rest.substr(question + 1)));
    return endpoint;
}

std::string to_string(const Endpoint& endpoint) {
    std::string text = (endpoint.scheme == Scheme::Https ? "https://" : "tls://") + bracketed(endpoint.host);
    if (endpoint.scheme == Scheme::Tls || endpoint.port != kHttpsPort)
        text += ":" + std::to_string(endpoint.port);
    char separator = '?';
    const auto add = [&](std::string_view name, const std::string& value) {
        text += separator + std::string(name) + "=" + value;
        separator = '&';
    };
    if (endpoint.address_port != 0)
        add("address", bracketed(endpoint.address) + ":" + std::to_string(endpoint.address_port));
    else if (!endpoint.address.empty())
        add("address", bracketed(endpoint.address));
    if (!endpoint.sni.empty() && endpoint.sni != endpoint.host) add("sni", endpoint.sni);
    if (endpoint.connections != Endpoint{}.connections)
        add("connections", std::to_string(endpoint.connections));
    if (endpoint.key != KeyChoice::Any) add("key", endpoint.key == KeyChoice::Rsa ? "rsa" : "ecdsa");
    return text;
}

}  // namespace deployers
