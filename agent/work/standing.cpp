// SPDX-License-Identifier: Apache-2.0
#include "agent/work/standing.hpp"

#include <spdlog/spdlog.h>

#include "agent/plan/standing.hpp"
#include "agent/work/solvers.hpp"

namespace agent {

using base::Code;
using base::Result;

Result<std::optional<acme::RecordEnd>> find_standing_records(Surroundings& s,
                                                             const CertificateConfig& certificate,
                                                             const CaConfig& ca,
                                                             const std::string& account_url) {
    if (!certificate.has_standing_records) return std::optional<acme::RecordEnd>{};
    const std::vector<std::string> issuers = TRY(s.session(ca).directory()).caa_identities;
    if (issuers.empty()) return std::optional<acme::RecordEnd>{};
    std::vector<acme::ChallengeTask> tasks;
    for (const base::Identifier& name : certificate.names) {
        const SolverConfig* solver = solver_for(s.config, certificate, name);
        if (solver == nullptr || solver->type != "dns-persist-01") continue;
        tasks.push_back({.identifier = name, .account_url = account_url, .issuer_domains = issuers});
    }
    return acme::find_persist_records(txt_reader(s.dns, s.config), tasks, acme::IssuerNames::Supposed,
                                      s.clock.now());
}

namespace {

constexpr base::Seconds kAskAgain{15 * 60};

/// Nothing was seen of them: we could not ask, or had nothing to ask for.
bool is_about_the_ca(const base::Error& error) {
    const std::string_view code = base::to_string(error.code);
    return code.starts_with("ca/") || code.starts_with("net/");
}

void tell_change(Surroundings& s, const Record& record, const StandingRecords& now) {
    const bool was_wrong = record.standing && record.standing->failure;
    if (now.failure && now.failure->count == 1) {
        s.log.warn("{}: {}", record.name, now.failure->error.message);
        s.remember(record.name, {.what = "record_wrong", .error = now.failure->error});
    } else if (!now.failure && was_wrong) {
        s.remember(record.name, {.what = "record_well", .text = "what it is renewed by is there again"});
    }
}

}  // namespace

Result<void> watch_standing_records(Surroundings& s, const CertificateConfig& certificate, Keeper& keeper) {
    const CaConfig& ca = s.config.cas.at(certificate.ca.front());
    const auto account =
        s.store.account(ca.name, ca.directory);  // one that cannot be read is renew()'s to tell
    const Record record = keeper.record();
    Result<std::optional<acme::RecordEnd>> seen = base::fail(Code::CaAccountMissing, "there is no account");
    if (account && *account && !(*account)->url.empty())
        seen = find_standing_records(s, certificate, ca, (*account)->url);
    StandingRecords next = next_standing(record.standing, seen, s.clock.now(), s.chance());
    if (!seen && is_about_the_ca(seen.error())) {
        next = record.standing.value_or(StandingRecords{});  // what is known of them is as it was
        next.looked_at = s.clock.now();
        if (next.failure) next.failure->next_attempt = s.clock.now() + kAskAgain;
    } else {
        tell_change(s, record, next);
    }
    const bool is_mended = record.standing && record.standing->failure && !next.failure;
    return keeper.change([&](Record& changed) {
        changed.standing = next;
        const bool waited = changed.issuance && changed.issuance->error.code == Code::SolverRecordMissing;
        if (is_mended && waited) changed.issuance->next_attempt = s.clock.now();
    });
}

}  // namespace agent
