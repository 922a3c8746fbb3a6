// SPDX-License-Identifier: Apache-2.0
#include "agent/memory/record.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/encoding.hpp"

namespace agent {

using base::Code;
using base::Instant;
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

namespace {

constexpr int kVersion = 1;

json instant(const std::optional<Instant>& value) {
    return value ? json(base::format_instant(*value)) : json(nullptr);
}

/// Reads a shape and remembers whether anything in it was not as written: one check at the end instead of one
/// a field.
class Reader {
  public:
    [[nodiscard]] bool ok() const { return ok_; }

    template <class T>
    T value(const json& object, const char* key) {
        const auto found = object.find(key);
        if (found != object.end()) {
            if constexpr (std::is_same_v<T, std::string>) {
                if (found->is_string()) return found->template get<std::string>();
            } else if constexpr (std::is_same_v<T, bool>) {
                if (found->is_boolean()) return found->template get<bool>();
            } else {
                if (found->is_number_integer()) return found->template get<T>();
            }
        }
        ok_ = false;
        return {};
    }

    std::optional<Instant> instant(const json& object, const char* key) {
        const auto found = object.find(key);
        if (found != object.end() && found->is_null()) return std::nullopt;
        auto parsed = found != object.end() && found->is_string()
                          ? base::parse_instant(found->get_ref<const std::string&>())
                          : std::nullopt;
        if (!parsed) ok_ = false;
        return parsed;
    }

    Instant required_instant(const json& object, const char* key) {
        const auto parsed = instant(object, key);
        if (!parsed) ok_ = false;
        return parsed.value_or(Instant{});
    }

    /// For what records of earlier versions do not have.
    std::string later_text(const json& object, const char* key) {
        return object.contains(key) ? value<std::string>(object, key) : std::string{};
    }

    template <class T, class Parse>
    std::vector<T> list(const json& object, const char* key, Parse parse) {
        std::vector<T> values;
        const auto found = object.find(key);
        if (found == object.end() || !found->is_array()) {
            ok_ = false;
            return values;
        }
        for (const json& item : *found) values.push_back(parse(*this, item));
        return values;
    }

    template <class T, class Parse>
    std::optional<T> optional(const json& object, const char* key, Parse parse) {
        const auto found = object.find(key);
        if (found == object.end() || found->is_null()) return std::nullopt;
        return parse(*this, *found);
    }

    void refuse() { ok_ = false; }

  private:
    bool ok_ = true;
};

base::Error read_error(Reader& reader, const json& object) {
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

Failure read_failure(Reader& reader, const json& object) {
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
                   {"revoked_at", instant(g.revoked_at)},
                   {"revocation_reason", g.revocation_reason}});
    return object;
}

std::string read_string(Reader& reader, const json& item) {
    if (item.is_string()) return item.get<std::string>();
    reader.refuse();
    return {};
}

OrderedFor read_ordered_for(Reader& reader, const json& object) {
    return {.names = reader.list<std::string>(object, "names", read_string),
            .ca = reader.value<std::string>(object, "ca"),
            .cas = object.contains("cas") ? reader.list<std::string>(object, "cas", read_string)
                                          : std::vector{reader.value<std::string>(object, "ca")},
            .key_type = reader.value<std::string>(object, "key_type"),
            .profile = reader.value<std::string>(object, "profile"),
            .request_key = reader.later_text(object, "request_key")};
}

GenerationRecord read_generation(Reader& reader, const json& object) {
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
            .revocation_reason = reader.later_text(object, "revocation_reason")};
}

deployers::Verdict read_verdict(Reader& reader, const json& object) {
    const auto verdict = deployers::parse_verdict(reader.value<std::string>(object, "verdict"));
    if (!verdict) reader.refuse();
    return verdict.value_or(deployers::Verdict::Unresolved);
}

deployers::AddressVerdict read_address(Reader& reader, const json& object) {
    deployers::AddressVerdict address{.address = reader.value<std::string>(object, "address"),
                                      .verdict = read_verdict(reader, object)};
    if (const auto leaf = object.find("sha256"); leaf != object.end() && leaf->is_string())
        address.sha256 = *leaf;
    if (const auto text = object.find("error"); text != object.end() && text->is_string())
        address.error = *text;
    address.not_after = reader.instant(object, "not_after");
    return address;
}

deployers::EndpointVerdict read_endpoint(Reader& reader, const json& object) {
    return {.endpoint = reader.value<std::string>(object, "endpoint"),
            .verdict = read_verdict(reader, object),
            .addresses = reader.list<deployers::AddressVerdict>(object, "addresses", read_address)};
}

json write(const std::vector<deployers::EndpointVerdict>& verdicts) {
    json list = json::array();
    for (const deployers::EndpointVerdict& verdict : verdicts) list.push_back(to_json(verdict));
    return list;
}

json write(const TargetRecord& t) {
    return {{"name", t.name},
            {"installed", t.installed},
            {"serving", t.serving},
            {"attempting", t.attempting},
            {"fingerprint", t.fingerprint},
            {"deployed_at", instant(t.deployed_at)},
            {"verified_at", instant(t.verified_at)},
            {"failure", write(t.failure)},
            {"endpoints", write(t.endpoints)}};
}

TargetRecord read_target(Reader& reader, const json& object) {
    return {.name = reader.value<std::string>(object, "name"),
            .installed = reader.value<int>(object, "installed"),
            .serving = reader.value<int>(object, "serving"),
            .attempting = reader.value<int>(object, "attempting"),
            .fingerprint = reader.value<std::string>(object, "fingerprint"),
            .deployed_at = reader.instant(object, "deployed_at"),
            .verified_at = reader.instant(object, "verified_at"),
            .failure = reader.optional<Failure>(object, "failure", read_failure),
            .endpoints = reader.list<deployers::EndpointVerdict>(object, "endpoints", read_endpoint)};
}

json write(const PendingHook& h) {
    return {{"event", h.event},
            {"target", h.target},
            {"generation", h.generation},
            {"error", h.error},
            {"failure", write(h.failure)}};
}

PendingHook read_hook(Reader& reader, const json& object) {
    return {.event = reader.value<std::string>(object, "event"),
            .target = reader.value<std::string>(object, "target"),
            .generation = reader.value<int>(object, "generation"),
            .error = reader.value<std::string>(object, "error"),
            .failure = reader.optional<Failure>(object, "failure", read_failure)};
}

json write(const Revocation& r) {
    return {{"generation", r.generation},
            {"reason", r.reason},
            {"not_later_than", instant(r.not_later_than)},
            {"failure", write(r.failure)}};
}

Revocation read_revocation(Reader& reader, const json& object) {
    return {.generation = reader.value<int>(object, "generation"),
            .reason = reader.value<std::string>(object, "reason"),
            .not_later_than = reader.instant(object, "not_later_than"),
            .failure = reader.optional<Failure>(object, "failure", read_failure)};
}

json write(const std::optional<Suggestion>& s) {
    if (!s) return nullptr;
    return {{"generation", s->generation},
            {"start", instant(s->start)},
            {"end", instant(s->end)},
            {"at", instant(s->at)},
            {"explanation_url", s->explanation_url},
            {"ask_again", base::format_instant(s->ask_again)},
            {"failures", s->failures}};
}

Suggestion read_suggestion(Reader& reader, const json& object) {
    return {.generation = reader.value<int>(object, "generation"),
            .start = reader.instant(object, "start"),
            .end = reader.instant(object, "end"),
            .at = reader.instant(object, "at"),
            .explanation_url = reader.value<std::string>(object, "explanation_url"),
            .ask_again = reader.required_instant(object, "ask_again"),
            .failures = reader.value<int>(object, "failures")};
}

json write(const Record& r) {
    json object = {{"name", r.name},
                   {"first_seen", base::format_instant(r.first_seen)},
                   {"served_told", r.served_told},
                   {"issuance", write(r.issuance)},
                   {"ca_failures", r.ca_failures},
                   {"suggestion", write(r.suggestion)},
                   {"endpoints", write(r.endpoints)},
                   {"endpoints_verified_at", instant(r.endpoints_verified_at)}};
    for (const char* key : {"generations", "targets", "hooks", "revocations"}) object[key] = json::array();
    for (const GenerationRecord& g : r.generations) object["generations"].push_back(write(g));
    for (const TargetRecord& t : r.targets) object["targets"].push_back(write(t));
    for (const PendingHook& h : r.hooks) object["hooks"].push_back(write(h));
    for (const Revocation& one : r.revocations) object["revocations"].push_back(write(one));
    return object;
}

Record read_record(Reader& reader, const json& object) {
    return {.name = reader.value<std::string>(object, "name"),
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
                               : std::vector<Revocation>{}};
}

/// {"version", "digest", KEY: content}: the digest is that of the content as we write it.
std::string seal(const char* key, const json& content) {
    return json{{"version", kVersion}, {"digest", base::sha256_hex(content.dump())}, {key, content}}.dump(1) +
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
        !digest->is_string() || digest->get_ref<const std::string&>() != base::sha256_hex(content->dump())) {
        return base::fail(Code::StateCorrupt, "does not match its own digest");
    }
    return *content;
}

}  // namespace

std::string to_text(const Record& record) {
    return seal("record", write(record));
}

base::Result<Record> parse_record(std::string_view text) {
    const json content = TRY(unseal("record", text));
    Reader reader;
    Record record = read_record(reader, content);
    if (!reader.ok()) return base::fail(Code::StateCorrupt, "has a shape that renewd never writes");
    return record;
}

std::string to_text(const GenerationRecord& generation) {
    return seal("generation", write(generation));
}

base::Result<GenerationRecord> parse_generation(std::string_view text) {
    const json content = TRY(unseal("generation", text));
    Reader reader;
    GenerationRecord generation = read_generation(reader, content);
    if (!reader.ok()) return base::fail(Code::StateCorrupt, "has a shape that renewd never writes");
    return generation;
}

std::string to_text(const OpenOrder& order) {
    json object = write(order.ordered_for);
    object.update({{"account", order.account},
                   {"url", order.url},
                   {"started_at", base::format_instant(order.started_at)}});
    return seal("order", object);
}

base::Result<OpenOrder> parse_order(std::string_view text) {
    const json content = TRY(unseal("order", text));
    Reader reader;
    OpenOrder order{.ordered_for = read_ordered_for(reader, content),
                    .account = reader.value<std::string>(content, "account"),
                    .url = reader.value<std::string>(content, "url"),
                    .started_at = reader.required_instant(content, "started_at")};
    if (!reader.ok()) return base::fail(Code::StateCorrupt, "has a shape that renewd never writes");
    return order;
}

json to_json(const base::Error& error) {
    return {{"code", base::to_string(error.code)},
            {"step", error.step},
            {"message", error.message},
            {"hint", error.hint},
            {"retry_at", instant(error.retry_at)},
            {"problem", error.problem.empty() ? json(nullptr) : json(error.problem)}};
}

json to_json(const deployers::EndpointVerdict& verdict) {
    json addresses = json::array();
    for (const deployers::AddressVerdict& a : verdict.addresses) {
        addresses.push_back({{"address", a.address},
                             {"verdict", deployers::to_string(a.verdict)},
                             {"sha256", a.sha256.empty() ? json(nullptr) : json(a.sha256)},
                             {"not_after", instant(a.not_after)},
                             {"error", a.error.empty() ? json(nullptr) : json(a.error)}});
    }
    return {{"endpoint", verdict.endpoint},
            {"verdict", deployers::to_string(verdict.verdict)},
            {"addresses", addresses}};
}

}  // namespace agent
