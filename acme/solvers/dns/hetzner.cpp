// SPDX-License-Identifier: Apache-2.0
// The DNS of Hetzner's Cloud API. (The older API at dns.hetzner.com is being shut down, and knows no zone
// that has moved.) It adds and removes single values of a set; each change is an action that ends a little
// later.
#include <algorithm>
#include <memory>

#include <nlohmann/json.hpp>

#include "acme/solvers/dns/api.hpp"
#include "acme/solvers/dns/api_zone.hpp"
#include "acme/solvers/dns/cloud_providers.hpp"
#include "base/encoding.hpp"

namespace acme {
namespace {

using base::Code;
using base::Result;
using nlohmann::json;

constexpr std::string_view kEndpoint = "https://api.hetzner.cloud/v1";
constexpr std::string_view kRights =
    "the token of `token` has to be one with Read & Write of the Hetzner Console project that holds the "
    "zone; "
    "tokens of the older DNS Console are not known here";
constexpr std::string_view kZonesAPage = "50";
constexpr std::uint32_t kTtlMin = 60;
/// Looks at an action, one a second.
constexpr unsigned kLooksMax = 30;

class Hetzner final : public DnsProvider {
  public:
    explicit Hetzner(Api api) : api_(std::move(api)) {}

    Result<base::Seconds> present(const TxtRecord& record) override {
        TRY(change(record, TxtChange::Add));
        return base::Seconds{0};
    }

    Result<void> clean_up(const TxtRecord& record) override { return change(record, TxtChange::Remove); }

  private:
    [[nodiscard]] Result<void> change(const TxtRecord& record, TxtChange change) const {
        const ApiZone zone = TRY(find_zone(record));
        const std::string path = "/zones/" + escaped(zone.id) + "/rrsets/" +
                                 escaped(relative_name(record.name, zone.name)) + "/TXT";
        const TxtSetAccess access{
            .read = [&] { return read(path, record); },
            .write = [&](const TxtSet& before,
                         const TxtSet&) { return write(path, record, change, before); }};
        return change_set(api_, record, change, access);
    }

    [[nodiscard]] Result<ApiZone> find_zone(const TxtRecord& record) const {
        const auto named = [this](const std::string& name) -> Result<std::optional<ApiZone>> {
            return zone_among(api_, TRY(zones("name=" + escaped(name))), name, "");
        };
        const auto page = [this](const std::string& cursor) {
            return zones("page=" + (cursor.empty() ? "1" : cursor) + "&per_page=" + std::string(kZonesAPage));
        };
        return acme::find_zone(api_, record, {.named = named, .page = page});
    }

    [[nodiscard]] Result<ZonePage> zones(const std::string& query) const {
        const ApiCall call{.path = "/zones?" + query, .what = "list the zones"};
        const json answer = TRY(api_.ask_json(call));
        ZonePage page;
        for (const json& zone : list_of(answer, "zones")) {
            const std::uint64_t id = number_of(zone, "id");
            if (id == 0) return api_.strange(call, "a zone in the answer has no id");
            page.zones.push_back({.id = std::to_string(id), .name = text_of(zone, "name")});
        }
        const json::json_pointer pagination("/meta/pagination");
        if (answer.is_object() && answer.contains(pagination)) {
            const std::uint64_t next = number_of(answer.at(pagination), "next_page");
            if (next > 0) page.next = std::to_string(next);
        }
        return page;
    }

    [[nodiscard]] Result<TxtSet> read(const std::string& path, const TxtRecord& record) const {
        const ApiCall call{.path = path,
                           .what = "show the TXT records at " + bare_name(record.name),
                           .expects = {Verdict::Absent}};
        const ApiAnswer answer = TRY(api_.ask(call));
        if (answer.verdict == Verdict::Absent) return TxtSet{};
        const json body = TRY(api_.read_json(call, answer));
        if (!body.is_object() || !body.contains("rrset")) {
            return api_.strange(call, "the answer holds no rrset");
        }
        TxtSet set{.ttl = static_cast<std::uint32_t>(number_of(body.at("rrset"), "ttl"))};  // 0: the zone's
        for (const json& each : list_of(body.at("rrset"), "records")) {
            set.values.push_back(text_of(each, "value"));
        }
        return set;
    }

    [[nodiscard]] Result<ApiAnswer> write(const std::string& path, const TxtRecord& record, TxtChange change,
                                          const TxtSet& before) const {
        const bool adds = change == TxtChange::Add;
        json body{{"records", json::array({json{{"value", quoted_txt(record.value)}}})}};
        // A TTL other than the set's is refused, and so is none where the set has one.
        const std::uint32_t ttl = before.values.empty() ? std::max(record.ttl, kTtlMin) : before.ttl;
        if (adds && ttl > 0) body["ttl"] = ttl;
        const ApiCall call{
            .method = "POST",
            .path = path + (adds ? "/actions/add_records" : "/actions/remove_records"),
            .body = body.dump(),
            .what = (adds ? "add a TXT record at " : "remove our TXT record at ") + bare_name(record.name),
            .expects = {Verdict::Busy, Verdict::Absent}};
        ApiAnswer answer = TRY(api_.ask(call));
        if (answer.verdict == Verdict::Well) TRY(wait_for(call, TRY(api_.read_json(call, answer))));
        return answer;
    }

    /// Until the action is done: a change that comes sooner would be refused.
    [[nodiscard]] Result<void> wait_for(const ApiCall& asked, json answer) const {
        for (unsigned look = 0;; ++look) {
            const auto action = answer.find("action");
            if (action == answer.end()) return api_.strange(asked, "the answer holds no action");
            const std::string status = text_of(*action, "status");
            if (status == "success") return {};
            if (status == "error") {
                const auto error = action->find("error");
                const std::string words = error == action->end() ? "" : text_of(*error, "message");
                return api_.fail(Code::ProviderFailed, "was asked to " + asked.what +
                                                           " and did not do it: \"" +
                                                           base::printable(words, 300) + "\"");
            }
            const std::uint64_t id = number_of(*action, "id");
            if (status != "running" || id == 0) return api_.strange(asked, "the action has no known status");
            if (look >= kLooksMax) {
                return api_.fail(Code::ProviderFailed, "was asked to " + asked.what +
                                                           " and has not done it within " +
                                                           std::to_string(kLooksMax) + " s");
            }
            api_.clock().sleep(base::Milliseconds{1000});
            const ApiCall call{.path = "/actions/" + std::to_string(id), .what = asked.what};
            answer = TRY(api_.ask_json(call));
        }
    }

    Api api_;
};

}  // namespace

ProviderKind hetzner_kind() {
    return {.name = "hetzner",
            .keys = api_keys({{.name = "token",
                               .kind = ProviderKey::Kind::Secret,
                               .is_required = true,
                               .meaning = "a Read & Write API token of the project that holds the zone"}},
                             /*has_endpoint=*/true),
            .make = [](const ProviderSettings& settings,
                       const ProviderEffects& effects) -> Result<std::unique_ptr<DnsProvider>> {
                const Dialect dialect{.provider = "hetzner", .rights = kRights};
                return std::make_unique<Hetzner>(
                    TRY(Api::open(dialect, settings, effects, setting(settings, "endpoint", kEndpoint),
                                  bearer(settings, "token"))));
            }};
}

}  // namespace acme
