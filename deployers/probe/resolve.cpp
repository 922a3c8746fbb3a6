// SPDX-License-Identifier: Apache-2.0
// A and AAAA are two questions, and each is asked by itself: asked together, glibc calls it a success when
// one of them fails, and a family of addresses would go unseen without a word.
#include "deployers/probe/resolve.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <iterator>
#include <memory>
#include <string_view>
#include <system_error>
#include <utility>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/dns.hpp"
#include "base/file.hpp"
#include "base/identifier.hpp"
#include "base/openssl.hpp"
#include "base/parallel.hpp"
#include "base/text.hpp"

namespace deployers {
namespace {

using base::DnsType;

using AddressesPtr = std::unique_ptr<addrinfo, base::Deleter<freeaddrinfo>>;

constexpr std::string_view kBlanks = " \t\r";
constexpr std::size_t kHostsMax = std::size_t{16} * 1024 * 1024;  // some keep lists of advertisers there

struct Family {
    std::string_view name;
    DnsType type;
    int number;
};

constexpr std::array kFamilies{Family{.name = "A", .type = DnsType::A, .number = AF_INET},
                               Family{.name = "AAAA", .type = DnsType::Aaaa, .number = AF_INET6}};

std::string numeric(const addrinfo& entry) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    const void* bytes = nullptr;
    if (entry.ai_family == AF_INET) bytes = &reinterpret_cast<const sockaddr_in*>(entry.ai_addr)->sin_addr;
    if (entry.ai_family == AF_INET6) bytes = &reinterpret_cast<const sockaddr_in6*>(entry.ai_addr)->sin6_addr;
    if (bytes == nullptr || inet_ntop(entry.ai_family, bytes, text.data(), text.size()) == nullptr) return {};
    return text.data();
}

/// The resolver has said that there is none, rather than nothing.
bool is_answer(int outcome) {
    return outcome == EAI_NONAME || outcome == EAI_NODATA || outcome == EAI_ADDRFAMILY;
}

Addresses ask_system(const std::string& host, int family) {
    addrinfo wanted{};
    wanted.ai_family = family;
    wanted.ai_socktype = SOCK_STREAM;
    addrinfo* list = nullptr;
    const int outcome = ::getaddrinfo(host.c_str(), nullptr, &wanted, &list);
    if (is_answer(outcome)) return {};
    if (outcome != 0) {
        const std::string why = outcome == EAI_SYSTEM ? base::errno_text(errno) : ::gai_strerror(outcome);
        return {.unknown = {{.asked = host, .why = "the system's resolver: " + why}}};
    }
    const AddressesPtr owned(list);
    Addresses addresses;
    for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
        std::string text = numeric(*entry);
        if (!text.empty()) addresses.found.push_back(std::move(text));
    }
    return addresses;
}

Addresses ask_dns(const base::Dns& dns, const std::string& host, const Family& family) {
    auto found = dns.addresses_of(host, family.type);
    if (!found) return {.unknown = {{.asked = host, .why = std::move(found).error().message}}};
    return {.found = std::move(*found)};
}

/// Each once; IPv4 first, each family in one order: name servers rotate theirs, and what people read should
/// not.
Addresses in_order(Addresses addresses) {
    std::vector<std::string>& found = addresses.found;
    std::ranges::sort(found, [](const std::string& a, const std::string& b) {
        const std::string left = base::address_bytes(a);
        const std::string right = base::address_bytes(b);
        return left.size() != right.size() ? left.size() < right.size() : left < right;
    });
    const auto repeated = std::ranges::unique(found);
    found.erase(repeated.begin(), repeated.end());
    return addresses;
}

template <class Ask>
Addresses of_each_family(Ask ask) {
    std::array<Addresses, kFamilies.size()> answers;
    base::in_parallel(kFamilies.size(), kFamilies.size(),
                      [&](std::size_t i) { answers[i] = ask(kFamilies[i]); });
    Addresses all;
    for (std::size_t i = 0; i < answers.size(); ++i) {
        std::ranges::move(answers[i].found, std::back_inserter(all.found));
        for (Addresses::Failure& failure : answers[i].unknown)
            all.unknown.push_back({.asked = failure.asked + " " + std::string(kFamilies[i].name),
                                   .why = std::move(failure.why)});
    }
    return in_order(std::move(all));
}

/// Of this machine, or of its search list: DNS knows nothing of them.
bool is_local(std::string_view host) {
    return host.find('.') == std::string_view::npos || host.ends_with(".localhost");
}

std::string read_hosts() {
    base::SystemFiles files;
    std::error_code missing;  // it may be a link, which read_file() does not follow
    const std::string path = std::filesystem::canonical("/etc/hosts", missing).string();
    return base::read_file(files, path, kHostsMax).value_or("");
}

}  // namespace

bool is_in_hosts(std::string_view text, std::string_view host) {
    const std::string wanted = base::lower(host);
    while (!text.empty()) {
        std::string_view line = base::take_until(text, '\n');
        line = base::take_until(line, '#');
        for (bool is_name = false; !line.empty();) {
            line = base::trimmed(line, kBlanks);
            const std::string_view word = line.substr(0, line.find_first_of(kBlanks));
            line.remove_prefix(word.size());
            if (is_name && base::lower(word) == wanted) return true;
            is_name = true;  // the first word of a line is the address
        }
    }
    return false;
}

Addresses resolve(const std::string& host, const NameSource& source) {
    if (!base::address_bytes(host).empty()) return {.found = {host}};
    const bool is_known_here = source.also_local && is_in_hosts(read_hosts(), host);
    if (source.dns != nullptr && !is_local(host) && !is_known_here) {
        Addresses addresses =
            of_each_family([&](const Family& family) { return ask_dns(*source.dns, host, family); });
        const bool has_none = addresses.found.empty() && addresses.unknown.empty();
        if (!has_none || !source.also_local) return addresses;
    }
    // Of a name in /etc/hosts the system asks nobody for what is not there; asked for one family, it would.
    if (is_known_here) return in_order(ask_system(host, AF_UNSPEC));
    return of_each_family([&](const Family& family) { return ask_system(host, family.number); });
}

}  // namespace deployers
