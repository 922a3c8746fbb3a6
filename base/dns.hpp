// SPDX-License-Identifier: Apache-2.0
// Questions to DNS over ldns (RFC 1035), with deadlines of our own: to the system's or the configured
// resolvers, or to the authoritative servers themselves, whose answers no cache has aged. Answers are
// untrusted: bounded, and matched to their question by id, name, type and source address.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"

namespace base {

enum class DnsType : std::uint16_t {
    A = 1,
    Ns = 2,
    Cname = 5,
    Soa = 6,
    Txt = 16,
    Aaaa = 28,
    Dname = 39,
    Caa = 257,
};

/// One record. Names are lower case with a final dot.
struct DnsRecord {
    std::string name{};
    DnsType type = DnsType::A;
    std::uint32_t ttl = 0;
    /// A and AAAA: the address in canonical text. NS, CNAME, DNAME, SOA: the (first) name. TXT: its strings,
    /// joined (RFC 7208 §3.3 does the same). CAA: the value.
    std::string data{};
    std::string tag{};       // CAA: "issue", "issuewild", … in lower case (RFC 8659 §4.1)
    std::uint8_t flags = 0;  // CAA
};

struct DnsAnswer {
    int rcode = 0;                       // 0 NOERROR, 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED
    bool authoritative = false;          // AA
    bool authenticated = false;          // AD: the resolver has checked DNSSEC
    std::vector<DnsRecord> records{};    // answer section, whatever its type (CNAMEs come along)
    std::vector<DnsRecord> authority{};  // authority section: SOA of a negative answer, NS of a referral
};

struct DnsServer {
    std::string address{};  // IPv4 or IPv6
    std::uint16_t port = 53;
    friend auto operator<=>(const DnsServer&, const DnsServer&) = default;
};

/// "192.0.2.1", "192.0.2.1:5353", "2001:db8::1" or "[2001:db8::1]:5353"; config/wrong-value otherwise. Pure.
[[nodiscard]] Result<DnsServer> parse_dns_server(std::string_view text);
/// The same text; without the port where it is 53.
[[nodiscard]] std::string to_string(const DnsServer& server);
/// The name servers of a resolv.conf(5), at most eight; 127.0.0.1 where it names none. Pure.
[[nodiscard]] std::vector<DnsServer> parse_resolv_conf(std::string_view text);
/// A name as answers have it: lower case, with a final dot. config/wrong-value for what cannot be in DNS.
/// Pure.
[[nodiscard]] Result<std::string> dns_name(std::string_view text);
/// Can packets get from here to this address and back, as far as this machine knows? Sends nothing. An IPv6
/// address of the internet has no route from a machine whose own addresses are all local ones.
[[nodiscard]] bool has_route(const DnsServer& server);

/// One name server of a zone, with all its addresses.
struct ZoneServer {
    std::string name{};
    std::vector<DnsServer> addresses{};
    std::string missing{};  // why it has no address, in words; else empty
};

/// A zone as its parent delegates it.
struct Zone {
    std::string apex{};  // "example.com."
    std::vector<ZoneServer> servers{};
};

/// What is at the end of a chain of CNAMEs.
struct DnsTarget {
    std::string name{};               // where the chain ends; the name itself where there is none
    std::vector<std::string> path{};  // every name passed, the first included, the last not
};

/// Thread safe. Every question blocks up to the deadline; what puts several of them, up to three times as
/// long. Errors: dns/unreachable (nobody answered), dns/failed (SERVFAIL, REFUSED, garbage),
/// dns/bogus (the same question is answered with checking disabled, RFC 4035 §3.2.2: DNSSEC is broken),
/// dns/loop, config/wrong-value (no name).
class Dns {
  public:
    /// `resolvers`: whom to ask; empty: those of /etc/resolv.conf, read anew for each question.
    explicit Dns(std::vector<DnsServer> resolvers = {}, Milliseconds deadline = Milliseconds(10'000));

    /// Asks the resolvers, one after the other. NXDOMAIN and an empty answer are no errors.
    [[nodiscard]] Result<DnsAnswer> ask(std::string_view name, DnsType type) const;
    /// Asks this resolver alone.
    [[nodiscard]] Result<DnsAnswer> ask_resolver(const DnsServer& resolver, std::string_view name,
                                                 DnsType type) const;
    /// Asks this server, without recursion, over UDP, and over TCP where the answer was cut short. Every
    /// answer is one, whatever its rcode.
    [[nodiscard]] Result<DnsAnswer> ask_server(const DnsServer& server, std::string_view name,
                                               DnsType type) const;
    /// The same over TCP alone.
    [[nodiscard]] Result<DnsAnswer> ask_server_over_tcp(const DnsServer& server, std::string_view name,
                                                        DnsType type) const;

    /// Follows CNAME and DNAME for `name`, at most 8 hops; dns/loop beyond.
    [[nodiscard]] Result<DnsTarget> follow(std::string_view name) const;
    /// The zone that holds `name`, found by its SOA, and every authoritative server of it with every address.
    [[nodiscard]] Result<Zone> zone_of(std::string_view name) const;
    /// Every A and AAAA of `name`, following CNAMEs; empty where there is none.
    [[nodiscard]] Result<std::vector<std::string>> addresses_of(std::string_view name) const;
    /// Those of one type: A or AAAA.
    [[nodiscard]] Result<std::vector<std::string>> addresses_of(std::string_view name, DnsType type) const;
    /// A server as people write it: an address or a host's name, with or without a port. dns/failed where the
    /// name has no address.
    [[nodiscard]] Result<ZoneServer> find_server(std::string_view text) const;
    /// Whom ask() asks.
    [[nodiscard]] std::vector<DnsServer> resolvers() const;

  private:
    [[nodiscard]] Result<DnsAnswer> ask_until(std::span<const DnsServer> resolvers, std::string_view name,
                                              DnsType type, Steady until) const;
    [[nodiscard]] Result<DnsAnswer> look_up(std::string_view name, DnsType type, Steady until) const;
    [[nodiscard]] Result<std::string> apex_of(std::string name, Steady until) const;
    [[nodiscard]] Result<std::vector<std::string>> addresses_until(std::string_view name, Steady until) const;
    [[nodiscard]] Result<std::vector<std::string>> addresses_until(std::string_view name, DnsType type,
                                                                   Steady until) const;
    [[nodiscard]] Steady several() const;

    std::vector<DnsServer> resolvers_;
    Milliseconds deadline_;
};

}  // namespace base
