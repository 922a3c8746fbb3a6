// SPDX-License-Identifier: Apache-2.0
#include "agent/work/look.hpp"

#include <algorithm>

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

}  // namespace

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
    const bool all_serve = deployers::all_serving(verdicts);
    known.endpoints = verdicts;
    known.verified_at = now;
    known.serving =
        all_serve && record.wanted() != nullptr ? record.wanted()->number : generation_seen(record, verdicts);
    // What is seen serving is well, however it came about: somebody reloaded by hand, or installed it
    // himself.
    if (all_serve && record.wanted() != nullptr && known.installed == record.wanted()->number)
        known.failure.reset();
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
    base::in_parallel(looked_at.size(), kTargetsAtOnce, [&](std::size_t i) {
        const auto anchors = s.anchors(certificate, looked_at[i]->roots);
        if (!anchors) {
            seen[i] = tl::make_unexpected(anchors.error());
            return;
        }
        seen[i] = deployers::look(looked_at[i]->endpoints, expectation_of(record), *anchors, s.clock);
    });
    return keeper.change([&](Record& changed) {
        for (std::size_t i = 0; i < looked_at.size(); ++i) {
            const std::string& name = looked_at[i]->name;
            TargetRecord& target = changed.target_for(name);
            const bool was_well = !target.failure;
            std::optional<base::Error> error;
            if (!seen[i]) {
                error = seen[i].error();
            } else {
                note_verdicts(changed, name, *seen[i], s.clock.now());
                error = deployers::error_of(*seen[i], certificate.name);
                if (error) error = std::move(*error).within(certificate.name + " on " + name);
            }
            const bool is_in_place =
                changed.wanted() != nullptr && target.installed == changed.wanted()->number;
            if (error && was_well && is_in_place) {
                target.failure = count_failure(std::nullopt, *error, Effort::Deployment, s.clock.now(),
                                               std::nullopt, s.chance());
            }
        }
    });
}

Result<void> look_at_certificate(Surroundings& s, const CertificateConfig& certificate, Keeper& keeper) {
    const Record record = keeper.record();
    const base::Anchors anchors = TRY(s.anchors(certificate, ""));
    s.progress.step(certificate.name, "verify", std::to_string(certificate.endpoints.size()) + " public");
    const auto verdicts = deployers::look(certificate.endpoints, expectation_of(record), anchors, s.clock);
    return keeper.change([&](Record& changed) {
        changed.endpoints = verdicts;
        changed.endpoints_verified_at = s.clock.now();
    });
}

}  // namespace agent
