// SPDX-License-Identifier: Apache-2.0
#include "agent/tell/overview.hpp"

#include <algorithm>

#include "agent/tell/words.hpp"

namespace agent {

using base::Instant;

std::string agent_words(const Overview& overview) {
    const AgentStatus& agent = overview.agent;
    if (!agent.is_running) return overview.store.ok() ? "none runs" : "";
    return "running" + (agent.since ? " since " + brief_time(*agent.since, overview.now) : "");
}

bool is_more_urgent(const CertificateStatus& a, const CertificateStatus& b) {
    const auto rank = [](const CertificateStatus& s) {
        if (s.attention) return s.attention->is_critical ? 0 : 1;
        if (s.state == CertificateState::Held) return 3;
        return s.state == CertificateState::Ok || s.state == CertificateState::Removed ? 4 : 2;
    };
    const auto expiry = [](const CertificateStatus& s) {
        if (s.record.wanted() == nullptr) return Instant{};
        return s.served.oldest_not_after.value_or(s.record.wanted()->not_after);
    };
    if (rank(a) != rank(b)) return rank(a) < rank(b);
    if (expiry(a) != expiry(b)) return expiry(a) < expiry(b);
    return a.record.name < b.record.name;
}

}  // namespace agent
