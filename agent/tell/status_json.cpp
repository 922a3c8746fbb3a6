// SPDX-License-Identifier: Apache-2.0
// The status as JSON, version 1: scripts and monitoring hold on to every name here.
#include <nlohmann/json.hpp>

#include "agent/tell/causes.hpp"
#include "agent/tell/json_text.hpp"
#include "agent/tell/overview.hpp"

namespace agent {

using base::Instant;
using nlohmann::json;

namespace {

json verdicts(const std::vector<deployers::EndpointVerdict>& endpoints) {
    json list = json::array();
    for (const deployers::EndpointVerdict& endpoint : endpoints) list.push_back(to_json(endpoint));
    return list;
}

/// Where nobody named an instant, ours is the one before which it is not tried again.
json error_of(const std::optional<Failure>& failure) {
    if (!failure) return nullptr;
    base::Error error = failure->error;
    error.retry_at = error.retry_at.value_or(failure->next_attempt);
    return to_json(error);
}

json list_of(const std::vector<Condition>& conditions) {
    json list = json::array();
    for (const Condition& condition : conditions) {
        list.push_back({{"code", condition.code},
                        {"since", base::format_instant(condition.since)},
                        {"message", condition.message},
                        {"hint", condition.hint}});
    }
    return list;
}

json attention_of(const CertificateStatus& status) {
    if (!status.attention) return nullptr;
    return {{"severity", status.attention->is_critical ? "critical" : "warning"},
            {"since", base::format_instant(status.attention->since)},
            {"cause", status.attention->cause}};
}

json held_of(const CertificateStatus& status) {
    if (!status.held) return nullptr;
    const Hold& hold = *status.held;
    return {{"by", to_string(hold.by)}, {"reason", hold.reason}, {"until", instant_or_null(hold.over_at())}};
}

json all_causes(const Overview& overview) {
    json list = json::array();
    for (const Cause& cause : causes_of(overview)) {
        if (cause.mark != '!') continue;
        list.push_back({{"id", cause.id},
                        {"code", cause.code},
                        {"message", cause.message},
                        {"hint", cause.hint},
                        {"certificates", cause.names.size()},
                        {"first_expiry", instant_or_null(cause.first_expiry)}});
    }
    return list;
}

/// The next thing that changes something; looks are routine.
json next_of(const Overview& overview) {
    struct Next {
        Instant at{};
        std::string name{};
        const char* action = nullptr;
    } next;

    const auto offer = [&](Instant at, const std::string& name, const char* action) {
        if (next.action == nullptr || at < next.at) next = {.at = at, .name = name, .action = action};
    };
    for (const CertificateStatus& status : overview.certificates) {
        if (status.config == nullptr) continue;
        offer(status.plan.renewal.held_until.value_or(status.plan.renewal.at), status.record.name, "renew");
        for (const TargetPlan& target : status.plan.targets) {
            if (target.action == TargetAction::Deploy && target.at)
                offer(*target.at, status.record.name, "deploy");
        }
    }
    if (next.action == nullptr) return nullptr;
    return {{"at", base::format_instant(next.at)}, {"name", next.name}, {"action", next.action}};
}

json renewal_of(const CertificateStatus& status) {
    const auto& said = status.record.suggestion;
    const GenerationRecord* wanted = status.record.wanted();
    const bool has_window =
        said && said->start && said->end && wanted != nullptr && said->generation == wanted->number;
    const bool explains = has_window && !said->explanation_url.empty();
    return {{"at", base::format_instant(status.plan.renewal.held_until.value_or(status.plan.renewal.at))},
            {"reason", to_string(status.plan.renewal.reason)},
            {"window", has_window ? json{{"start", base::format_instant(*said->start)},
                                         {"end", base::format_instant(*said->end)}}
                                  : json(nullptr)},
            {"explanation_url", explains ? json(said->explanation_url) : json(nullptr)}};
}

/// Of what is asked for; of a removed certificate, what was.
json key_of(const CertificateStatus& status) {
    const GenerationRecord* wanted = status.record.wanted();
    if (status.config == nullptr && wanted == nullptr) return nullptr;
    const bool is_own = status.config != nullptr ? status.config->request.has_value()
                                                 : !wanted->ordered_for.request_key.empty();
    const std::string type = status.config == nullptr ? wanted->ordered_for.key_type
                             : is_own                 ? status.config->request->key_type
                                                      : std::string(base::to_string(status.config->key_type));
    return {{"origin", is_own ? "request" : "renewd"},
            {"type", type},
            {"csr", is_own && status.config != nullptr ? json(status.config->csr) : json(nullptr)}};
}

}  // namespace

json to_json(const TargetStatus& target) {
    const TargetRecord& record = target.record;
    return {{"name", target.config->name},
            {"deployer", target.config->deployer},
            {"host", target.config->host.empty() ? json(nullptr) : json(target.config->host)},
            {"state", to_string(target.state)},
            {"wanted", target.wanted},
            {"installed", record.installed},
            {"serving", record.serving},
            {"deployed_at", instant_or_null(record.deployed_at)},
            {"verified_at", instant_or_null(record.verified_at)},
            {"failures", record.failure ? record.failure->count : 0},
            {"next_attempt",
             record.failure ? json(base::format_instant(record.failure->next_attempt)) : json(nullptr)},
            {"last_error", error_of(record.failure)},
            {"endpoints", verdicts(record.endpoints)}};
}

json to_json(const CertificateStatus& status) {
    const Record& record = status.record;
    const GenerationRecord* wanted = record.wanted();
    json names = json::array();
    if (status.config != nullptr) {
        for (const base::Identifier& name : status.config->names) names.push_back(name.value);
    } else if (wanted != nullptr) {
        names = wanted->ordered_for.names;
    }
    json targets = json::array();
    for (const TargetStatus& target : status.targets) targets.push_back(to_json(target));
    const std::string contact = status.config == nullptr ? "" : status.config->contact;
    json object = {
        {"name", record.name},
        {"names", std::move(names)},
        {"ca", ca_of(status)},
        {"key", key_of(status)},
        {"contact", contact.empty() ? json(nullptr) : json(contact)},
        {"state", to_string(status.state)},
        {"generation", wanted == nullptr ? 0 : wanted->number},
        {"wanted_generation", wanted == nullptr ? 0 : wanted->number},
        {"serial", wanted == nullptr ? json(nullptr) : json(wanted->serial)},
        {"sha256", wanted == nullptr ? json(nullptr) : json(wanted->sha256)},
        {"not_before", wanted == nullptr ? json(nullptr) : json(base::format_instant(wanted->not_before))},
        {"not_after", wanted == nullptr ? json(nullptr) : json(base::format_instant(wanted->not_after))},
        {"served",
         {{"expected", status.served.expected},
          {"serving", status.served.serving},
          {"oldest_not_after", instant_or_null(status.served.oldest_not_after)}}},
        {"renewal", status.config == nullptr ? json(nullptr) : renewal_of(status)},
        {"failures", record.issuance ? record.issuance->count : 0},
        {"last_error", error_of(record.issuance)},
        {"attention", attention_of(status)},
        {"held", held_of(status)},
        {"conditions", list_of(status.conditions)},
        {"targets", std::move(targets)},
        {"endpoints", verdicts(record.endpoints)}};
    return object;
}

json to_json(const Overview& overview) {
    json certificates = json::array();
    std::size_t ok = 0;
    std::size_t attention = 0;
    for (const CertificateStatus& status : overview.certificates) {
        certificates.push_back(to_json(status));
        if (status.state == CertificateState::Ok) ++ok;
        if (status.attention) ++attention;
    }
    return {{"version", 1},
            {"generated_at", base::format_instant(overview.now)},
            {"agent",
             {{"running", overview.agent.is_running},
              {"since", instant_or_null(overview.agent.since)},
              {"config", overview.agent.config_error.empty() ? "ok" : "last_accepted"},
              {"config_accepted_at", instant_or_null(overview.agent.config_accepted_at)}}},
            {"clock",
             {{"ok", !overview.clock.has_value()},
              {"message", overview.clock ? json(overview.clock->message) : json(nullptr)}}},
            {"store",
             {{"ok", overview.store.ok()},
              {"message", overview.store.ok() ? json(nullptr) : json(as_one(overview.store.errors).message)},
              {"free_bytes", overview.store.free_bytes}}},
            {"conditions", list_of(overview.conditions)},
            {"certificates", std::move(certificates)},
            {"causes", all_causes(overview)},
            {"summary",
             {{"certificates", overview.certificates.size()},
              {"ok", ok},
              {"attention", attention},
              {"next", next_of(overview)}}}};
}

}  // namespace agent
