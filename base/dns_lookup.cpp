// SPDX-License-Identifier: Apache-2.0
// What takes several questions: where a chain of CNAMEs ends, which zone holds a name, who serves it.
#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "base/dns.hpp"
#include "base/encoding.hpp"
#include "base/parallel.hpp"

namespace base {

namespace {

constexpr std::size_t kHopsMax = 8;
constexpr std::size_t kServersMax = 16;    // of a zone; the root has 13
constexpr std::size_t kAddressesMax = 16;  // of a name
constexpr std::size_t kAtOnce = 8;

/// Is `name` below `ancestor`, or the same?
bool is_within(std::string_view name, std::string_view ancestor) {
    if (ancestor == "." || name == ancestor) return true;
    return name.size() > ancestor.size() && name.ends_with(ancestor) &&
           name[name.size() - ancestor.size() - 1] == '.';
}

/// "b.c." of "a.b.c."; "." of the last one. An escaped dot is no border.
std::string parent_of(std::string_view name) {
    for (std::size_t i = 0; i < name.size(); ++i) {
        if (name[i] == '\\') {
            ++i;
        } else if (name[i] == '.' && i + 1 < name.size()) {
            return std::string(name.substr(i + 1));
        }
    }
    return ".";
}

const DnsRecord* find_record(const std::vector<DnsRecord>& records, std::string_view name, DnsType type) {
    const auto found = std::ranges::find_if(
        records, [&](const DnsRecord& record) { return record.type == type && record.name == name; });
    return found == records.end() ? nullptr : &*found;
}

/// Where the answer sends whoever asks for `name`; nothing where it does not. RFC 6672 §2.2: a DNAME
/// stands above the name and replaces the end of it.
Result<std::optional<std::string>> next_name(const DnsAnswer& answer, const std::string& name) {
    if (const DnsRecord* cname = find_record(answer.records, name, DnsType::Cname)) {
        return cname->data;
    }
    for (const DnsRecord& record : answer.records) {
        if (record.type != DnsType::Dname || record.name == name || !is_within(name, record.name)) continue;
        const std::string front = name.substr(0, name.size() - (record.name == "." ? 0 : record.name.size()));
        auto next = dns_name(record.data == "." ? front : front + record.data);
        if (next) return *std::move(next);
        return fail(Code::DnsFailed, "the DNAME at " + record.name + " makes too long a name of " + name);
    }
    return std::nullopt;
}

std::string chain_text(const std::vector<std::string>& path, const std::string& last) {
    std::string text;
    for (const std::string& name : path) text += printable(name, 100) + " -> ";
    return text + printable(last, 100);
}

/// One step of a chain: remembers where it has been.
Result<void> step(DnsTarget& target, std::string next) {
    target.path.push_back(std::exchange(target.name, std::move(next)));
    const bool seen = std::ranges::find(target.path, target.name) != target.path.end();
    if (!seen && target.path.size() <= kHopsMax) return {};
    return fail(Code::DnsLoop,
                seen ? "CNAMEs lead in a circle: " + chain_text(target.path, target.name)
                     : "more than 8 CNAMEs one after the other: " + chain_text(target.path, target.name),
                "no CA follows this: let the first one point at the last name");
}

std::vector<std::string> data_of(const std::vector<DnsRecord>& records, std::string_view name, DnsType type,
                                 std::size_t count_max) {
    std::vector<std::string> data;
    for (const DnsRecord& record : records) {
        if (record.type == type && record.name == name && data.size() < count_max) {
            data.push_back(record.data);
        }
    }
    std::ranges::sort(data);
    const auto repeated = std::ranges::unique(data);
    data.erase(repeated.begin(), repeated.end());
    return data;
}

}  // namespace

Result<DnsTarget> Dns::follow(std::string_view name) const {
    const Steady until = several();
    DnsTarget target{.name = TRY(dns_name(name))};
    for (;;) {
        // For CNAME itself no resolver goes ahead of us, and loops are seen here.
        const DnsAnswer answer = TRY(look_up(target.name, DnsType::Cname, until));
        std::optional<std::string> next = TRY(next_name(answer, target.name));
        if (!next) return target;
        TRY(step(target, *std::move(next)));
    }
}

Result<std::string> Dns::apex_of(std::string name, Steady until) const {
    const std::string asked = name;
    while (name != ".") {
        const DnsAnswer answer = TRY(look_up(name, DnsType::Soa, until));
        if (find_record(answer.records, name, DnsType::Soa) != nullptr) return name;
        std::string above = parent_of(name);
        // A name without SOA comes with that of its zone (RFC 2308 §2); one with a CNAME with that of
        // another.
        if (answer.records.empty()) {
            for (const DnsRecord& record : answer.authority) {
                if (record.type == DnsType::Soa && is_within(above, record.name)) above = record.name;
            }
        }
        name = std::move(above);
    }
    return fail(Code::DnsFailed, "no zone in DNS holds " + asked,
                "is the name registered? For names that exist only inside: public = false under [dns]");
}

Result<std::vector<std::string>> Dns::addresses_until(std::string_view name, DnsType type,
                                                      Steady until) const {
    DnsTarget target{.name = TRY(dns_name(name))};
    for (;;) {
        const DnsAnswer answer = TRY(look_up(target.name, type, until));
        const std::string asked = target.name;
        while (std::optional<std::string> next = TRY(next_name(answer, target.name))) {
            TRY(step(target, *std::move(next)));
        }
        std::vector<std::string> addresses = data_of(answer.records, target.name, type, kAddressesMax);
        // A resolver goes to the end of the chain; a server that is none stops where its zone ends.
        if (target.name == asked || !addresses.empty()) return addresses;
    }
}

Result<std::vector<std::string>> Dns::addresses_until(std::string_view name, Steady until) const {
    std::vector<std::string> addresses = TRY(addresses_until(name, DnsType::A, until));
    std::ranges::move(TRY(addresses_until(name, DnsType::Aaaa, until)), std::back_inserter(addresses));
    return addresses;
}

Result<std::vector<std::string>> Dns::addresses_of(std::string_view name) const {
    return addresses_until(name, several());
}

Result<std::vector<std::string>> Dns::addresses_of(std::string_view name, DnsType type) const {
    return addresses_until(name, type, several());
}

Result<Zone> Dns::zone_of(std::string_view name) const {
    const Steady until = several();
    Zone zone{.apex = TRY(apex_of(TRY(dns_name(name)), until))};
    const DnsAnswer answer = TRY(look_up(zone.apex, DnsType::Ns, until));
    for (std::string& server : data_of(answer.records, zone.apex, DnsType::Ns, kServersMax)) {
        zone.servers.push_back({.name = std::move(server)});
    }
    in_parallel(zone.servers.size(), kAtOnce, [&](std::size_t i) {
        ZoneServer& server = zone.servers[i];
        auto addresses = addresses_until(server.name, until);
        if (!addresses) {
            server.missing = addresses.error().message;
            return;
        }
        for (std::string& address : *addresses) server.addresses.push_back({.address = std::move(address)});
        if (server.addresses.empty()) server.missing = "its name has no address in DNS";
    });
    const bool reachable =
        std::ranges::any_of(zone.servers, [](const auto& server) { return !server.addresses.empty(); });
    if (reachable) return zone;
    return fail(Code::DnsFailed, zone.servers.empty() ? "the zone " + zone.apex + " names no name servers"
                                                      : "no name server of the zone " + zone.apex +
                                                            " has an address: " + zone.servers.front().name +
                                                            ": " + zone.servers.front().missing);
}

}  // namespace base
