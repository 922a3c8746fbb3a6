// SPDX-License-Identifier: Apache-2.0
// The HTTP API of PowerDNS' authoritative server (4.x and 5.x), which replaces whole sets.
#include <memory>
#include <set>

#include <nlohmann/json.hpp>

#include "acme/solvers/dns/api.hpp"
#include "acme/solvers/dns/api_zone.hpp"
#include "acme/solvers/dns/cloud_providers.hpp"

namespace acme {
namespace {

using base::Result;
using nlohmann::json;

constexpr std::string_view kRights =
    "`api_key` has to be the server's `api-key`, and this machine has to be in its `webserver-allow-from`";

class PowerDns final : public DnsProvider {
  public:
    explicit PowerDns(Api api) : api_(std::move(api)) {}

    Result<base::Seconds> present(const TxtRecord& record) override {
        TRY(change(record, TxtChange::Add));
        return base::Seconds{0};
    }

    Result<void> clean_up(const TxtRecord& record) override { return change(record, TxtChange::Remove); }

  private:
    using Disabled = std::set<std::string>;

    [[nodiscard]] Result<void> change(const TxtRecord& record, TxtChange change) const {
        const ApiZone zone = TRY(find_zone(record));
        Disabled disabled;  // values that are not served, and have to stay so
        const TxtSetAccess access{
            .read = [&] { return read(zone, record, disabled); },
            .write = [&](const TxtSet&,
                         const TxtSet& after) { return write(zone, record, after, disabled); }};
        return change_set(api_, record, change, access);
    }

    [[nodiscard]] Result<ApiZone> find_zone(const TxtRecord& record) const {
        // Its list of zones has no pages, and may be of any length: one name is asked for after the other.
        const auto named = [this](const std::string& name) -> Result<std::optional<ApiZone>> {
            const ApiCall call{.path = "/zones?zone=" + escaped(name + "."), .what = "show the zone " + name};
            const json answer = TRY(api_.ask_json(call));
            if (!answer.is_array()) return api_.strange(call, "the answer is no list");
            for (const json& zone : answer) {
                const std::string found = bare_name(text_of(zone, "name"));
                if (found == name) return ApiZone{.id = text_of(zone, "id"), .name = found};
            }
            return std::nullopt;
        };
        return acme::find_zone(api_, record, {.named = named});
    }

    [[nodiscard]] Result<TxtSet> read(const ApiZone& zone, const TxtRecord& record,
                                      Disabled& disabled) const {
        const std::string name = bare_name(record.name) + ".";
        const ApiCall call{
            .path = "/zones/" + escaped(zone.id) + "?rrset_name=" + escaped(name) + "&rrset_type=TXT",
            .what = "show the TXT records at " + bare_name(record.name)};
        const json answer = TRY(api_.ask_json(call));
        if (!answer.is_object() || !answer.contains("rrsets") || !answer.at("rrsets").is_array()) {
            return api_.strange(call, "the answer holds no rrsets");
        }
        disabled.clear();
        TxtSet set;
        for (const json& each : answer.at("rrsets")) {  // of the whole zone, where the server is older
            if (bare_name(text_of(each, "name")) + "." != name || text_of(each, "type") != "TXT") continue;
            set.ttl = static_cast<std::uint32_t>(number_of(each, "ttl"));
            for (const json& one : list_of(each, "records")) {
                set.values.push_back(text_of(one, "content"));
                const auto off = one.find("disabled");
                if (off != one.end() && *off == json(true)) disabled.insert(set.values.back());
            }
        }
        return set;
    }

    [[nodiscard]] Result<ApiAnswer> write(const ApiZone& zone, const TxtRecord& record, const TxtSet& after,
                                          const Disabled& disabled) const {
        json set{{"name", bare_name(record.name) + "."}, {"type", "TXT"}, {"changetype", "DELETE"}};
        if (!after.values.empty()) {
            set["changetype"] = "REPLACE";
            set["ttl"] = after.ttl;
            set["records"] = json::array();
            for (const std::string& value : after.values) {
                set["records"].push_back({{"content", value}, {"disabled", disabled.contains(value)}});
            }
        }
        const ApiCall call{.method = "PATCH",
                           .path = "/zones/" + escaped(zone.id),
                           .body = json{{"rrsets", json::array({set})}}.dump(),
                           .what = "write the TXT records at " + bare_name(record.name),
                           .expects = {Verdict::Busy, Verdict::Absent}};
        ApiAnswer answer = TRY(api_.ask(call));
        if (answer.verdict == Verdict::Well) notify(zone);
        return answer;
    }

    /// Tells its secondaries at once, instead of at its next look. Where it has none it says no, and that is
    /// well.
    void notify(const ApiZone& zone) const {
        const ApiCall call{.method = "PUT",
                           .path = "/zones/" + escaped(zone.id) + "/notify",
                           .what = "notify the secondaries of " + zone.name,
                           .expects = {Verdict::Failed, Verdict::Absent, Verdict::Busy}};
        static_cast<void>(api_.ask(call));
    }

    Api api_;
};

Api::Authorize api_key(const ProviderSettings& settings) {
    const base::SecretSource source = secret_source(settings, "api_key");
    return [source](const base::HttpRequest& /*request*/) -> Result<Headers> {
        const base::Secret secret = TRY(base::read_secret(source));
        return Headers{{"X-API-Key", secret.reveal()}};
    };
}

}  // namespace

ProviderKind powerdns_kind() {
    using Kind = ProviderKey::Kind;
    return {.name = "powerdns",
            .keys = api_keys({{.name = "server",
                               .kind = Kind::Url,
                               .is_required = true,
                               .meaning = "the URL of the server's web server: http://127.0.0.1:8081"},
                              {.name = "api_key",
                               .kind = Kind::Secret,
                               .is_required = true,
                               .meaning = "the server's `api-key`"},
                              {.name = "server_id",
                               .kind = Kind::Text,
                               .meaning = "the server's name in its API; \"localhost\" by default"}},
                             /*has_endpoint=*/false),
            .make = [](const ProviderSettings& settings,
                       const ProviderEffects& effects) -> Result<std::unique_ptr<DnsProvider>> {
                const Dialect dialect{.provider = "powerdns", .rights = kRights};
                std::string server = setting(settings, "server");
                while (server.ends_with('/')) server.pop_back();
                const std::string id = escaped(setting(settings, "server_id", "localhost"));
                return std::make_unique<PowerDns>(TRY(Api::open(
                    dialect, settings, effects, server + "/api/v1/servers/" + id, api_key(settings))));
            }};
}

}  // namespace acme
