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

void tell_change(Surroundings& s, const Record& record, const StandingRecords& now) {
    const std::optional<Failure> before = record.standing ? record.standing->failure : std::nullopt;
    const bool goes_on = before && now.failure && before->error.code == now.failure->error.code &&
                         record.standing->ca == now.ca;
    if (now.failure && !goes_on) {
        s.log.warn("{}: {}", record.name, now.failure->error.message);
        s.remember(record.name, {.what = "record_wrong", .error = now.failure->error});
    } else if (!now.failure && before) {
        s.remember(record.name, {.what = "record_well", .text = "what it is renewed by is there again"});
    }
}

/// For the first CA, whether or not there is an account yet, and the others that an order could be placed at.
std::vector<RecordsSeen> look(Surroundings& s, const CertificateConfig& certificate) {
    std::vector<RecordsSeen> seen;
    for (const std::string& name : certificate.ca) {
        const CaConfig& ca = s.config.cas.at(name);
        const auto account =
            s.store.account(ca.name, ca.directory);  // one that cannot be read is renew()'s to tell
        if (!account || !*account || (*account)->url.empty()) {
            if (seen.empty())
                seen.push_back({name, base::fail(Code::CaAccountMissing, "there is no account")});
            continue;
        }
        auto end = find_standing_records(s, certificate, ca, (*account)->url);
        if (!end && certificate.ca.size() > 1)
            end = base::Failure(std::move(end).error().within("CA " + name));
        seen.push_back({name, std::move(end)});
    }
    return seen;
}

}  // namespace

Result<void> watch_standing_records(Surroundings& s, const CertificateConfig& certificate, Keeper& keeper) {
    Record record = keeper.record();
    if (record.standing && record.standing->ca.empty()) record.standing->ca = certificate.ca.front();
    const StandingRecords next =
        next_standing(record.standing, look(s, certificate), s.clock.now(), s.chance());
    tell_change(s, record, next);
    const bool was_wrong = record.standing && record.standing->failure;
    const bool is_mended = was_wrong && !(next.failure && next.ca == record.standing->ca);
    return keeper.change([&](Record& changed) {
        changed.standing = next;
        const bool waited = changed.issuance && changed.issuance->error.code == Code::SolverRecordMissing;
        if (is_mended && waited) changed.issuance->next_attempt = s.clock.now();
    });
}

}  // namespace agent
