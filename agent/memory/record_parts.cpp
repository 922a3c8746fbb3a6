// SPDX-License-Identifier: Apache-2.0
#include "agent/memory/record_parts.hpp"

namespace agent {

using base::Code;
using base::Instant;
using nlohmann::json;

json write(const std::optional<Instant>& instant) {
    return instant ? json(base::format_instant(*instant)) : json(nullptr);
}

namespace {

base::Error read_error(JsonReader& reader, const json& object) {
    base::Error error{
        .code =
            base::parse_code(reader.value<std::string>(object, "code")).value_or(Code::InternalUnexpected),
        .message = reader.value<std::string>(object, "message"),
        .hint = reader.value<std::string>(object, "hint"),
        .step = reader.value<std::string>(object, "step")};
    error.retry_at = reader.instant(object, "retry_at");
    if (const auto problem = object.find("problem"); problem != object.end() && problem->is_string()) {
        error.problem = problem->get<std::string>();
    }
    return error;
}

json write(const Failure& failure) {
    return {{"count", failure.count},
            {"since", base::format_instant(failure.since)},
            {"next_attempt", base::format_instant(failure.next_attempt)},
            {"error", to_json(failure.error)}};
}

}  // namespace

Failure read_failure(JsonReader& reader, const json& object) {
    Failure failure{.count = reader.value<int>(object, "count"),
                    .since = reader.required_instant(object, "since"),
                    .next_attempt = reader.required_instant(object, "next_attempt")};
    if (const auto error = object.find("error"); error != object.end() && error->is_object()) {
        failure.error = read_error(reader, *error);
    } else {
        reader.refuse();
    }
    return failure;
}

json write(const std::optional<Failure>& failure) {
    return failure ? write(*failure) : json(nullptr);
}

json write(const OrderedFor& o) {
    return {{"names", o.names},
            {"ca", o.ca},
            {"directory", o.directory},
            {"cas", o.cas},
            {"key_type", o.key_type},
            {"profile", o.profile},
            {"key", o.request_key.empty() ? "renewd" : "request"},
            {"request_key", o.request_key}};
}

json write(const GenerationRecord& g) {
    json object = write(g.ordered_for);
    object.update({{"number", g.number},
                   {"account", g.account},
                   {"order", g.order},
                   {"renewal_id", g.renewal_id},
                   {"sha256", g.sha256},
                   {"serial", g.serial},
                   {"not_before", base::format_instant(g.not_before)},
                   {"not_after", base::format_instant(g.not_after)},
                   {"issued_at", base::format_instant(g.issued_at)},
                   {"revoked_at", write(g.revoked_at)},
                   {"revocation_reason", g.revocation_reason},
                   {"early_in_a_row", g.early_in_a_row}});
    return object;
}

namespace {

std::string read_string(JsonReader& reader, const json& item) {
    if (item.is_string()) return item.get<std::string>();
    reader.refuse();
    return {};
}

}  // namespace

OrderedFor read_ordered_for(JsonReader& reader, const json& object) {
    return {.names = reader.list<std::string>(object, "names", read_string),
            .ca = reader.value<std::string>(object, "ca"),
            .directory = reader.later_text(object, "directory"),
            .cas = object.contains("cas") ? reader.list<std::string>(object, "cas", read_string)
                                          : std::vector{reader.value<std::string>(object, "ca")},
            .key_type = reader.value<std::string>(object, "key_type"),
            .profile = reader.value<std::string>(object, "profile"),
            .request_key = reader.later_text(object, "request_key")};
}

GenerationRecord read_generation(JsonReader& reader, const json& object) {
    return {.number = reader.value<int>(object, "number"),
            .ordered_for = read_ordered_for(reader, object),
            .account = reader.value<std::string>(object, "account"),
            .order = reader.value<std::string>(object, "order"),
            .renewal_id = reader.later_text(object, "renewal_id"),
            .sha256 = reader.value<std::string>(object, "sha256"),
            .serial = reader.value<std::string>(object, "serial"),
            .not_before = reader.required_instant(object, "not_before"),
            .not_after = reader.required_instant(object, "not_after"),
            .issued_at = reader.required_instant(object, "issued_at"),
            .revoked_at = object.contains("revoked_at") ? reader.instant(object, "revoked_at") : std::nullopt,
            .revocation_reason = reader.later_text(object, "revocation_reason"),
            .early_in_a_row =
                object.contains("early_in_a_row") ? reader.value<int>(object, "early_in_a_row") : 0};
}

namespace {

deployers::Verdict read_verdict(JsonReader& reader, const json& object) {
    const auto verdict = deployers::parse_verdict(reader.value<std::string>(object, "verdict"));
    if (!verdict) reader.refuse();
    return verdict.value_or(deployers::Verdict::Unresolved);
}

deployers::AddressVerdict read_address(JsonReader& reader, const json& object) {
    deployers::AddressVerdict address{.address = reader.value<std::string>(object, "address"),
                                      .verdict = read_verdict(reader, object)};
    if (const auto leaf = object.find("sha256"); leaf != object.end() && leaf->is_string())
        address.sha256 = *leaf;
    if (const auto text = object.find("error"); text != object.end() && text->is_string())
        address.error = *text;
    address.not_after = reader.instant(object, "not_after");
    return address;
}

}  // namespace

deployers::EndpointVerdict read_endpoint(JsonReader& reader, const json& object) {
    return {.endpoint = reader.value<std::string>(object, "endpoint"),
            .verdict = read_verdict(reader, object),
            .addresses = reader.list<deployers::AddressVerdict>(object, "addresses", read_address)};
}

json write(const std::vector<deployers::EndpointVerdict>& verdicts) {
    json list = json::array();
    for (const deployers::EndpointVerdict& verdict : verdicts) list.push_back(to_json(verdict));
    return list;
}

namespace {

json write_drift(const Drift& d) {
    json repairs = json::array();
    for (const Instant at : d.repairs) repairs.push_back(base::format_instant(at));
    return {{"seen_at", agent::write(d.seen_at)},
            {"repairs", std::move(repairs)},
            {"is_contested", d.is_contested}};
}

Instant read_repair(JsonReader& reader, const json& item) {
    const auto at = item.is_string() ? base::parse_instant(item.get_ref<const std::string&>()) : std::nullopt;
    if (!at) reader.refuse();
    return at.value_or(Instant{});
}

Drift read_drift(JsonReader& reader, const json& object) {
    return {.seen_at = reader.instant(object, "seen_at"),
            .repairs = reader.list<Instant>(object, "repairs", read_repair),
            .is_contested = reader.value<bool>(object, "is_contested")};
}

}  // namespace

json write(const TargetRecord& t) {
    return {{"name", t.name},
            {"installed", t.installed},
            {"serving", t.serving},
            {"attempting", t.attempting},
            {"fingerprint", t.fingerprint},
            {"deployed_at", write(t.deployed_at)},
            {"verified_at", write(t.verified_at)},
            {"failure", write(t.failure)},
            {"endpoints", write(t.endpoints)},
            {"drift", write_drift(t.drift)}};
}

TargetRecord read_target(JsonReader& reader, const json& object) {
    return {.name = reader.value<std::string>(object, "name"),
            .installed = reader.value<int>(object, "installed"),
            .serving = reader.value<int>(object, "serving"),
            .attempting = reader.value<int>(object, "attempting"),
            .fingerprint = reader.value<std::string>(object, "fingerprint"),
            .deployed_at = reader.instant(object, "deployed_at"),
            .verified_at = reader.instant(object, "verified_at"),
            .failure = reader.optional<Failure>(object, "failure", read_failure),
            .endpoints = reader.list<deployers::EndpointVerdict>(object, "endpoints", read_endpoint),
            .drift = reader.optional<Drift>(object, "drift", read_drift).value_or(Drift{})};
}

json write(const std::optional<StandingRecords>& s) {
    if (!s) return nullptr;
    return {{"looked_at", base::format_instant(s->looked_at)},
            {"ending", s->end ? json(s->end->name) : json(nullptr)},
            {"ends_at", write(s->end ? std::optional(s->end->at) : std::nullopt)},
            {"failure", write(s->failure)},
            {"ca", s->ca}};
}

StandingRecords read_standing(JsonReader& reader, const json& object) {
    StandingRecords standing{.looked_at = reader.required_instant(object, "looked_at"),
                             .failure = reader.optional<Failure>(object, "failure", read_failure),
                             .ca = object.contains("ca") ? reader.value<std::string>(object, "ca") : ""};
    if (const auto at = reader.instant(object, "ends_at"))
        standing.end = acme::RecordEnd{.name = reader.value<std::string>(object, "ending"), .at = *at};
    return standing;
}

json write(const std::optional<Pause>& p) {
    if (!p) return nullptr;
    return {{"since", base::format_instant(p->since)},
            {"until", write(p->until)},
            {"by", p->by},
            {"reason", p->reason}};
}

Pause read_pause(JsonReader& reader, const json& object) {
    return {.since = reader.required_instant(object, "since"),
            .until = reader.instant(object, "until"),
            .by = reader.value<std::string>(object, "by"),
            .reason = reader.value<std::string>(object, "reason")};
}

json write(const ExpiryWarning& w) {
    return {{"generation", w.generation}, {"stage", w.stage}};
}

ExpiryWarning read_expiry_warning(JsonReader& reader, const json& object) {
    return {.generation = reader.value<int>(object, "generation"),
            .stage = reader.value<int>(object, "stage")};
}

json write(const PendingHook& h) {
    return {{"event", h.event},
            {"target", h.target},
            {"generation", h.generation},
            {"error", h.error},
            {"failure", write(h.failure)}};
}

PendingHook read_hook(JsonReader& reader, const json& object) {
    return {.event = reader.value<std::string>(object, "event"),
            .target = reader.value<std::string>(object, "target"),
            .generation = reader.value<int>(object, "generation"),
            .error = reader.value<std::string>(object, "error"),
            .failure = reader.optional<Failure>(object, "failure", read_failure)};
}

json write(const Revocation& r) {
    return {{"generation", r.generation},
            {"reason", r.reason},
            {"not_later_than", write(r.not_later_than)},
            {"failure", write(r.failure)}};
}

Revocation read_revocation(JsonReader& reader, const json& object) {
    return {.generation = reader.value<int>(object, "generation"),
            .reason = reader.value<std::string>(object, "reason"),
            .not_later_than = reader.instant(object, "not_later_than"),
            .failure = reader.optional<Failure>(object, "failure", read_failure)};
}

json write(const Residue& r) {
    return {{"solver", r.solver},
            {"identifier", r.task.identifier.value},
            {"token", r.task.token},
            {"key_authorization", r.task.key_authorization},
            {"account_url", r.task.account_url},
            {"failure", write(r.failure)}};
}

Residue read_residue(JsonReader& reader, const json& object) {
    Residue residue{.solver = reader.value<std::string>(object, "solver"),
                    .failure = reader.optional<Failure>(object, "failure", read_failure)};
    auto identifier = base::parse_identifier(reader.value<std::string>(object, "identifier"));
    if (identifier) {
        residue.task = {.identifier = std::move(*identifier),
                        .token = reader.value<std::string>(object, "token"),
                        .key_authorization = reader.value<std::string>(object, "key_authorization"),
                        .account_url = reader.value<std::string>(object, "account_url")};
    } else {
        reader.refuse();
    }
    return residue;
}

json write(const std::optional<Suggestion>& s) {
    if (!s) return nullptr;
    return {{"generation", s->generation},
            {"start", write(s->start)},
            {"end", write(s->end)},
            {"at", write(s->at)},
            {"explanation_url", s->explanation_url},
            {"ask_again", base::format_instant(s->ask_again)},
            {"failures", s->failures}};
}

Suggestion read_suggestion(JsonReader& reader, const json& object) {
    return {.generation = reader.value<int>(object, "generation"),
            .start = reader.instant(object, "start"),
            .end = reader.instant(object, "end"),
            .at = reader.instant(object, "at"),
            .explanation_url = reader.value<std::string>(object, "explanation_url"),
            .ask_again = reader.required_instant(object, "ask_again"),
            .failures = reader.value<int>(object, "failures")};
}

json to_json(const base::Error& error) {
    return {{"code", base::to_string(error.code)},
            {"step", error.step},
            {"message", error.message},
            {"hint", error.hint},
            {"retry_at", write(error.retry_at)},
            {"problem", error.problem.empty() ? json(nullptr) : json(error.problem)}};
}

json to_json(const deployers::EndpointVerdict& verdict) {
    json addresses = json::array();
    for (const deployers::AddressVerdict& a : verdict.addresses) {
        addresses.push_back({{"address", a.address},
                             {"verdict", deployers::to_string(a.verdict)},
                             {"sha256", a.sha256.empty() ? json(nullptr) : json(a.sha256)},
                             {"not_after", write(a.not_after)},
                             {"error", a.error.empty() ? json(nullptr) : json(a.error)}});
    }
    return {{"endpoint", verdict.endpoint},
            {"verdict", deployers::to_string(verdict.verdict)},
            {"addresses", addresses}};
}

}  // namespace agent
