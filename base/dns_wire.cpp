// SPDX-License-Identifier: Apache-2.0
#include "base/dns_wire.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>

#include <ldns/ldns.h>

#include "base/encoding.hpp"
#include "base/identifier.hpp"
#include "base/openssl.hpp"
#include "base/text.hpp"

namespace base {

namespace {

constexpr std::size_t kHeaderSize = 12;
constexpr std::uint16_t kUdpSize = 1232;  // what no path has to cut into pieces (DNS flag day 2020)
constexpr std::size_t kNameTextMax = 1024;

using PacketPtr = std::unique_ptr<ldns_pkt, Deleter<ldns_pkt_free>>;
using RdataPtr = std::unique_ptr<ldns_rdf, Deleter<ldns_rdf_deep_free>>;

struct Free {
    void operator()(void* memory) const noexcept { std::free(memory); }
};

std::string_view bytes_of(const ldns_rdf* rdata) {
    return {reinterpret_cast<const char*>(ldns_rdf_data(rdata)), ldns_rdf_size(rdata)};
}

/// Lower case, with a final dot; what no name should hold is escaped as \DDD.
std::string name_of(const ldns_rdf* name) {
    ldns_dname2canonical(name);
    const std::unique_ptr<char, Free> text(ldns_rdf2str(name));
    return text ? std::string(text.get()) : std::string();
}

/// A string with its length in front of it.
std::string_view counted(std::string_view bytes) {
    return bytes.empty() ? bytes : bytes.substr(1, static_cast<unsigned char>(bytes.front()));
}

/// False where the record is not what its type says.
bool read_data(const ldns_rr* rr, DnsRecord& record) {
    const std::size_t count = ldns_rr_rd_count(rr);
    const auto field = [rr](std::size_t at) { return ldns_rr_rdf(rr, at); };
    if (count == 0) return false;
    switch (record.type) {
        case DnsType::A:
        case DnsType::Aaaa:
            record.data = address_text(bytes_of(field(0)));
            return !record.data.empty();
        case DnsType::Ns:
        case DnsType::Cname:
        case DnsType::Soa:
        case DnsType::Dname:
            record.data = name_of(field(0));
            return !record.data.empty();
        case DnsType::Txt:
            for (std::size_t i = 0; i < count; ++i) record.data += counted(bytes_of(field(i)));
            return true;
        case DnsType::Caa:
            if (count != 3) return false;
            record.flags = ldns_rdf2native_int8(field(0));
            record.tag = lower(counted(bytes_of(field(1))));
            record.data = bytes_of(field(2));
            return true;
    }
    return false;
}

bool is_known(ldns_rr_type type) {
    constexpr std::array kTypes{DnsType::A,   DnsType::Ns,   DnsType::Cname, DnsType::Soa,
                                DnsType::Txt, DnsType::Aaaa, DnsType::Dname, DnsType::Caa};
    return std::ranges::any_of(
        kTypes, [type](DnsType known) { return static_cast<ldns_rr_type>(static_cast<int>(known)) == type; });
}

/// Records of other types and classes (signatures, say) are left out. Nothing where one is malformed.
std::optional<std::vector<DnsRecord>> records_of(const ldns_rr_list* section) {
    std::vector<DnsRecord> records;
    const std::size_t count = section == nullptr ? 0 : ldns_rr_list_rr_count(section);
    for (std::size_t i = 0; i < count; ++i) {
        const ldns_rr* rr = ldns_rr_list_rr(section, i);
        if (ldns_rr_get_class(rr) != LDNS_RR_CLASS_IN || !is_known(ldns_rr_get_type(rr))) continue;
        DnsRecord record{.name = name_of(ldns_rr_owner(rr)),
                         .type = static_cast<DnsType>(ldns_rr_get_type(rr)),
                         .ttl = ldns_rr_ttl(rr)};
        if (!read_data(rr, record)) return std::nullopt;
        records.push_back(std::move(record));
    }
    return records;
}

bool asks(const ldns_pkt* packet, const DnsQuestion& question) {
    const ldns_rr_list* asked = ldns_pkt_question(packet);
    if (asked == nullptr || ldns_rr_list_rr_count(asked) != 1) return false;
    const ldns_rr* rr = ldns_rr_list_rr(asked, 0);
    return ldns_rr_get_class(rr) == LDNS_RR_CLASS_IN &&
           static_cast<int>(ldns_rr_get_type(rr)) == static_cast<int>(question.type) &&
           name_of(ldns_rr_owner(rr)) == question.name;
}

unsigned byte_at(std::string_view bytes, std::size_t at) {
    return static_cast<unsigned char>(bytes[at]);
}

}  // namespace

Result<std::string> dns_name(std::string_view text) {
    const auto wrong = [text] {
        return fail(Code::ConfigWrongValue, "\"" + printable(text, 80) + "\" is no DNS name");
    };
    if (text.empty() || text.size() > kNameTextMax || text.find('\0') != std::string_view::npos) {
        return wrong();
    }
    const RdataPtr name(ldns_dname_new_frm_str(std::string(text).c_str()));
    if (!name) return wrong();
    return name_of(name.get());
}

Result<std::string> encode_question(const DnsQuestion& question, std::uint16_t id) {
    const std::string name = TRY(dns_name(question.name));
    unsigned flags = 0;
    if (question.recursive) flags |= LDNS_RD | LDNS_AD;
    if (question.checking_disabled) flags |= LDNS_CD;
    // The packet takes the name over.
    const PacketPtr packet(ldns_pkt_query_new(ldns_dname_new_frm_str(name.c_str()),
                                              static_cast<ldns_rr_type>(static_cast<int>(question.type)),
                                              LDNS_RR_CLASS_IN, static_cast<std::uint16_t>(flags)));
    std::uint8_t* wire = nullptr;
    std::size_t size = 0;
    if (packet) {
        ldns_pkt_set_id(packet.get(), id);
        if (question.edns) ldns_pkt_set_edns_udp_size(packet.get(), kUdpSize);
        // systemd-resolved passes a question on unchecked only if both bits are set.
        if (question.edns && question.checking_disabled) ldns_pkt_set_edns_do(packet.get(), true);
    }
    if (!packet || ldns_pkt2wire(&wire, packet.get(), &size) != LDNS_STATUS_OK) {
        return fail(Code::InternalUnexpected, "no DNS question can be made of " + name);
    }
    const std::unique_ptr<std::uint8_t, Free> owner(wire);
    return std::string(reinterpret_cast<const char*>(wire), size);
}

std::optional<DnsReply> decode_answer(std::string_view message, const DnsQuestion& question,
                                      std::uint16_t id) {
    if (message.size() < kHeaderSize) return std::nullopt;
    const bool is_response = (byte_at(message, 2) & 0xF8U) == 0x80U;  // QR set, opcode QUERY
    if (((byte_at(message, 0) << 8U) | byte_at(message, 1)) != id || !is_response) return std::nullopt;
    // What is cut off is often cut within a record, so there is nothing to be read.
    if ((byte_at(message, 2) & 0x02U) != 0) return DnsReply{.answer = {}, .is_truncated = true};

    ldns_pkt* parsed = nullptr;
    const auto* wire = reinterpret_cast<const std::uint8_t*>(message.data());
    const ldns_status status = ldns_wire2pkt(&parsed, wire, message.size());
    const PacketPtr packet(parsed);
    if (status != LDNS_STATUS_OK || !packet) return std::nullopt;
    const unsigned rcode = static_cast<unsigned>(ldns_pkt_get_rcode(packet.get())) |
                           (static_cast<unsigned>(ldns_pkt_edns_extended_rcode(packet.get())) << 4U);
    // A server that could not read the question need not repeat it.
    const bool unread = rcode == LDNS_RCODE_FORMERR && ldns_pkt_qdcount(packet.get()) == 0;
    if (!unread && !asks(packet.get(), question)) return std::nullopt;
    auto records = records_of(ldns_pkt_answer(packet.get()));
    auto authority = records_of(ldns_pkt_authority(packet.get()));
    if (!records || !authority) return std::nullopt;
    return DnsReply{.answer = {.rcode = static_cast<int>(rcode),
                               .authoritative = ldns_pkt_aa(packet.get()),
                               .authenticated = ldns_pkt_ad(packet.get()),
                               .records = std::move(*records),
                               .authority = std::move(*authority)}};
}

}  // namespace base
