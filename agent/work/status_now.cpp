// SPDX-License-Identifier: Apache-2.0
#include "agent/work/status_now.hpp"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "agent/memory/machine.hpp"
#include "agent/plan/clock_check.hpp"
#include "agent/plan/ledger.hpp"
#include "base/file_system.hpp"

namespace agent {

namespace {

/// Of every CA that something has been ordered from.
std::vector<LimitFigure> limits_now(Surroundings& s) {
    std::vector<LimitFigure> figures;
    for (const auto& [name, ca] : s.config.cas) {
        const auto ledger = s.ledgers().look(ca);
        if (!ledger) continue;
        for (const LimitLeft& limit : least_left(*ledger, ca.known_limits(), s.right_time({}, name)))
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
    const auto orders =
        wanted_orders(certificate, s.store.open_orders(certificate.name).value_or(std::vector<OpenOrder>{}));
    const Record known =
        record && *record ? std::move(**record) : Record{.name = certificate.name, .first_seen = now};
    found.status = status_of(certificate, known, !orders.empty(), s.config.agent.verify_every, now);
    if (found.status.plan.renewal_due(now)) note_hold(s, found.status, is_any_placed(orders), now);
    note_overdue(found.status, s.config.agent.verify_every, now);
    return found;
}

StoreStatus store_now(Surroundings& s) {
    constexpr std::uint64_t kInodesMin = 16;  // a generation, what is taken for it before, and a record
    StoreStatus found;
    const std::string& directory = s.config.agent.state_dir;
    const auto note = [&](base::Code code, const std::string& message, std::string hint) {
        found.errors.push_back(
            {.code = code,
             .message = "state directory: " + message + ". Nothing is lost, nothing is served wrongly.",
             .hint = std::move(hint),
             .step = "state"});
    };
    const auto takes_files = base::check_takes_files(directory);
    if (!takes_files && takes_files.error().code != base::Code::FileNotFound)
        note(base::Code::StateUnwritable,
             takes_files.error().message + ". Nothing is renewed or deployed until it can be written",
             "mount it writable, or give it back to the user that renewd runs as");
    const auto free = s.store.free_bytes();
    if (free) found.free_bytes = *free;
    if (free && *free < s.config.agent.min_free_bytes)
        note(base::Code::StateNoSpace,
             directory + " has " + std::to_string(*free / 1024) + " KiB free. No order is started until " +
                 std::to_string(s.config.agent.min_free_bytes / 1024) + " KiB are free",
             "free some space there");
    const auto inodes = base::free_inodes(directory);
    if (inodes && inodes->value_or(kInodesMin) < kInodesMin)
        note(base::Code::StateNoSpace,
             directory + " has no room for more than " + std::to_string(**inodes) +
                 " files (free inodes). Nothing is renewed or deployed until there are " +
                 std::to_string(kInodesMin),
             "remove files there that are not renewd's: df -i tells how many there are");
    return found;
}

std::vector<Condition> conditions_now(Surroundings& s) {
    constexpr base::Seconds kTold = std::chrono::days(7);
    std::vector<Condition> conditions;
    const std::string& state = s.config.agent.state_dir;
    const auto moved = moved_at(s.files, state);
    if (moved && s.clock.now() - *moved < kTold) {
        const base::Error error = moved_error(state);
        conditions.push_back({.code = std::string(base::to_string(error.code)),
                              .since = *moved,
                              .message = error.message,
                              .hint = error.hint});
    }
    for (const auto& [name, ca] : s.config.cas) {
        const auto lost = s.store.lost_account(name, ca.directory);
        if (!lost || !*lost) continue;
        const auto stored = s.store.account(name, ca.directory);
        if (!stored || !*stored) continue;
        conditions.push_back({.code = std::string(base::to_string(base::Code::CaAccountMissing)),
                              .since = (*lost)->at,
                              .message = "the CA " + name + " has lost our account " + (*lost)->url +
                                         ", and knows its key as " + (*stored)->url +
                                         " now. CAA records with accounturi, and dns-persist and dns-account "
                                         "records, may name the old one",
                              .hint = "put the new one into them, then:  renewd account register " + name});
    }
    return conditions;
}

base::Result<void> show_metrics(MetricsKeeper& metrics, Surroundings& s, const Catalogue& catalogue,
                                Health health) {
    metrics.keep_only([&](const std::string& name) { return catalogue.find(name) != nullptr; });
    for (const Listed& listed : catalogue.list().certificates) {
        if (s.stopping) return {};
        if (metrics.knows(listed.name)) continue;
        const auto config = catalogue.certificate(listed.name);
        if (config) metrics.note(figures_of(status_now(s, *config).status), std::nullopt);
    }
    const StoreStatus store = store_now(s);
    return metrics.write({.limits = limits_now(s),
                          .free_bytes = store.free_bytes,
                          .store_ok = health.store_ok && store.ok(),
                          .config_ok = health.config_ok});
}

base::Result<void> show_metrics(MetricsKeeper& metrics, Surroundings& s, const Overview& overview,
                                const std::vector<CertificateOutcome>& outcomes) {
    std::set<std::string_view> let_down;
    for (const CertificateOutcome& outcome : outcomes) {
        if (outcome.error) let_down.insert(outcome.name);
    }
    for (const CertificateStatus& status : overview.certificates) {
        const bool has_passed = !let_down.contains(status.record.name);
        metrics.note(figures_of(status), has_passed ? std::optional(s.clock.now()) : std::nullopt);
    }
    const bool kept_all = std::ranges::none_of(outcomes, is_let_down_by_the_state);
    return metrics.write({.limits = limits_now(s),
                          .free_bytes = overview.store.free_bytes,
                          .store_ok = kept_all && overview.store.ok(),
                          .config_ok = overview.agent.config_error.empty()});
}

}  // namespace agent
