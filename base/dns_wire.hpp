// SPDX-License-Identifier: Apache-2.0
// Questions and answers as DNS writes them (RFC 1035 §4), made and read by ldns. Pure. Included by base/dns*
// alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/dns.hpp"
#include "base/error.hpp"

namespace base {

struct DnsQuestion {
    std::string name{};  // as dns_name() writes it
    DnsType type = DnsType::A;
    bool recursive = false;          // RD and AD: a resolver shall find out, and say whether it checked
    bool checking_disabled = false;  // CD and DO: it shall not check DNSSEC (RFC 4035 §3.2.2)
    bool edns = true;                // RFC 6891, 1232 bytes
};

struct DnsReply {
    DnsAnswer answer{};
    bool is_truncated = false;  // TC: then nothing else of it counts
};

/// The message for a question; config/wrong-value where the name is none.
[[nodiscard]] Result<std::string> encode_question(const DnsQuestion& question, std::uint16_t id);
/// The answer to this very question; nothing for anything else, and for what cannot be read.
[[nodiscard]] std::optional<DnsReply> decode_answer(std::string_view message, const DnsQuestion& question,
                                                    std::uint16_t id);

}  // namespace base
