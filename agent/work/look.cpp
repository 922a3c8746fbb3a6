// SPDX-License-Identifier: Apache-2.0
#include "agent/work/look.hpp"

#include <algorithm>

#include <spdlog/spdlog.h>

#include "agent/plan/drift.hpp"
#include "agent/plan/retry.hpp"
#include "base/parallel.hpp"
#include "deployers/probe/look.hpp"

namespace agent {

using base::Result;
using deployers::AddressVerdict;
using deployers::EndpointVerdict;
using deployers::Verdict;

namespace {

constexpr std::size_t kTargetsAtOnce = 20;

/// It has what is wanted, and the last look has shown it everywhere.
bool is_verified(const Record& record, const TargetRecord& target) {
    const GenerationRecord* wanted = record.wanted();
    return wanted != nullptr && target.installed == wanted->number && target.serving == wanted->number &&
           deployers::all_serving(target.endpoints);
}

}  // namespace

deployers::NameSource names_of_targets(const Surroundings& s) {
    return {.dns = &s.dns, .also_local = true};
}

deployers::NameSource names_of_visitors(const Surroundings& s) {
    return {.dns = &s.dns, .also_local = !s.config.dns.is_public};
}

deployers::Expectation expectation_of(const Record& record) {
    deployers::Expectation expectation;
    for (const GenerationRecord& g : record.generations)
        expectation.earlier.push_back({.sha256 = g.sha256, .generation = g.number});
    if (expectation.earlier.empty()) return expectation;
    expectation.sha256 = std::move(expectation.earlier.back().sha256);
    expectation.earlier.pop_back();
    return expectation;
}

int generation_seen(const Record& record, const std::vector<EndpointVerdict>& verdicts) {
    std::string seen;
    for (const EndpointVerdict& endpoint : verdicts) {
        for (const AddressVerdict& address : endpoint.addresses) {
            if (address.verdict == Verdict::NotReachableFromHere) continue;
            if (address.sha256.empty() || (!seen.empty() && seen != address.sha256)) return 0;
            seen = address.sha256;
        }
    }
    const GenerationRecord* generation = record.generation_of(seen);
    return generation == nullptr ? 0 : generation->number;
}

void note_verdicts(Record& record, const std::string& target, const std::vector<EndpointVerdict>& verdicts,
                   base::Instant now) {
    TargetRecord& known = record.target_for(target);
    const bool was_verified = is_verified(record, known);
    const bool all_serve = deployers::all_serving(verdicts);
    known.endpoints = verdicts;
    known.verified_at = now;
    known.serving =
        all_serve && record.wanted() != nullptr ? record.wanted()->number : generation_seen(record, verdicts);
    // What is seen serving is well, however it came about: somebody reloaded by hand, or installed it
    // himself.
    if (all_serve && record.wanted() != nullptr && known.installed == record.wanted()->number) {
        known.failure.reset();
        note_well(known.drift, now);
    }
    if (!was_verified && is_verified(record, known))
        record.hooks.push_back({.event = "verified", .target = target, .generation = known.serving});
}

void note_look(Record& record, const CertificateConfig& certificate, const std::string& name,
               const base::Error& error, const LookMoment& moment) {
    TargetRecord& target = record.target_for(name);
    if (record.wanted() == nullptr || target.installed != record.wanted()->number) return;
    const bool is_news = moment.was_serving && !target.drift.seen_at;
    if (is_news) note_drift(target.drift, moment.now, moment.verify_every);
    if (target.failure) return;
    base::Error told = error;
    if (is_news && target.drift.is_contested) {
        told = {.code = base::Code::DeployContested,
                .message = error.message + ". Somebody puts it back: renewd has put it right " +
                           std::to_string(target.drift.repairs.size()) + " times since " +
                           base::format_instant(target.drift.repairs.front()) +
                           ", and does not again before " +
                           base::format_instant(repair_time(target.drift, moment.now).value_or(moment.now)),
                .hint = "find out what else writes there, then  renewd deploy " + certificate.name +
                        " --target " + name,
                .step = "verify"};
    }
    target.failure = count_failure(
        std::nullopt, told, {.effort = Effort::Deployment, .now = moment.now, .chance = moment.chance});
    if (is_news)
        record.hooks.push_back({.event = "drifted",
                                .target = name,
                                .generation = target.installed,
                                .error = std::string(base::to_string(told.code))});
}

Result<void> look_at_targets(Surroundings& s, const CertificateConfig& certificate, Keeper& keeper,
                             const std::vector<std::string>& targets) {
    const Record record = keeper.record();
    std::vector<const TargetConfig*> looked_at;
    for (const TargetConfig& target : certificate.targets) {
        const bool is_named = std::ranges::find(targets, target.name) != targets.end();
        if (is_named && !target.endpoints.empty()) looked_at.push_back(&target);
    }
    std::vector<Result<std::vector<EndpointVerdict>>> seen(looked_at.size());
    s.progress.step(certificate.name, "verify",
                    std::to_string(looked_at.size()) + (looked_at.size() == 1 ? " target" : " targets"));
    RightClock clock = s.clock_to_look_by(record);
    base::in_parallel(looked_at.size(), kTargetsAtOnce, [&](std::size_t i) {
        const auto anchors = s.anchors(certificate, record, looked_at[i]->roots);
        if (!anchors) {
            seen[i] = tl::make_unexpected(anchors.error());
            return;
        }
        seen[i] = deployers::look(looked_at[i]->endpoints, expectation_of(record),
                                  {.anchors = *anchors, .clock = clock, .names = names_of_targets(s)});
    });
    const auto has_drifted = [](const Record& known, const std::string& name) {
        const TargetRecord* target = known.target(name);
        return target != nullptr && target->drift.seen_at.has_value();
    };
    TRY(keeper.change([&](Record& changed) {
        for (std::size_t i = 0; i < looked_at.size(); ++i) {
            const std::string& name = looked_at[i]->name;
            const TargetRecord& target = changed.target_for(name);
            LookMoment moment{
                .now = s.clock.now(),
                .verify_every = s.config.agent.verify_every,
                .chance = s.chance(),
                .was_serving = changed.wanted() != nullptr && target.serving == changed.wanted()->number};
            if (!seen[i]) {
                moment.was_serving = false;  // nobody has looked
                note_look(changed, certificate, name, seen[i].error(), moment);
                continue;
            }
            // A name that does not resolve, and a look that this machine could not take, are no news of the
            // target.
            moment.was_serving = moment.was_serving && deployers::shows_a_fault(*seen[i]);
            note_verdicts(changed, name, *seen[i], moment.now);
            auto error = deployers::error_of(*seen[i], certificate.name);
            s.count_attempt("verify", !error);
            if (error)
                note_look(changed, certificate, name,
                          std::move(*error).within(certificate.name + " on " + name), moment);
        }
    }));
    const Record now_known = keeper.record();
    for (const TargetConfig* target : looked_at) {
        if (!has_drifted(now_known, target->name) || has_drifted(record, target->name)) continue;
        const TargetRecord& drifted = *now_known.target(target->name);
        s.log.warn("{}", drifted.failure ? drifted.failure->error.message : target->name + " has drifted");
        s.remember(certificate.name,
                   {.what = "drifted",
                    .generation = drifted.installed,
                    .target = target->name,
                    .error = drifted.failure ? std::optional(drifted.failure->error) : std::nullopt});
    }
    return {};
}

Result<void> look_at_certificate(Surroundings& s, const CertificateConfig& certificate, Keeper& keeper) {
    const Record record = keeper.record();
    const base::Anchors anchors = TRY(s.anchors(certificate, record, ""));
    s.progress.step(certificate.name, "verify", std::to_string(certificate.endpoints.size()) + " public");
    RightClock clock = s.clock_to_look_by(record);
    const auto verdicts =
        deployers::look(certificate.endpoints, expectation_of(record),
                        {.anchors = anchors, .clock = clock, .names = names_of_visitors(s)});
    return keeper.change([&](Record& changed) {
        changed.endpoints = verdicts;
        changed.endpoints_verified_at = s.clock.now();
    });
}

}  // namespace agent
