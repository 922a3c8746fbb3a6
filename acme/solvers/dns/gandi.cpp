// SPDX-License-Identifier: Apache-2.0
// Gandi's LiveDNS v5, which knows whole sets only: they are read, changed and written back.
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

constexpr std::string_view kEndpoint = "https://api.gandi.net/v5/livedns";
constexpr std::string_view kRights =
    "the personal access token of `token` has to allow \"Manage domain name technical configurations\" for "
    "the domain; API keys are no longer taken";
constexpr std::size_t kZonesAPage = 100;
constexpr std::uint32_t kTtlMin = 300;

class Gandi final : public DnsProvider {
  public:
    explicit Gandi(Api api) : api_(std::move(api)) {}

    Result<base::Seconds> present(const TxtRecord& record) override {
        TRY(change(record, TxtChange::Add));
        return base::Seconds{0};
    }

    Result<void> clean_up(const TxtRecord& record) override { return change(record, TxtChange::Remove); }

  private:
    [[nodiscard]] Result<void> change(const TxtRecord& record, TxtChange change) const {
        const ApiZone zone = TRY(find_zone(record));
        const std::string path = "/domains/" + escaped(zone.name) + "/records/" +
                                 escaped(relative_name(record.name, zone.name)) + "/TXT";
        const TxtSetAccess access{
            .read = [&] { return read(path, record); },
            .write = [&](const TxtSet& before,
                         const TxtSet& after) { return write(path, record, before, after); }};
        return change_set(api_, record, change, access);
    }

    [[nodiscard]] Result<ApiZone> find_zone(const TxtRecord& record) const {
        // A token that is good for other domains only is denied here, not told that there is none.
        const auto named = [this](const std::string& name) { return show_zone(api_, "/domains/", name); };
        const auto page = [this](const std::string& cursor) { return zones(cursor.empty() ? "1" : cursor); };
        return acme::find_zone(api_, record, {.named = named, .page = page});
    }

    [[nodiscard]] Result<ZonePage> zones(const std::string& number) const {
        const ApiCall call{.path = "/domains?page=" + number + "&per_page=" + std::to_string(kZonesAPage),
                           .what = "list the zones"};
        const json answer = TRY(api_.ask_json(call));
        if (!answer.is_array()) return api_.strange(call, "the answer is no list");
        ZonePage page;
        for (const json& zone : answer) {
            const std::string name = text_of(zone, "fqdn");
            page.zones.push_back({.id = name, .name = name});
        }
        if (answer.size() == kZonesAPage) page.next = std::to_string(std::stoul(number) + 1);
        return page;
    }

    [[nodiscard]] Result<TxtSet> read(const std::string& path, const TxtRecord& record) const {
        const ApiCall call{.path = path,
                           .what = "show the TXT records at " + bare_name(record.name),
                           .expects = {Verdict::Absent}};
        const ApiAnswer answer = TRY(api_.ask(call));
        if (answer.verdict == Verdict::Absent) return TxtSet{};
        const json body = TRY(api_.read_json(call, answer));
        TxtSet set{.ttl = static_cast<std::uint32_t>(number_of(body, "rrset_ttl"))};
        for (const json& value : list_of(body, "rrset_values")) {
            if (!value.is_string()) return api_.strange(call, "a value in the answer is no text");
            set.values.push_back(value.get<std::string>());
        }
        // To take an answer that we do not understand for an empty set would cost others their values.
        if (set.values.empty()) return api_.strange(call, "the answer holds no values");
        return set;
    }

    [[nodiscard]] Result<ApiAnswer> write(const std::string& path, const TxtRecord& record,
                                          const TxtSet& before, const TxtSet& after) const {
        ApiCall call{.path = path, .expects = {Verdict::Busy, Verdict::Absent}};
        if (after.values.empty()) {
            call.method = "DELETE";
            call.what = "remove our TXT record at " + bare_name(record.name);
            return api_.ask(call);
        }
        // POST fails where somebody else has been quicker (409), PUT would overwrite what he wrote.
        call.method = before.values.empty() ? "POST" : "PUT";
        call.what = "write the TXT records at " + bare_name(record.name);
        call.body = json{{"rrset_ttl", std::max(after.ttl, kTtlMin)}, {"rrset_values", after.values}}.dump();
        ApiAnswer answer = TRY(api_.ask(call));
        if (answer.verdict == Verdict::Well) TRY(api_.read_json(call, answer));
        return answer;
    }

    Api api_;
};

}  // namespace

ProviderKind gandi_kind() {
    return {.name = "gandi",
            .keys = api_keys({{.name = "token",
                               .kind = ProviderKey::Kind::Secret,
                               .is_required = true,
                               .meaning = "a personal access token that may manage the domain's technical "
                                          "configuration"}},
                             /*has_endpoint=*/true),
            .make = [](const ProviderSettings& settings,
                       const ProviderEffects& effects) -> Result<std::unique_ptr<DnsProvider>> {
                const Dialect dialect{.provider = "gandi", .rights = kRights};
                return std::make_unique<Gandi>(
                    TRY(Api::open(dialect, settings, effects, setting(settings, "endpoint", kEndpoint),
                                  bearer(settings, "token"))));
            }};
}

}  // namespace acme
