// SPDX-License-Identifier: Apache-2.0
#include "agent/work/removed.hpp"

#include <algorithm>
#include <set>

#include <spdlog/spdlog.h>

#include "agent/plan/retry.hpp"
#include "agent/plan/revocation.hpp"
#include "agent/work/residue.hpp"
#include "agent/work/revoke.hpp"

namespace agent {

using base::Result;

namespace {

/// Nobody looks any more whether somebody serves it: what is to be revoked once nobody does is left alone.
bool may_revoke(const Record& record) {
    return std::ranges::all_of(record.revocations,
                               [](const Revocation& waiting) { return waiting.not_later_than.has_value(); });
}

/// Is there anything to be done for it now? Reading needs no lease.
bool owes_anything(const CertificateConfig& gone, const Record& record, base::Instant now, bool eager) {
    const auto revoke_at = next_revocation(gone, record, now, eager);
    const bool revokes = may_revoke(record) && revoke_at && *revoke_at <= now;
    return revokes || std::ranges::any_of(record.residue, [&](const Residue& residue) {
               return clean_up_time(residue, now, eager) <= now;
           });
}

Result<void> tend(Surroundings& s, const std::string& certificate, bool eager) {
    const auto known = TRY(s.store.load(certificate));
    if (!known || !owes_anything(as_remembered(*known), *known, s.clock.now(), eager)) return {};
    const auto keeper = TRY(Keeper::open(s.store, certificate, s.clock.now()));
    const Record record = keeper->record();  // another renewd may have been at work on it until now
    const CertificateConfig gone = as_remembered(record);
    std::set<int> tried;
    std::vector<std::string> remarks;
    if (may_revoke(record)) TRY(revoke_due(s, gone, *keeper, eager, tried, remarks));
    for (const std::string& remark : remarks) s.log.warn("{}", remark);
    return clean_up_residue(s, gone, *keeper, eager);
}

}  // namespace

Result<std::vector<std::string>> removed_certificates(Store& store, const IsConfigured& is_configured) {
    std::vector<std::string> names = TRY(store.certificates());
    std::erase_if(names, is_configured);
    std::ranges::sort(names);
    return names;
}

void tend_removed(Surroundings& s, const std::string& certificate, bool eager) {
    const auto done = tend(s, certificate, eager);
    if (!done)
        s.log.warn("{}, which is removed from the configuration: {}", certificate, done.error().message);
}

void tend_all_removed(Surroundings& s, const IsConfigured& is_configured, bool eager) {
    const auto names = removed_certificates(s.store, is_configured);
    if (!names) {
        s.log.warn("removed certificates: {}", names.error().message);
        return;
    }
    for (const std::string& name : *names) tend_removed(s, name, eager);
}

}  // namespace agent
