// SPDX-License-Identifier: Apache-2.0
#include "agent/work/status_now.hpp"

#include <utility>

#include "agent/plan/clock_check.hpp"
#include "agent/plan/ledger.hpp"

namespace agent {

namespace {

/// Of every CA that something has been ordered from.
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

/// What holds a renewal that is due, beside its own record.
void note_hold(Surroundings& s, CertificateStatus& status, bool is_placed, base::Instant now) {
    const CertificateConfig& certificate = *status.config;
    const ClockVerdict clock = s.clock_watch().judge(status.record, certificate.ca.front());
    if (hold_of_clock(clock, status.record, now)) {
        hold_for_clock(status, clock_error(clock), now);
    } else if (!is_placed) {
        const CaConfig& ca = s.config.cas.at(certificate.ca.front());
        const OrderAhead ahead = order_ahead(certificate, status.record, ca.name, now);
        if (const auto hold = s.ledgers().hold(ca, ahead)) hold_back(status, *hold);
    }
}

}  // namespace

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
    const bool is_placed = order && order->has_value() && !(*order)->url.empty();
    if (found.status.plan.renewal_due(now)) note_hold(s, found.status, is_placed, now);
    note_overdue(found.status, s.config.agent.verify_every, now);
    return found;
}

base::Result<void> show_metrics(MetricsKeeper& metrics, Surroundings& s, const Catalogue& catalogue,
                                bool config_ok) {
    metrics.keep_only([&](const std::string& name) { return catalogue.find(name) != nullptr; });
    for (const Listed& listed : catalogue.list().certificates) {
        if (s.stopping) return {};
        if (metrics.knows(listed.name)) continue;
        const auto config = catalogue.certificate(listed.name);
        if (config) metrics.note(figures_of(status_now(s, *config).status), std::nullopt);
    }
    const auto free = s.store.free_bytes();
    return metrics.write({.limits = limits_now(s),
                          .free_bytes = free ? std::optional(*free) : std::nullopt,
                          .config_ok = config_ok});
}

base::Result<void> show_metrics(MetricsKeeper& metrics, Surroundings& s, const Overview& overview) {
    for (const CertificateStatus& status : overview.certificates)
        metrics.note(figures_of(status), s.clock.now());
    return metrics.write({.limits = limits_now(s),
                          .free_bytes = overview.store.free_bytes,
                          .config_ok = overview.agent.config_error.empty()});
}

}  // namespace agent
