// SPDX-License-Identifier: Apache-2.0
#include "acme/solvers/dns/delegation.hpp"

#include <algorithm>
#include <random>

#include "base/encoding.hpp"

namespace acme {
namespace {

using base::Result;

constexpr std::string_view kChallengeLabel = "_acme-challenge.";

/// A label as long as that of challenges, which nobody has.
std::string label_of_nobody() {
    std::random_device random;
    std::string bytes;
    for (int i = 0; i < 7; ++i) bytes += static_cast<char>(random() & 0xffU);
    return "_" + base::hex(bytes) + ".";
}

/// Is `name` led to `target` by a wildcard that leads every name there? Then it does the same for a name that
/// differs in the challenge's label alone. One below that label is somebody's intention.
Result<bool> leads_everything_there(const base::Dns& dns, const std::string& name,
                                    const std::string& target) {
    const std::size_t at = name.find(kChallengeLabel);
    if (at == std::string::npos) return false;
    std::string other = name;
    other.replace(at, kChallengeLabel.size(), label_of_nobody());
    const base::DnsAnswer answer = TRY(dns.ask(other, base::DnsType::Cname));
    return std::ranges::any_of(answer.records, [&](const base::DnsRecord& record) {
        return record.type == base::DnsType::Cname && record.name == other && record.data == target;
    });
}

}  // namespace

Result<std::string> find_delegate(const base::Dns& dns, std::string_view name) {
    const base::DnsTarget target = TRY(dns.follow(name));
    if (target.path.empty()) return target.name;
    const std::string& first = target.path.size() > 1 ? target.path[1] : target.name;
    return TRY(leads_everything_there(dns, target.path.front(), first)) ? target.path.front() : target.name;
}

}  // namespace acme
