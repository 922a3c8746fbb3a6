// SPDX-License-Identifier: Apache-2.0
// DigitalOcean's API v2: one object a record, so that nobody else's values are ever touched.
#include <algorithm>
#include <memory>

#include <nlohmann/json.hpp>

#include "acme/solvers/dns/api.hpp"
#include "acme/solvers/dns/api_zone.hpp"
#include "acme/solvers/dns/cloud_providers.hpp"

namespace acme {
namespace {

using base::Result;
using nlohmann::json;

constexpr std::string_view kEndpoint = "https://api.digitalocean.com/v2";
constexpr std::string_view kRights =
    "the token of `token` needs the scopes domain:read, domain:create and domain:delete";
/// A zone comes with the text of its zone file: 50 of them stay below our 1 MiB.
constexpr std::string_view kZonesAPage = "50";
constexpr std::string_view kRecordsAPage = "200";
constexpr std::uint32_t kTtlMin = 30;

class DigitalOcean final : public DnsProvider {
  public:
    explicit DigitalOcean(Api api) : api_(std::move(api)) {}

    Result<base::Seconds> present(const TxtRecord& record) override {
        const ApiZone zone = TRY(find_zone(record));
        const NameLock lock(record.name);
        TRY(api_.settle([&] { return add(zone, record); }));
        return base::Seconds{0};
    }

    Result<void> clean_up(const TxtRecord& record) override {
        const ApiZone zone = TRY(find_zone(record));
        const NameLock lock(record.name);
        for (const std::string& id : TRY(own_records(zone, record))) {
            const ApiCall call{.method = "DELETE",
                               .path = records_path(zone) + "/" + id,
                               .what = "remove our TXT record at " + bare_name(record.name),
                               .expects = {Verdict::Absent, Verdict::Busy}};
            TRY(api_.settle([&] { return api_.ask(call); }));
        }
        return {};
    }

  private:
    static std::string records_path(const ApiZone& zone) {
        return "/domains/" + escaped(zone.name) + "/records";
    }

    [[nodiscard]] Result<ApiZone> find_zone(const TxtRecord& record) const {
        const auto named = [this](const std::string& name) { return show_zone(api_, "/domains/", name); };
        const auto page = [this](const std::string& cursor) { return zones(cursor.empty() ? "1" : cursor); };
        return acme::find_zone(api_, record, {.named = named, .page = page});
    }

    [[nodiscard]] Result<ZonePage> zones(const std::string& number) const {
        const ApiCall call{.path = "/domains?page=" + number + "&per_page=" + std::string(kZonesAPage),
                           .what = "list the zones"};
        const json answer = TRY(api_.ask_json(call));
        ZonePage page;
        for (const json& zone : list_of(answer, "domains")) {
            const std::string name = text_of(zone, "name");
            page.zones.push_back({.id = name, .name = name});
        }
        // Its own URL of the next page may lead anywhere; that there is one is all that counts.
        const json::json_pointer next("/links/pages/next");
        if (answer.is_object() && answer.contains(next)) page.next = std::to_string(std::stoul(number) + 1);
        return page;
    }

    [[nodiscard]] Result<ApiAnswer> add(const ApiZone& zone, const TxtRecord& record) const {
        if (!TRY(own_records(zone, record)).empty()) return ApiAnswer{};
        const json body{{"type", "TXT"},
                        {"name", relative_name(record.name, zone.name)},
                        {"data", record.value},
                        {"ttl", std::max(record.ttl, kTtlMin)}};
        const ApiCall call{.method = "POST",
                           .path = records_path(zone),
                           .body = body.dump(),
                           .what = "add a TXT record at " + bare_name(record.name),
                           .expects = {Verdict::Busy}};
        ApiAnswer answer = TRY(api_.ask(call));
        if (answer.verdict == Verdict::Well) TRY(api_.read_json(call, answer));
        return answer;
    }

    /// The ids of the records that hold our value.
    [[nodiscard]] Result<std::vector<std::string>> own_records(const ApiZone& zone,
                                                               const TxtRecord& record) const {
        const std::string name = bare_name(record.name);
        const ApiCall call{.path = records_path(zone) + "?type=TXT&name=" + escaped(name) +
                                   "&per_page=" + std::string(kRecordsAPage),
                           .what = "list the TXT records at " + name};
        const json answer = TRY(api_.ask_json(call));
        std::vector<std::string> ids;
        for (const json& each : list_of(answer, "domain_records")) {
            const bool ours = bare_name(text_of(each, "name")) == relative_name(name, zone.name) &&
                              text_of(each, "type") == "TXT" && is_value(text_of(each, "data"), record.value);
            if (!ours) continue;
            const std::uint64_t id = number_of(each, "id");
            if (id == 0) return api_.strange(call, "a record in the answer has no id");
            ids.push_back(std::to_string(id));
        }
        return ids;
    }

    Api api_;
};

}  // namespace

ProviderKind digitalocean_kind() {
    return {.name = "digitalocean",
            .keys = api_keys({{.name = "token",
                               .kind = ProviderKey::Kind::Secret,
                               .is_required = true,
                               .meaning = "an API token that may read, create and delete domain records"}},
                             /*has_endpoint=*/true),
            .make = [](const ProviderSettings& settings,
                       const ProviderEffects& effects) -> Result<std::unique_ptr<DnsProvider>> {
                const Dialect dialect{.provider = "digitalocean", .rights = kRights};
                return std::make_unique<DigitalOcean>(
                    TRY(Api::open(dialect, settings, effects, setting(settings, "endpoint", kEndpoint),
                                  bearer(settings, "token"))));
            }};
}

}  // namespace acme
