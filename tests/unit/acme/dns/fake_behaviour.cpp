// SPDX-License-Identifier: Apache-2.0
// What each of the APIs does with a request that is right. The forms of the answers are the fixtures'.
#include <algorithm>

#include "tests/unit/acme/dns/fake_api.hpp"

namespace fakes {
namespace {

using nlohmann::json;

std::string with_quotes(const std::string& value) {
    return "\"" + value + "\"";
}

std::string without_quotes(const std::string& text) {
    return text.starts_with('"') ? text.substr(1, text.size() - 2) : text;
}

std::string without_dot(std::string name) {
    if (name.ends_with('.')) name.pop_back();
    return name;
}

std::string full(const std::string& name, const std::string& zone) {
    return name == "@" ? zone : name + "." + zone;
}

std::size_t number(const Asked& asked, const std::string& key) {
    return std::stoul(asked.query.at(key));
}

/// The zone whose id this is; empty if there is none.
std::string zone_with(const DnsApi& api, const std::string& id) {
    const std::size_t at = std::stoul(id.starts_with('Z') ? id.substr(1) : id);
    return at == 0 || at > api.zones.size() ? "" : api.zones[at - 1];
}

struct Page {
    std::vector<std::size_t> places{};  // of zones
    bool is_last = true;
};

Page page_of(const DnsApi& api, std::size_t page, std::size_t size) {
    Page out;
    for (std::size_t i = (page - 1) * size; i < api.zones.size() && i < page * size; ++i)
        out.places.push_back(i);
    out.is_last = page * size >= api.zones.size();
    return out;
}

Page asked_page(const DnsApi& api, const Asked& asked) {
    if (!asked.query.contains("name")) return page_of(api, number(asked, "page"), number(asked, "per_page"));
    Page out;
    for (std::size_t i = 0; i < api.zones.size(); ++i) {
        if (api.zones[i] == asked.query.at("name")) out.places.push_back(i);
    }
    return out;
}

json cloudflare(DnsApi& api, const Asked& asked) {
    json answer = asked.route.at("answer");
    json item = asked.route.value("item", json());
    if (asked.name() == "zones") {
        const Page page = asked_page(api, asked);
        for (const std::size_t i : page.places) {
            item["id"] = "Z" + std::to_string(i + 1);
            item["name"] = api.zones[i];
            const bool is_pending =
                std::ranges::find(api.pending_zones, "Z" + std::to_string(i + 1)) != api.pending_zones.end();
            item["status"] = is_pending ? "pending" : "active";
            answer["result"].push_back(item);
        }
        const std::size_t at = asked.query.contains("page") ? number(asked, "page") : 1;
        answer["result_info"]["page"] = at;
        answer["result_info"]["total_pages"] = page.is_last ? at : at + 1;
        return answer;
    }
    const std::string zone = zone_with(api, asked.parts.at("zone"));
    if (zone.empty()) return "404";
    if (asked.name() == "records") {
        for (const Txt& txt : api.txts) {
            if (txt.name != asked.query.at("name")) continue;
            item["id"] = txt.id;
            item["name"] = txt.name;
            item["content"] = with_quotes(txt.value);
            item["ttl"] = txt.ttl;
            answer["result"].push_back(item);
        }
    } else if (asked.name() == "create") {
        api.add(asked.body.at("name"), without_quotes(asked.body.at("content")), asked.body.at("ttl"));
    } else {
        std::erase_if(api.txts, [&](const Txt& txt) { return txt.id == asked.parts.at("record"); });
    }
    return answer;
}

json digitalocean(DnsApi& api, const Asked& asked) {
    json answer = asked.route.at("answer");
    json item = asked.route.value("item", json());
    if (asked.name() == "zones") {
        const Page page = asked_page(api, asked);
        for (const std::size_t i : page.places) {
            item["name"] = api.zones[i];
            answer["domains"].push_back(item);
        }
        if (!page.is_last) answer["links"]["pages"]["next"] = api.endpoint + "/domains?page=2";
        return answer;
    }
    const std::string zone = asked.parts.at("zone");
    if (!api.has_zone(zone)) return "404";
    if (asked.name() == "records") {
        for (const Txt& txt : api.txts) {
            if (txt.name != asked.query.at("name")) continue;
            item["id"] = std::stoul(txt.id);
            item["name"] = txt.name == zone ? "@" : txt.name.substr(0, txt.name.size() - zone.size() - 1);
            item["data"] = txt.value;
            item["ttl"] = txt.ttl;
            answer["domain_records"].push_back(item);
        }
    } else if (asked.name() == "create") {
        api.add(full(asked.body.at("name"), zone), asked.body.at("data"), asked.body.at("ttl"));
    } else if (asked.name() == "delete") {
        std::erase_if(api.txts, [&](const Txt& txt) { return txt.id == asked.parts.at("record"); });
    }
    return answer;
}

json hetzner(DnsApi& api, const Asked& asked) {
    json answer = asked.route.at("answer");
    json item = asked.route.value("item", json());
    if (asked.name() == "zones") {
        const Page page = asked_page(api, asked);
        for (const std::size_t i : page.places) {
            item["id"] = i + 1;
            item["name"] = api.zones[i];
            answer["zones"].push_back(item);
        }
        if (!page.is_last) answer["meta"]["pagination"]["next_page"] = number(asked, "page") + 1;
        return answer;
    }
    if (asked.name() == "action") {
        if (api.pending-- > 0) answer["action"]["status"] = "running";
        return answer;
    }
    const std::string zone = zone_with(api, asked.parts.at("zone"));
    if (zone.empty()) return "404";
    const std::string name = full(asked.parts.at("name"), zone);
    const auto values = api.values_at(name);
    if (asked.name() == "add") {
        const unsigned ttl = values.empty() ? 0 : std::ranges::find(api.txts, name, &Txt::name)->ttl;
        if (asked.body.contains("ttl") && ttl > 0 && asked.body.at("ttl") != ttl) return "409";
        api.add(name, without_quotes(asked.body.at("records").at(0).at("value")),
                asked.body.value("ttl", ttl));
        return answer;
    }
    if (values.empty()) return "404";
    if (asked.name() == "remove") {
        api.remove(name, without_quotes(asked.body.at("records").at(0).at("value")));
        return answer;
    }
    answer["rrset"]["ttl"] = std::ranges::find(api.txts, name, &Txt::name)->ttl;
    for (const std::string& value : values) {
        item["value"] = with_quotes(value);
        answer["rrset"]["records"].push_back(item);
    }
    return answer;
}

json gandi(DnsApi& api, const Asked& asked) {
    json answer = asked.route.at("answer");
    if (asked.name() == "zones") {
        json item = asked.route.at("item");
        for (const std::size_t i : asked_page(api, asked).places) {
            item["fqdn"] = api.zones[i];
            answer.push_back(item);
        }
        return answer;
    }
    const std::string zone = asked.parts.at("zone");
    if (!api.has_zone(zone)) return "404";
    if (asked.name() == "zone") return answer;
    const std::string name = full(asked.parts.at("name"), zone);
    const auto values = api.values_at(name);
    if (asked.name() == "rrset") {
        if (values.empty()) return "404";
        answer["rrset_ttl"] = std::ranges::find(api.txts, name, &Txt::name)->ttl;
        for (const std::string& value : values) answer["rrset_values"].push_back(with_quotes(value));
        return answer;
    }
    if (asked.name() == "create" && !values.empty()) return "409";
    std::erase_if(api.txts, [&](const Txt& txt) { return txt.name == name; });
    for (const json& value : asked.body.value("rrset_values", json::array())) {
        api.add(name, without_quotes(value), asked.body.at("rrset_ttl"));
    }
    return answer;
}

json powerdns(DnsApi& api, const Asked& asked) {
    json answer = asked.route.at("answer");
    json item = asked.route.value("item", json());
    if (asked.name() == "zones") {
        if (!api.has_zone(without_dot(asked.query.at("zone")))) return answer;
        item["id"] = item["name"] = asked.query.at("zone");
        answer.push_back(item);
        return answer;
    }
    if (!api.has_zone(without_dot(asked.parts.at("zone")))) return "404";
    if (asked.name() == "zone") {
        const std::string name = without_dot(asked.query.at("rrset_name"));
        for (const std::string& value : api.values_at(name)) {
            item["records"].push_back({{"content", with_quotes(value)}, {"disabled", value == "off"}});
        }
        if (item["records"].empty()) return answer;
        item["name"] = name + ".";
        item["ttl"] = std::ranges::find(api.txts, name, &Txt::name)->ttl;
        answer["rrsets"].push_back(item);
    } else if (asked.name() == "write") {
        const json& set = asked.body.at("rrsets").at(0);
        const std::string name = without_dot(set.at("name"));
        std::erase_if(api.txts, [&](const Txt& txt) { return txt.name == name; });
        for (const json& one : set.value("records", json::array())) {
            const std::string value = without_quotes(one.at("content"));
            if (one.at("disabled") != (value == "off")) return "409";
            api.add(name, value, set.at("ttl"));
        }
    }
    return answer;
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
    const std::size_t at = text.find(what);
    return at == std::string::npos ? text : text.replace(at, what.size(), by);
}

std::string set_of(const DnsApi& api, const std::string& form, const std::string& name,
                   const std::string& quote) {
    std::string values;
    std::string ttl;
    for (const Txt& txt : api.txts) {
        if (txt.name != name) continue;
        values.append("<ResourceRecord><Value>").append(quote).append(txt.value).append(quote);
        values += "</Value></ResourceRecord>";
        ttl = std::to_string(txt.ttl);
    }
    if (values.empty()) return {};
    return replaced(replaced(replaced(form, "$NAME", name), "$TTL", ttl), "$VALUES", values);
}

/// "<a>x</a>…": the text between the first <a> and </a> behind `from`, which goes to its end.
std::string between(const std::string& text, const std::string& tag, std::size_t& from) {
    const std::size_t start = text.find("<" + tag + ">", from);
    if (start == std::string::npos) return {};
    const std::size_t end = text.find("</" + tag + ">", start);
    from = end;
    return text.substr(start + tag.size() + 2, end - start - tag.size() - 2);
}

json route53_write(DnsApi& api, const Asked& asked) {
    const std::string body = asked.body;
    const std::string form = api.fixture().at("routes").at(2).at("item");
    std::size_t at = 0;
    for (std::string change = between(body, "Change", at); !change.empty();
         change = between(body, "Change", at)) {
        std::size_t in = 0;
        const std::string action = between(change, "Action", in);
        const std::string set =
            "<ResourceRecordSet>" + between(change, "ResourceRecordSet", in) + "</ResourceRecordSet>";
        in = 0;
        const std::string name = without_dot(between(set, "Name", in));
        const auto ttl = static_cast<unsigned>(std::stoul(between(set, "TTL", in)));
        const std::string there = set_of(api, form, name, "&quot;");
        if (action == "DELETE" ? there != set : !there.empty()) return "409";
        if (action == "DELETE") {
            std::erase_if(api.txts, [&](const Txt& txt) { return txt.name == name; });
            continue;
        }
        while (true) {
            const std::string value = between(set, "Value", in);
            if (value.empty()) break;
            api.add(name, value.substr(6, value.size() - 12), ttl);
        }
    }
    return asked.route.at("answer");
}

json route53(DnsApi& api, const Asked& asked) {
    std::string answer = asked.route.at("answer");
    std::string items;
    if (asked.name() == "zones" || asked.name() == "zones_by_name") {
        const std::string item = api.fixture().at("routes").at(0).at("item");
        const auto show = [&](const std::string& id, const std::string& name, bool is_private) {
            items += replaced(replaced(replaced(item, "$ID", id), "$NAME", name), "$PRIVATE",
                              is_private ? "true" : "false");
        };
        for (const std::string& name : api.private_zones) show("P1", name, /*is_private=*/true);
        if (asked.name() == "zones_by_name") {
            for (std::size_t i = 0; i < api.zones.size(); ++i) {
                if (api.zones[i] == asked.query.at("dnsname"))
                    show("Z" + std::to_string(i + 1), api.zones[i], false);
            }
            return replaced(answer, "$ITEMS", items);
        }
        const bool is_first = !asked.query.contains("marker");
        const Page page =
            page_of(api, is_first ? 1 : std::stoul(asked.query.at("marker")), number(asked, "maxitems"));
        for (const std::size_t i : page.places) show("Z" + std::to_string(i + 1), api.zones[i], false);
        return replaced(replaced(answer, "$ITEMS", items), "$NEXT",
                        page.is_last ? "<IsTruncated>false</IsTruncated>"
                                     : "<IsTruncated>true</IsTruncated><NextMarker>2</NextMarker>");
    }
    if (asked.name() == "change")
        return replaced(answer, "$STATUS", api.pending-- > 0 ? "PENDING" : "INSYNC");
    if (zone_with(api, asked.parts.at("zone")).empty()) return "404";
    if (asked.name() == "write") return route53_write(api, asked);
    return replaced(answer, "$ITEMS",
                    set_of(api, asked.route.at("item"), without_dot(asked.query.at("name")), "&quot;"));
}

/// An account holds the two latest values.
json acme_dns(DnsApi& api, const Asked& asked) {
    json answer = asked.route.at("answer");
    const std::string name = asked.body.at("subdomain").get<std::string>() + ".auth.example";
    api.add(name, asked.body.at("txt"), 1);
    while (api.txts.size() > 2) api.txts.erase(api.txts.begin());
    answer["txt"] = asked.body.at("txt");
    return answer;
}

}  // namespace

json behave(const std::string& provider, DnsApi& api, const Asked& asked) {
    if (provider == "cloudflare") return cloudflare(api, asked);
    if (provider == "digitalocean") return digitalocean(api, asked);
    if (provider == "hetzner") return hetzner(api, asked);
    if (provider == "gandi") return gandi(api, asked);
    if (provider == "powerdns") return powerdns(api, asked);
    if (provider == "route53") return route53(api, asked);
    return acme_dns(api, asked);
}

}  // namespace fakes
