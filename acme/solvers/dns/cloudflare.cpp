// SPDX-License-Identifier: Apache-2.0
// Cloudflare's API v4: one object a record, so that nobody else's values are ever touched.
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

constexpr std::string_view kEndpoint = "https://api.cloudflare.com/client/v4";
constexpr std::string_view kRights =
    "the token of `api_token` needs Zone:Read and DNS:Edit for the zone; a Global API Key is no token";
constexpr std::string_view kSeveral =
    "give `api_token` a token that may see one of them only (Zone Resources: the zone of one account)";
/// The most zones it gives out at once.
constexpr std::string_view kZonesAPage = "50";
constexpr std::string_view kRecordsAPage = "100";
/// The shortest it takes for a zone of an ordinary plan.
constexpr std::uint32_t kTtlMin = 60;

/// Its own numbers say more than its statuses, which are 400 for nearly everything.
Verdict judge(const base::HttpResponse& response) {
    const Verdict verdict = by_status(response);
    if (verdict != Verdict::Failed || response.status >= 500) return verdict;
    const json body = json::parse(response.body, nullptr, /*allow_exceptions=*/false);
    for (const json& error : list_of(body, "errors")) {
        switch (number_of(error, "code")) {
            case 81'057:
            case 81'058:  // an identical record
                return Verdict::There;
            case 81'044:  // no such record
                return Verdict::Absent;
            case 6003:  // headers it cannot use …
            case 6111:  // … above all a token of a wrong form
            case 9109:  // no token of anybody's
            case 10'000:
                return Verdict::Denied;
            default:
                break;
        }
    }
    return verdict;
}

/// The page behind this one; empty if it was the last.
std::string next_page(const json& answer, const std::string& cursor) {
    const auto info = answer.find("result_info");
    if (info == answer.end()) return {};
    const std::uint64_t page = cursor.empty() ? 1 : number_of(*info, "page");
    return page < number_of(*info, "total_pages") ? std::to_string(page + 1) : std::string{};
}

class Cloudflare final : public DnsProvider {
  public:
    explicit Cloudflare(Api api) : api_(std::move(api)) {}

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
                               .path = records_path(zone) + "/" + escaped(id),
                               .what = "remove our TXT record at " + bare_name(record.name),
                               .expects = {Verdict::Absent, Verdict::Busy}};
            TRY(api_.settle([&] { return api_.ask(call); }));
        }
        return {};
    }

  private:
    static std::string records_path(const ApiZone& zone) {
        return "/zones/" + escaped(zone.id) + "/dns_records";
    }

    [[nodiscard]] Result<ApiZone> find_zone(const TxtRecord& record) const {
        const auto named = [this](const std::string& name) -> Result<std::optional<ApiZone>> {
            return zone_among(api_, TRY(zones("name=" + escaped(name), "")), name, kSeveral);
        };
        const auto page = [this](const std::string& cursor) {
            return zones("page=" + (cursor.empty() ? "1" : cursor) + "&per_page=" + std::string(kZonesAPage),
                         cursor);
        };
        return acme::find_zone(api_, record, {.named = named, .page = page, .several = kSeveral});
    }

    [[nodiscard]] Result<ZonePage> zones(const std::string& query, const std::string& cursor) const {
        const ApiCall call{.path = "/zones?" + query, .what = "list the zones"};
        const json answer = TRY(api_.ask_json(call));
        ZonePage page{.next = next_page(answer, cursor)};
        for (const json& zone : list_of(answer, "result")) {
            // "pending": added, but the domain's name servers are not (yet) those of this account.
            const std::string status = text_of(zone, "status");
            page.zones.push_back({.id = text_of(zone, "id"),
                                  .name = text_of(zone, "name"),
                                  .is_idle = !status.empty() && status != "active"});
        }
        return page;
    }

    [[nodiscard]] Result<ApiAnswer> add(const ApiZone& zone, const TxtRecord& record) const {
        if (!TRY(own_records(zone, record)).empty()) return ApiAnswer{};
        const json body{{"type", "TXT"},
                        {"name", bare_name(record.name)},
                        {"content", quoted_txt(record.value)},
                        {"ttl", std::max(record.ttl, kTtlMin)}};
        const ApiCall call{.method = "POST",
                           .path = records_path(zone),
                           .body = body.dump(),
                           .what = "add a TXT record at " + bare_name(record.name),
                           .expects = {Verdict::There, Verdict::Busy}};
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
        for (const json& each : list_of(answer, "result")) {
            const bool ours = bare_name(text_of(each, "name")) == name && text_of(each, "type") == "TXT" &&
                              is_value(text_of(each, "content"), record.value);
            if (!ours) continue;
            ids.push_back(text_of(each, "id"));
            if (ids.back().empty()) return api_.strange(call, "a record in the answer has no id");
        }
        return ids;
    }

    Api api_;
};

}  // namespace

ProviderKind cloudflare_kind() {
    return {.name = "cloudflare",
            .keys = api_keys({{.name = "api_token",
                               .kind = ProviderKey::Kind::Secret,
                               .is_required = true,
                               .meaning = "an API token that may read zones and edit their DNS"}},
                             /*has_endpoint=*/true),
            .make = [](const ProviderSettings& settings,
                       const ProviderEffects& effects) -> Result<std::unique_ptr<DnsProvider>> {
                const Dialect dialect{.provider = "cloudflare", .rights = kRights, .judge = judge};
                return std::make_unique<Cloudflare>(
                    TRY(Api::open(dialect, settings, effects, setting(settings, "endpoint", kEndpoint),
                                  bearer(settings, "api_token"))));
            }};
}

}  // namespace acme
