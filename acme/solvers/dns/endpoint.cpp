// SPDX-License-Identifier: Apache-2.0
#include "acme/solvers/dns/endpoint.hpp"

#include <algorithm>
#include <string>

#include "base/encoding.hpp"
#include "base/identifier.hpp"

namespace acme {
namespace {

constexpr std::size_t kUrlMax = 1024;

bool is_loopback(std::string_view host) {
    if (host == "localhost" || host == "[::1]") return true;
    // As an address: "127.example.com" and "127.1" are none that we trust.
    const std::string bytes = base::address_bytes(host);
    return bytes.size() == 4 && bytes.front() == 127;
}

base::Failure wrong(std::string_view url, std::string_view why, std::string hint = {}) {
    return base::fail(base::Code::ConfigWrongValue,
                      "the address \"" + base::printable(url, 200) + "\" " + std::string(why),
                      std::move(hint));
}

}  // namespace

base::Result<Endpoint> judge_endpoint(std::string_view url) {
    if (url.size() > kUrlMax) return wrong(url, "is too long");
    const bool clean = std::ranges::all_of(url, [](unsigned char c) { return c > 0x20 && c < 0x7f; });
    if (!clean) return wrong(url, "contains white space, control or non-ASCII characters");
    const bool plain = url.starts_with("http://");
    if (!plain && !url.starts_with("https://")) return wrong(url, "is not an https URL");
    std::string_view rest = url.substr(plain ? 7 : 8);
    // What stands there would go to the log with the URL.
    if (rest.find_first_of("@?#") != std::string_view::npos) {
        return wrong("https://…", "has a user, a query or a fragment",
                     "only host, port and path belong there");
    }
    const std::string_view authority = rest.substr(0, std::min(rest.find('/'), rest.size()));
    const std::size_t bracket = authority.rfind(']');
    const std::size_t colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
    const std::string_view host = authority.substr(0, std::min(colon, authority.size()));
    if (host.empty()) return wrong(url, "names no host");
    if (plain && !is_loopback(host)) {
        return wrong(url, "is http, and not on a loopback address",
                     "a token travels there; use https, with `roots` if its CA is a private one");
    }
    return Endpoint{.is_plain = plain};
}

}  // namespace acme
