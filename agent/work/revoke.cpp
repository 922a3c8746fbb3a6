// SPDX-License-Identifier: Apache-2.0
#include "agent/work/revoke.hpp"

#include <algorithm>

#include <spdlog/spdlog.h>

#include "acme/revocation.hpp"
#include "agent/plan/plan.hpp"
#include "agent/plan/retry.hpp"
#include "agent/plan/revocation.hpp"

namespace agent {

using base::Code;
using base::Result;

namespace {

std::string list(const std::vector<std::string>& places) {
    std::string text;
    for (const std::string& place : places) text += (text.empty() ? "" : "; ") + place;
    return text;
}

/// By the account that it was issued to; by its own key where that is another one, or is not let.
Result<void> ask_ca(Surroundings& s, const CertificateConfig& certificate, const GenerationRecord& record,
                    acme::RevocationReason reason) {
    const CaConfig* known = issuer_of(s.config, record.ordered_for);
    if (known == nullptr) {
        const std::string& directory = record.ordered_for.directory;
        const std::string where = directory.empty() ? "" : " (" + directory + ")";
        return base::fail(Code::ConfigMissing,
                          "generation " + std::to_string(record.number) + " is of the CA " +
                              record.ordered_for.ca + where + ", which is not in the configuration",
                          "put [ca." + record.ordered_for.ca + "] back until it is revoked");
    }
    const CaConfig& ca = *known;
    const deployers::Generation generation = TRY(s.store.generation(certificate.name, record.number));
    const std::string der = generation.chain.front().der();
    const auto account = s.account(ca);
    if (account && account->url == record.account) {
        auto done = acme::revoke(s.session(ca), *account, der, reason);
        const bool is_about_us = !done && done.error().code == Code::CaRevocationRefused &&
                                 !done.error().problem.ends_with(":badRevocationReason");
        const bool is_lost = !done && done.error().code == Code::CaAccountMissing;
        if ((!is_about_us && !is_lost) || !generation.has_key()) return done;
    }
    if (!generation.has_key()) {
        return base::fail(Code::CaRevocationRefused,
                          "generation " + std::to_string(record.number) + " belongs to the account " +
                              record.account + ", which is not ours any more, and its key is the user's own",
                          "revoke it at the CA with that key (RFC 8555 §7.6)");
    }
    const acme::Account own{.key = TRY(base::PrivateKey::parse(generation.key_pem))};
    return acme::revoke(s.session(ca), own, der, reason);
}

Result<void> note_failure(Surroundings& s, Keeper& keeper, int number, base::Error error) {
    return keeper.change([&](Record& record) {
        for (Revocation& each : record.revocations) {
            if (each.generation != number) continue;
            each.failure = count_failure(each.failure, error, {.now = s.clock.now(), .chance = s.chance()});
        }
    });
}

Result<void> note_revoked(Surroundings& s, const CertificateConfig& certificate, Keeper& keeper,
                          const Revocation& revocation) {
    GenerationRecord revoked = *keeper.record().generation(revocation.generation);
    revoked.revoked_at = s.clock.now();
    revoked.revocation_reason = revocation.reason;
    // Beside its files, too: a record that is put together again must not forget this.
    TRY(s.store.amend(certificate.name, revoked));
    return keeper.change([&](Record& record) {
        for (GenerationRecord& each : record.generations) {
            if (each.number == revoked.number) each = revoked;
        }
        std::erase_if(record.revocations,
                      [&](const Revocation& each) { return each.generation == revoked.number; });
    });
}

Result<void> revoke_one(Surroundings& s, const CertificateConfig& certificate, Keeper& keeper,
                        const Revocation& revocation, std::vector<std::string>& remarks) {
    const Record record = keeper.record();
    const std::string what = "generation " + std::to_string(revocation.generation);
    s.progress.step(certificate.name, "revoke", what);
    const auto reason = acme::parse_revocation_reason(revocation.reason);
    auto done = ask_ca(s, certificate, *record.generation(revocation.generation),
                       reason.value_or(acme::RevocationReason::Unspecified));
    if (!done) {
        const base::Error error =
            std::move(done).error().within(certificate.name + ": " + what + " could not be revoked");
        s.log.warn("{}", error.message);
        s.remember(certificate.name,
                   {.what = "not_revoked", .generation = revocation.generation, .error = error});
        return note_failure(s, keeper, revocation.generation, error);
    }
    TRY(note_revoked(s, certificate, keeper, revocation));
    s.remember(certificate.name,
               {.what = "revoked", .generation = revocation.generation, .text = revocation.reason});
    s.log.info("{}: {} is revoked ({})", certificate.name, what, revocation.reason);
    const auto places = places_of(certificate, record, revocation.generation);
    if (!places.empty())
        remarks.push_back(certificate.name + ": " + what + " was revoked while it was served by " +
                          list(places));
    return {};
}

}  // namespace

Result<void> want_revoked(Surroundings& s, const CertificateConfig& certificate, Keeper& keeper,
                          const RevocationWish& wish) {
    const Record before = keeper.record();
    const GenerationRecord* wanted = before.wanted();
    if (wanted == nullptr) return {};
    const bool is_new = before.revocation(wanted->number) == nullptr && !wanted->revoked_at;
    if (is_new) TRY(s.store.drop_orders(certificate.name));
    const base::Instant now = s.clock.now();
    return keeper.change([&](Record& record) {
        for (const GenerationRecord& generation : record.generations) {
            if (generation.revoked_at || generation.not_after <= now) continue;
            std::erase_if(record.revocations,
                          [&](const Revocation& each) { return each.generation == generation.number; });
            record.revocations.push_back({.generation = generation.number,
                                          .reason = wish.reason,
                                          .not_later_than = wish.not_later_than});
        }
    });
}

Result<void> revoke_due(Surroundings& s, const CertificateConfig& certificate, Keeper& keeper, bool eager,
                        std::set<int>& tried, std::vector<std::string>& remarks) {
    const Record record = keeper.record();
    for (const Revocation& revocation : record.revocations) {
        const base::Instant now = s.clock.now();
        const auto at = revocation_time(certificate, record, revocation, now, eager);
        if (!at || *at > now || !tried.insert(revocation.generation).second) continue;
        TRY(revoke_one(s, certificate, keeper, revocation, remarks));
    }
    return {};
}

}  // namespace agent
