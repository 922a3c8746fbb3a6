// SPDX-License-Identifier: Apache-2.0
#include "agent/memory/record.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "agent/memory/record_parts.hpp"
#include "base/encoding.hpp"

namespace agent {

using base::Code;
using nlohmann::json;

const GenerationRecord* Record::wanted() const {
    return generations.empty() ? nullptr : &generations.back();
}

const GenerationRecord* Record::generation(int number) const {
    const auto found =
        std::ranges::find_if(generations, [&](const GenerationRecord& g) { return g.number == number; });
    return found == generations.end() ? nullptr : &*found;
}

const GenerationRecord* Record::generation_of(std::string_view sha256) const {
    const auto found =
        std::ranges::find_if(generations, [&](const GenerationRecord& g) { return g.sha256 == sha256; });
    return found == generations.end() ? nullptr : &*found;
}

const Revocation* Record::revocation(int number) const {
    const auto found = std::ranges::find(revocations, number, &Revocation::generation);
    return found == revocations.end() ? nullptr : &*found;
}

const TargetRecord* Record::target(std::string_view target_name) const {
    const auto found =
        std::ranges::find_if(targets, [&](const TargetRecord& t) { return t.name == target_name; });
    return found == targets.end() ? nullptr : &*found;
}

TargetRecord& Record::target_for(std::string_view target_name) {
    const auto found =
        std::ranges::find_if(targets, [&](const TargetRecord& t) { return t.name == target_name; });
    if (found != targets.end()) return *found;
    return targets.emplace_back(TargetRecord{.name = std::string(target_name)});
}

void note_issued(Record& record, int generation) {
    record.issuance.reset();
    record.ca_failures = 0;
    // What is still owed to hooks of earlier generations has been overtaken.
    std::erase_if(record.hooks, [](const PendingHook& hook) { return hook.event != "failed"; });
    record.hooks.push_back({.event = "renewed", .generation = generation});
}

namespace {

constexpr int kVersion = 1;

json write_record(const Record& r) {
    json object = {{"name", r.name},
                   {"first_seen", base::format_instant(r.first_seen)},
                   {"served_told", r.served_told},
                   {"issuance", write(r.issuance)},
                   {"ca_failures", r.ca_failures},
                   {"suggestion", write(r.suggestion)},
                   {"endpoints", write(r.endpoints)},
                   {"endpoints_verified_at", write(r.endpoints_verified_at)},
                   {"standing", write(r.standing)},
                   {"pause", write(r.pause)},
                   {"hurried_by_ca", r.hurried_by_ca},
                   {"warned", write(r.warned)}};
    for (const char* key : {"generations", "targets", "hooks", "revocations", "residue"})
        object[key] = json::array();
    for (const GenerationRecord& g : r.generations) object["generations"].push_back(write(g));
    for (const TargetRecord& t : r.targets) object["targets"].push_back(write(t));
    for (const PendingHook& h : r.hooks) object["hooks"].push_back(write(h));
    for (const Revocation& one : r.revocations) object["revocations"].push_back(write(one));
    for (const Residue& one : r.residue) object["residue"].push_back(write(one));
    return object;
}

Record read_record(JsonReader& reader, const json& object) {
    return {
        .name = reader.value<std::string>(object, "name"),
        .first_seen = reader.required_instant(object, "first_seen"),
        .generations = reader.list<GenerationRecord>(object, "generations", read_generation),
        .served_told = reader.value<int>(object, "served_told"),
        .issuance = reader.optional<Failure>(object, "issuance", read_failure),
        .ca_failures = object.contains("ca_failures") ? reader.value<int>(object, "ca_failures") : 0,
        .suggestion = reader.optional<Suggestion>(object, "suggestion", read_suggestion),
        .targets = reader.list<TargetRecord>(object, "targets", read_target),
        .endpoints = reader.list<deployers::EndpointVerdict>(object, "endpoints", read_endpoint),
        .endpoints_verified_at = reader.instant(object, "endpoints_verified_at"),
        .hooks = reader.list<PendingHook>(object, "hooks", read_hook),
        .revocations = object.contains("revocations")
                           ? reader.list<Revocation>(object, "revocations", read_revocation)
                           : std::vector<Revocation>{},
        .residue = object.contains("residue") ? reader.list<Residue>(object, "residue", read_residue)
                                              : std::vector<Residue>{},
        .standing = reader.optional<StandingRecords>(object, "standing", read_standing),
        .pause = reader.optional<Pause>(object, "pause", read_pause),
        .hurried_by_ca = object.contains("hurried_by_ca") ? reader.value<int>(object, "hurried_by_ca") : 0,
        .warned =
            reader.optional<ExpiryWarning>(object, "warned", read_expiry_warning).value_or(ExpiryWarning{})};
}

/// Errors quote others: what is not UTF-8 in them must not be the end of the process, again at each start.
std::string text_of(const json& value, int indent = -1) {
    return value.dump(indent, ' ', /*ensure_ascii=*/false, json::error_handler_t::replace);
}

/// {"version", "digest", KEY: content}: the digest is that of the content as we write it.
std::string seal(const char* key, const json& content) {
    return text_of({{"version", kVersion}, {"digest", base::sha256_hex(text_of(content))}, {key, content}},
                   1) +
           "\n";
}

base::Result<json> unseal(const char* key, std::string_view text) {
    const json document = json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!document.is_object() || !document.contains("version") || !document["version"].is_number_integer()) {
        return base::fail(Code::StateCorrupt, "is no record of renewd's");
    }
    if (document["version"].get<int>() > kVersion) {
        return base::fail(Code::StateNewer,
                          "was written by a later renewd (format " +
                              std::to_string(document["version"].get<int>()) + ", this one knows " +
                              std::to_string(kVersion) + ")",
                          "use that version; this one leaves it as it is");
    }
    const auto content = document.find(key);
    const auto digest = document.find("digest");
    if (content == document.end() || !content->is_object() || digest == document.end() ||
        !digest->is_string() ||
        digest->get_ref<const std::string&>() != base::sha256_hex(text_of(*content))) {
        return base::fail(Code::StateCorrupt, "does not match its own digest");
    }
    return *content;
}

}  // namespace

std::string to_text(const Record& record) {
    return seal("record", write_record(record));
}

base::Result<Record> parse_record(std::string_view text) {
    const json content = TRY(unseal("record", text));
    JsonReader reader;
    Record record = read_record(reader, content);
    if (!reader.ok()) return base::fail(Code::StateCorrupt, "has a shape that renewd never writes");
    return record;
}

std::string to_text(const GenerationRecord& generation) {
    return seal("generation", write(generation));
}

base::Result<GenerationRecord> parse_generation(std::string_view text) {
    const json content = TRY(unseal("generation", text));
    JsonReader reader;
    GenerationRecord generation = read_generation(reader, content);
    if (!reader.ok()) return base::fail(Code::StateCorrupt, "has a shape that renewd never writes");
    return generation;
}

std::string to_text(const OpenOrder& order) {
    json object = write(order.ordered_for);
    const std::string& material = order.request_der.empty() ? order.key_pem.reveal() : order.request_der;
    object.update({{"account", order.account},
                   {"material_sha256", material.empty() ? "" : base::sha256_hex(material)},
                   {"url", order.url},
                   {"is_asked_for", order.is_asked_for},
                   {"started_at", base::format_instant(order.started_at)}});
    return seal("order", object);
}

base::Result<OpenOrder> parse_order(std::string_view text) {
    const json content = TRY(unseal("order", text));
    JsonReader reader;
    OpenOrder order{.ordered_for = read_ordered_for(reader, content),
                    .account = reader.value<std::string>(content, "account"),
                    .url = reader.value<std::string>(content, "url"),
                    .started_at = reader.required_instant(content, "started_at"),
                    .material_sha256 = reader.later_text(content, "material_sha256")};
    // An earlier renewd did not write it, and had the account kept together with the first URL.
    order.is_asked_for = content.contains("is_asked_for") ? reader.value<bool>(content, "is_asked_for")
                                                          : order.url.empty() && order.account.empty();
    if (!reader.ok()) return base::fail(Code::StateCorrupt, "has a shape that renewd never writes");
    return order;
}

}  // namespace agent
