// SPDX-License-Identifier: Apache-2.0
#include "agent/work/status_now.hpp"

#include <utility>

#include "agent/plan/clock_check.hpp"
#include "agent/plan/ledger.hpp"

namespace agent {

StatusNow status_now(Surroundings& s, const CertificateConfig& certificate) {
    StatusNow found;
    const base::Instant now = s.right_time({});
    auto record = s.store.load(certificate.name);
    if (!record) found.trouble.push_back(record.error());
    for (const std::string& finding : s.store.findings(certificate.name))
        found.trouble.push_back({.code = base::Code::StateCorrupt, .message = finding});
    const auto order = s.store.open_order(certificate.name);
    const Record known =
        record && *record ? std::move(**record) : Record{.name = certificate.name, .first_seen = now};
    found.status =
        status_of(certificate, known, order && order->has_value(), s.config.agent.verify_every, now);
    CertificateStatus& status = found.status;
    if (!status.plan.renewal_due(now)) return found;
    const ClockVerdict clock = s.clock_watch().judge(status.record, certificate.ca.front());
    const bool is_placed = order && order->has_value() && !(*order)->url.empty();
    if (hold_of_clock(clock, status.record, now)) {
        hold_for_clock(status, clock_error(clock), now);
    } else if (!is_placed) {
        const CaConfig& ca = s.config.cas.at(certificate.ca.front());
        const OrderAhead ahead = order_ahead(certificate, status.record, ca.name, now);
        if (const auto hold = s.ledgers().hold(ca, ahead)) hold_back(status, *hold);
    }
    return found;
}

std::vector<LimitFigure> limits_now(Surroundings& s) {
    std::vector<LimitFigure> figures;
    for (const auto& [name, ca] : s.config.cas) {
        const auto ledger = s.ledgers().look(ca);
        if (!ledger) continue;
        for (const LimitLeft& limit : least_left(*ledger, limits_of(ca.directory), s.right_time({}, name)))
            figures.push_back({.ca = name, .limit = std::string(limit.limit->id), .left = limit.left});
    }
    return figures;
}

}  // namespace agent
