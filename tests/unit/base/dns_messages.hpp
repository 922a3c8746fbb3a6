// SPDX-License-Identifier: Apache-2.0
// Answers for a HostileNameServer that means well: RFC 1035 §4.1, byte by byte.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "base/dns.hpp"

namespace tests {

inline bool asks_for(const std::string& question, base::DnsType type) {
    const std::size_t end_of_name = question.find('\0', 12);
    return question.at(end_of_name + 2) == static_cast<char>(type);
}

/// The question without what follows it (EDNS), as an answer with these records. 3: there is no such name.
inline std::string answer_to(const std::string& question, const std::string& records, char rcode = 0) {
    std::string answer = question.substr(0, question.find('\0', 12) + 5);
    const char count = records.empty() ? '\0' : '\1';
    answer.replace(2, 10, std::string{'\x84', rcode, 0, 1, 0, count, 0, 0, 0, 0});
    return answer + records;
}

/// An A or AAAA record of the name that was asked for, by how long the address is.
template <std::size_t size>
std::string address_record(const std::array<std::uint8_t, size>& address) {
    const char type = static_cast<char>(size == 4 ? base::DnsType::A : base::DnsType::Aaaa);
    std::string record{'\xC0', '\x0C', 0, type, 0, 1, 0, 0, 0, 60, 0, static_cast<char>(size)};
    for (const std::uint8_t byte : address) record += static_cast<char>(byte);
    return record;
}

/// A TXT record of the name that was asked for.
inline std::string txt_record(const std::string& value) {
    const std::string text = static_cast<char>(value.size()) + value;
    return std::string{'\xC0', '\x0C', 0, static_cast<char>(base::DnsType::Txt), 0, 1, 0, 0,
                       0,      60,     0, static_cast<char>(text.size())} +
           text;
}

}  // namespace tests
