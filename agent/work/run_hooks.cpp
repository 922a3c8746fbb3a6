// SPDX-License-Identifier: Apache-2.0
#include "agent/work/run_hooks.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "agent/plan/expiry.hpp"
#include "agent/plan/retry.hpp"
#include "agent/tell/json_text.hpp"
#include "agent/tell/status.hpp"
#include "agent/tell/words.hpp"
#include "hooks/runner.hpp"

namespace agent {

using base::Result;
using nlohmann::json;

namespace {

/// The same happening, in the record as it is now.
auto find_pending(Record& record, const PendingHook& hook) {
    return std::ranges::find_if(record.hooks, [&](const PendingHook& other) {
        return other.event == hook.event && other.target == hook.target &&
               other.generation == hook.generation && other.error == hook.error;
    });
}

hooks::Event event_of(Surroundings& s, const CertificateConfig& certificate, const Record& record,
                      const PendingHook& hook) {
    const base::Instant now = s.clock.now();
    const CertificateStatus status = status_of(certificate, record,
                                               /*has_open_order=*/false, s.config.agent.verify_every, now);
    json target = nullptr;
    json error = nullptr;
    for (const TargetStatus& candidate : status.targets) {
        if (candidate.config->name != hook.target) continue;
        target = to_json(candidate);
        if (!hook.error.empty() && candidate.record.failure) error = to_json(candidate.record.failure->error);
    }
    if (hook.event == "failed" && hook.target.empty() && record.issuance)
        error = to_json(record.issuance->error);
    hooks::Event event{
        .name = hook.event,
        .certificate = certificate.name,
        .generation = hook.generation,
        .directory = hook.generation == 0 ? "" : s.store.directory_of(certificate.name, hook.generation),
        .target = hook.target,
        .error = hook.error};
    for (const base::Identifier& name : certificate.names) event.names.push_back(name.value);
    event.json = json_text({{"version", 1},
                            {"event", hook.event},
                            {"at", base::format_instant(now)},
                            {"certificate", to_json(status)},
                            {"target", std::move(target)},
                            {"error", std::move(error)}},
                           -1);
    return event;
}

/// Those of everybody's, then the certificate's own.
Result<std::vector<hooks::Hook>> hooks_at(Surroundings& s, const CertificateConfig& certificate,
                                          const std::string& event) {
    auto programs = TRY(hooks::find_hooks(s.files, s.config.hooks.directory, event));
    if (const auto own = certificate.hooks.find(event); own != certificate.hooks.end())
        programs.push_back({.argv = own->second});
    return programs;
}

hooks::HookReport run_for(Surroundings& s, const CertificateConfig& certificate, const hooks::Event& event) {
    auto programs = hooks_at(s, certificate, event.name);
    if (!programs) return {.error = std::move(programs).error()};
    hooks::HookReport report = hooks::run_hooks(s.files, *programs, event, s.config.hooks.timeout);
    if (!programs->empty()) {
        s.remember(certificate.name,
                   {.what = "hook",
                    .generation = event.generation,
                    .target = event.target,
                    .text = event.name + (report.output.empty() ? "" : ": " + report.output),
                    .error = report.error});
    }
    return report;
}

}  // namespace

Result<void> raise_served(Surroundings& s, const CertificateConfig& certificate, Keeper& keeper) {
    const Record record = keeper.record();
    const GenerationRecord* wanted = record.wanted();
    if (wanted == nullptr || record.served_told >= wanted->number) return {};
    std::size_t serving = 0;
    for (const TargetConfig& target : certificate.targets) {
        if (target.endpoints.empty()) continue;
        ++serving;
        const TargetRecord* known = record.target(target.name);
        if (known == nullptr || known->installed != wanted->number ||
            !deployers::all_serving(known->endpoints))
            return {};
    }
    if (serving == 0) return {};
    TRY(keeper.change([&](Record& changed) {
        changed.served_told = wanted->number;
        changed.hooks.push_back({.event = "served", .generation = wanted->number});
    }));
    s.remember(certificate.name,
               {.what = "served", .generation = wanted->number, .text = "by " + counted(serving, "target")});
    return {};
}

Result<void> raise_expiring(Surroundings& s, const CertificateConfig& certificate, Keeper& keeper) {
    const Record record = keeper.record();
    const auto warning = due_warning(certificate, record, s.right_time(record));
    if (!warning) return {};
    const GenerationRecord& served = *oldest_served(certificate, record);
    const std::string text = "generation " + std::to_string(served.number) + " is served and lasts until " +
                             base::format_instant(served.not_after);
    s.log.warn("{}: {}", certificate.name, text);
    s.remember(certificate.name, {.what = "expiring", .generation = served.number, .text = text});
    return keeper.change([&](Record& changed) {
        changed.warned = *warning;
        changed.hooks.push_back({.event = "expiring", .generation = served.number});
    });
}

Result<void> ask_hooks(Surroundings& s, const CertificateConfig& certificate, const Record& record,
                       const std::string& event, const std::string& target) {
    const GenerationRecord* wanted = record.wanted();
    const PendingHook hook{
        .event = event, .target = target, .generation = wanted == nullptr ? 0 : wanted->number};
    hooks::HookReport report = run_for(s, certificate, event_of(s, certificate, record, hook));
    if (report.error) return tl::make_unexpected(*std::move(report.error));
    return {};
}

Places places_for_hooks(Surroundings& s, const CertificateConfig& certificate, const std::string& event) {
    const auto programs = hooks_at(s, certificate, event);
    // Nobody knows which, and whoever is about to run them is told why.
    if (!programs) return places_to_run(s.config.agent, {{s.config.hooks.directory}});
    std::vector<std::vector<std::string>> argvs;
    argvs.reserve(programs->size());
    for (const hooks::Hook& hook : *programs) argvs.push_back(hook.argv);
    return places_to_run(s.config.agent, argvs);
}

Result<bool> run_due_hooks(Surroundings& s, const CertificateConfig& certificate, Keeper& keeper, bool all,
                           Errand& errand) {
    const std::vector<PendingHook> owed = keeper.record().hooks;
    for (const PendingHook& hook : owed) {
        if (!all && hook.failure && believed_attempt(*hook.failure, s.clock.now()) > s.clock.now()) continue;
        const Turns::Turn turn = errand.take(places_for_hooks(s, certificate, hook.event));
        if (!turn) return false;
        const hooks::HookReport report =
            run_for(s, certificate, event_of(s, certificate, keeper.record(), hook));
        if (report.error) s.log.warn("{}: {}", certificate.name, report.error->message);
        TRY(keeper.change([&](Record& record) {
            const auto pending = find_pending(record, hook);
            if (pending == record.hooks.end()) return;
            if (!report.error) {
                record.hooks.erase(pending);
            } else {
                pending->failure =
                    count_failure(pending->failure, *report.error,
                                  {.effort = Effort::Deployment, .now = s.clock.now(), .chance = s.chance()});
            }
        }));
    }
    return true;
}

}  // namespace agent
