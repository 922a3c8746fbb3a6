// SPDX-License-Identifier: Apache-2.0
// Amazon Route 53 (API 2013-04-01), which knows whole sets only, and answers before its name servers know.
#include <algorithm>
#include <functional>
#include <memory>
#include <utility>

#include "acme/solvers/dns/api.hpp"
#include "acme/solvers/dns/api_zone.hpp"
#include "acme/solvers/dns/aws_role.hpp"
#include "acme/solvers/dns/cloud_providers.hpp"
#include "acme/solvers/dns/sigv4.hpp"
#include "acme/solvers/dns/xml_text.hpp"
#include "base/encoding.hpp"
#include "base/text.hpp"

namespace acme {
namespace {

using base::Code;
using base::Result;

constexpr std::string_view kEndpoint = "https://route53.amazonaws.com";
constexpr std::string_view kRegion = "us-east-1";  // signs for every region but those of other partitions
constexpr std::string_view kVersion = "/2013-04-01";
constexpr std::string_view kRights =
    "the access key needs route53:ChangeResourceRecordSets, route53:ListResourceRecordSets, "
    "route53:GetChange, and without `zone_id` route53:ListHostedZones and route53:ListHostedZonesByName; is "
    "this machine's clock right?";
constexpr std::string_view kSeveral =
    "`zone_id` says which: the hosted zone whose name servers (NS) are those of the domain";
/// Changes take 60 s as a rule.
constexpr unsigned kLooksMax = 60;
constexpr base::Milliseconds kBetweenLooks{4000};

std::string error_code(const base::HttpResponse& response) {
    const auto root = xml_root(response.body, "ErrorResponse");
    return root ? xml_text(*root, "Code") : std::string{};
}

/// Its codes say more than its statuses, which are 400 for nearly everything.
Verdict judge(const base::HttpResponse& response) {
    const Verdict verdict = by_status(response);
    if (verdict == Verdict::Well || response.status >= 500) return verdict;
    const std::string code = error_code(response);
    if (code == "Throttling" || code == "ThrottlingException" || code == "RequestLimitExceeded") {
        return Verdict::Limited;
    }
    if (code == "PriorRequestNotComplete") return Verdict::Busy;
    // The batch takes the old set away by its content: somebody else has changed it since we looked.
    const bool is_batch = code == "InvalidChangeBatch" || xml_root(response.body, "InvalidChangeBatch");
    return is_batch ? Verdict::Busy : verdict;
}

std::string words(const base::HttpResponse& response) {
    for (const std::string_view root : {"ErrorResponse", "InvalidChangeBatch"}) {
        const auto inside = xml_root(response.body, root);
        if (!inside) continue;
        const std::string code = xml_text(*inside, "Code");
        return code + (code.empty() ? "" : ": ") + xml_text(*inside, "Message");
    }
    return {};
}

/// "Z1" of "/hostedzone/Z1".
std::string last_part(const std::string& id) {
    return id.substr(id.rfind('/') + 1);
}

class Route53 final : public DnsProvider {
  public:
    Route53(Api api, std::string zone_id) : api_(std::move(api)), zone_id_(std::move(zone_id)) {}

    Result<base::Seconds> present(const TxtRecord& record) override {
        // Outside the lock of the name: this takes a minute.
        TRY(wait_for(TRY(change(record, TxtChange::Add)), record));
        return base::Seconds{0};
    }

    Result<void> clean_up(const TxtRecord& record) override {
        TRY(change(record, TxtChange::Remove));
        return {};
    }

  private:
    /// The id of the change; empty if there was nothing to change.
    [[nodiscard]] Result<std::string> change(const TxtRecord& record, TxtChange change) const {
        const ApiZone zone = TRY(find_zone(record));
        const std::string path = std::string(kVersion) + "/hostedzone/" + escaped(zone.id) + "/rrset";
        std::string change_id;
        const TxtSetAccess access{
            .read = [&] { return read(path, record); },
            .write = [&](const TxtSet& before,
                         const TxtSet& after) { return write(path, record, before, after, change_id); }};
        TRY(change_set(api_, record, change, access));
        return change_id;
    }

    [[nodiscard]] Result<ApiZone> find_zone(const TxtRecord& record) const {
        if (!zone_id_.empty()) return ApiZone{.id = zone_id_};
        const auto named = [this](const std::string& name) -> Result<std::optional<ApiZone>> {
            const ZonePage page = TRY(zones("/hostedzonesbyname?dnsname=" + escaped(name) + "&maxitems=10",
                                            "ListHostedZonesByNameResponse"));
            return zone_among(api_, page, name, kSeveral);
        };
        const auto page = [this](const std::string& cursor) {
            return zones("/hostedzone?maxitems=100" + (cursor.empty() ? "" : "&marker=" + escaped(cursor)),
                         "ListHostedZonesResponse");
        };
        return acme::find_zone(api_, record, {.named = named, .page = page, .several = kSeveral});
    }

    [[nodiscard]] Result<ZonePage> zones(const std::string& path, std::string_view root) const {
        const ApiCall call = xml_call(std::string(kVersion) + path, "list the hosted zones");
        const ApiAnswer answer = TRY(api_.ask(call));
        const auto inside = xml_root(answer.response.body, root);
        const auto all = inside ? xml_all(*inside, "HostedZone") : std::nullopt;
        if (!all) return api_.strange(call, "the answer is no " + std::string(root));
        ZonePage page;
        for (const std::string_view zone : *all) {
            // What stands in a private zone, no CA ever sees.
            if (xml_text(zone, "PrivateZone") == "true") continue;
            page.zones.push_back({.id = last_part(xml_text(zone, "Id")), .name = xml_text(zone, "Name")});
        }
        if (xml_text(*inside, "IsTruncated") == "true") page.next = xml_text(*inside, "NextMarker");
        return page;
    }

    [[nodiscard]] Result<TxtSet> read(const std::string& path, const TxtRecord& record) const {
        const std::string name = bare_name(record.name);
        const ApiCall call = xml_call(path + "?maxitems=1&name=" + escaped(name + ".") + "&type=TXT",
                                      "show the TXT records at " + name);
        const ApiAnswer answer = TRY(api_.ask(call));
        const auto inside = xml_root(answer.response.body, "ListResourceRecordSetsResponse");
        const auto sets = inside ? xml_all(*inside, "ResourceRecordSet") : std::nullopt;
        if (!sets) return api_.strange(call, "the answer is no ListResourceRecordSetsResponse");
        TxtSet set;
        for (const std::string_view each : *sets) {  // it lists on from the name that was asked for
            if (bare_name(xml_text(each, "Name")) != name || xml_text(each, "Type") != "TXT") continue;
            const auto values = xml_all(each, "Value");
            set.ttl = base::parse_number<std::uint32_t>(xml_text(each, "TTL")).value_or(0);
            if (!values || values->empty()) return api_.strange(call, "a record set in it has no values");
            for (const std::string_view value : *values) {
                const auto text = xml_unescape(value);
                if (!text) return api_.strange(call, "a value in it is not understood");
                set.values.push_back(*text);
            }
        }
        return set;
    }

    /// DELETE of what we have seen and CREATE of what shall be, in one batch that is done whole or not at
    /// all: so nobody's values are lost who wrote in between, as they would be with UPSERT.
    [[nodiscard]] Result<ApiAnswer> write(const std::string& path, const TxtRecord& record,
                                          const TxtSet& before, const TxtSet& after,
                                          std::string& change_id) const {
        const std::string name = bare_name(record.name);
        ApiCall call = xml_call(path + "/", "write the TXT records at " + name);
        call.method = "POST";
        call.body =
            R"(<?xml version="1.0" encoding="UTF-8"?>)"
            R"(<ChangeResourceRecordSetsRequest xmlns="https://route53.amazonaws.com/doc/2013-04-01/">)"
            "<ChangeBatch><Changes>" +
            change_of("DELETE", name, before) + change_of("CREATE", name, after) +
            "</Changes></ChangeBatch></ChangeResourceRecordSetsRequest>";
        call.expects = {Verdict::Busy, Verdict::Absent};
        ApiAnswer answer = TRY(api_.ask(call));
        if (answer.verdict != Verdict::Well) return answer;
        const auto inside = xml_root(answer.response.body, "ChangeResourceRecordSetsResponse");
        change_id = inside ? last_part(xml_text(*inside, "Id")) : std::string{};
        if (change_id.empty()) return api_.strange(call, "the answer names no change");
        return answer;
    }

    static std::string change_of(std::string_view action, const std::string& name, const TxtSet& set) {
        if (set.values.empty()) return {};
        std::string out = "<Change><Action>" + std::string(action) + "</Action><ResourceRecordSet><Name>" +
                          xml_escape(name) + ".</Name><Type>TXT</Type><TTL>" + std::to_string(set.ttl) +
                          "</TTL><ResourceRecords>";
        for (const std::string& value : set.values) {
            out += "<ResourceRecord><Value>" + xml_escape(value) + "</Value></ResourceRecord>";
        }
        return out + "</ResourceRecords></ResourceRecordSet></Change>";
    }

    /// Until the change is on all of its name servers (INSYNC).
    [[nodiscard]] Result<void> wait_for(const std::string& change_id, const TxtRecord& record) const {
        if (change_id.empty()) return {};
        const ApiCall call = xml_call(std::string(kVersion) + "/change/" + escaped(change_id),
                                      "show the change at " + bare_name(record.name));
        for (unsigned look = 0; look < kLooksMax; ++look) {
            const ApiAnswer answer = TRY(api_.ask(call));
            const auto inside = xml_root(answer.response.body, "GetChangeResponse");
            const std::string status = inside ? xml_text(*inside, "Status") : std::string{};
            if (status == "INSYNC") return {};
            if (status != "PENDING") return api_.strange(call, "the answer has no known status");
            api_.clock().sleep(kBetweenLooks);
        }
        return api_.fail(Code::ProviderFailed, "the change at " + bare_name(record.name) +
                                                   " is not on all of its name servers after 4 minutes");
    }

    static ApiCall xml_call(std::string path, std::string what) {
        return {.path = std::move(path), .what = std::move(what), .content_type = "text/xml"};
    }

    Api api_;
    std::string zone_id_;
};

using KeySource = std::function<Result<AwsKeys>()>;

/// Where `credentials` says that the keys come from; without it they are in the configuration.
Result<KeySource> key_source(const ProviderSettings& settings, const ProviderEffects& effects) {
    const std::string credentials = setting(settings, "credentials");
    const std::string id = setting(settings, "access_key_id");
    const base::SecretSource secret = secret_source(settings, "secret_access_key");
    const std::string start = "solver " + settings.solver + ": route53: ";
    if (credentials == "instance" || credentials == "container") {
        if (!id.empty() || secret.is_set()) {
            return base::fail(
                Code::ConfigConflict,
                start + "credentials = \"" + credentials + "\" and an access key are two sources",
                "leave one of them out");
        }
        const auto role = std::make_shared<AwsRole>(
            credentials == "instance" ? AwsRole::Of::Instance : AwsRole::Of::Container, effects.transport,
            effects.clock);
        return [role, start]() -> Result<AwsKeys> {
            auto keys = role->keys();
            if (keys) return keys;
            base::Error error = std::move(keys).error();
            error.message = start + error.message;
            return base::Failure(std::move(error));
        };
    }
    if (!credentials.empty()) {
        return base::fail(Code::ConfigWrongValue,
                          start + "credentials = \"" + base::printable(credentials, 40) + "\" is not known",
                          R"("instance" or "container"; left out: access_key_id and secret_access_key)");
    }
    if (id.empty() || !secret.is_set()) {
        return base::fail(Code::ConfigMissing, start + "access_key_id and secret_access_key are missing",
                          R"(or credentials = "instance", for the role of a machine of AWS')");
    }
    return [id, secret, token = secret_source(settings, "session_token")]() -> Result<AwsKeys> {
        AwsKeys keys{.access_key_id = id, .secret_access_key = TRY(base::read_secret(secret))};
        if (token.is_set()) keys.session_token = TRY(base::read_secret(token));
        return keys;
    };
}

/// Signs each request with the keys of the moment.
Api::Authorize signer(const ProviderSettings& settings, KeySource source, base::Clock& clock) {
    return [source = std::move(source), region = setting(settings, "region", kRegion),
            &clock](const base::HttpRequest& request) -> Result<Headers> {
        const AwsKeys keys = TRY(source());
        const std::size_t host = request.url.find("://") + 3;
        const std::size_t path = request.url.find('/', host);
        const std::size_t query = std::min(request.url.find('?', path), request.url.size());
        const AwsRequest signed_parts{.method = request.method,
                                      .host = request.url.substr(host, path - host),
                                      .path = request.url.substr(path, query - path),
                                      .query = request.url.substr(std::min(query + 1, request.url.size())),
                                      .body = request.body};
        return sign_aws(signed_parts, keys, {.region = region, .service = "route53"}, clock.now());
    };
}

}  // namespace

ProviderKind route53_kind() {
    using Kind = ProviderKey::Kind;
    return {
        .name = "route53",
        .keys =
            api_keys({{.name = "credentials",
                       .kind = Kind::Text,
                       .meaning = R"("instance" or "container": the keys of its role, in place of these)"},
                      {.name = "access_key_id",
                       .kind = Kind::Text,
                       .is_required = true,
                       .meaning = "the access key's id"},
                      {.name = "secret_access_key",
                       .kind = Kind::Secret,
                       .is_required = true,
                       .meaning = "the access key's secret"},
                      {.name = "session_token", .kind = Kind::Secret, .meaning = "of temporary credentials"},
                      {.name = "region",
                       .kind = Kind::Text,
                       .meaning = "the region requests are signed for; \"us-east-1\" by default"},
                      {.name = "zone_id",
                       .kind = Kind::Text,
                       .meaning = "the hosted zone's id, where the key may not list zones"}},
                     /*has_endpoint=*/true),
        .make = [](const ProviderSettings& settings,
                   const ProviderEffects& effects) -> Result<std::unique_ptr<DnsProvider>> {
            const Dialect dialect{.provider = "route53", .rights = kRights, .judge = judge, .words = words};
            return std::make_unique<Route53>(
                TRY(Api::open(dialect, settings, effects, setting(settings, "endpoint", kEndpoint),
                              signer(settings, TRY(key_source(settings, effects)), effects.clock))),
                setting(settings, "zone_id"));
        }};
}

}  // namespace acme
