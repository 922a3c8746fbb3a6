// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/acme/dns/fake_api.hpp"

#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>

namespace fakes {
namespace {

using nlohmann::json;

std::vector<std::string> split(const std::string& text, char separator) {
    std::vector<std::string> parts;
    std::istringstream in(text);
    for (std::string part; std::getline(in, part, separator);) parts.push_back(part);
    return parts;
}

std::string unescaped(const std::string& text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 2 < text.size()) {
            out += static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16));
            i += 2;
        } else {
            out += text[i];
        }
    }
    return out;
}

/// The parts of a path that fits "/zones/{zone}".
std::optional<std::map<std::string, std::string>> match(const std::string& form, const std::string& path) {
    if (form.ends_with('/') != path.ends_with('/')) return std::nullopt;
    const auto wanted = split(form, '/');
    const auto given = split(path, '/');
    if (wanted.size() != given.size()) return std::nullopt;
    std::map<std::string, std::string> parts;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        if (wanted[i].starts_with('{')) {
            parts[wanted[i].substr(1, wanted[i].size() - 2)] = unescaped(given[i]);
        } else if (wanted[i] != given[i]) {
            return std::nullopt;
        }
    }
    return parts;
}

/// Empty, or what is wrong with `value`.
std::string misshapen(const json& shape, const json& value) {
    if (shape.is_string()) {
        return shape == value.type_name() ? "" : "a " + std::string(value.type_name()) + " in the body";
    }
    if (shape.is_array()) {
        if (!value.is_array() || value.empty()) return "no list in the body";
        for (const json& each : value) {
            if (std::string why = misshapen(shape.at(0), each); !why.empty()) return why;
        }
        return {};
    }
    if (!value.is_object()) return "no object in the body";
    json known = json::object();
    for (const auto& [key, inner] : shape.items()) {
        const bool optional = key.ends_with('?');
        const std::string name = optional ? key.substr(0, key.size() - 1) : key;
        known[name] = true;
        if (!value.contains(name)) {
            if (!optional) return name + " is missing in the body";
        } else if (std::string why = misshapen(inner, value.at(name)); !why.empty()) {
            return name + ": " + why;
        }
    }
    for (const auto& item : value.items()) {
        if (!known.contains(item.key())) return item.key() + " is unknown in the body";
    }
    return {};
}

std::string wrong_headers(const json& wanted, const base::HttpRequest& request) {
    for (const auto& [name, value] : wanted.items()) {
        const auto found =
            std::ranges::find(request.headers, name, &std::pair<std::string, std::string>::first);
        if (found == request.headers.end()) return "header " + name + " is missing";
        const std::string prefix = value.get<std::string>();
        if (!found->second.starts_with(prefix)) return "header " + name + " is not as documented";
    }
    return {};
}

bool allows(const json& forms, const std::map<std::string, std::string>& query) {
    return std::ranges::any_of(forms, [&](const json& form) {
        return form.size() == query.size() && std::ranges::all_of(form, [&](const json& name) {
                   return query.contains(name.get<std::string>());
               });
    });
}

}  // namespace

DnsApi::DnsApi(std::string provider) : provider_(std::move(provider)) {
    std::ifstream file(std::string(DNS_FIXTURES) + "/" + provider_ + ".json");
    fixture_ = json::parse(file);
    endpoint = fixture_.at("endpoint");
}

base::HttpResponse DnsApi::mistake(const base::HttpRequest& request, const std::string& why) {
    mistakes.push_back(request.method + " " + request.url + ": " + why);
    return {.status = 400, .body = "{}"};
}

base::HttpResponse DnsApi::error(const std::string& key) const {
    const json& row = fixture_.at("errors").at(key);
    base::HttpResponse response{.status = row.at("status")};
    for (const auto& [name, value] : failure_headers) response.headers.emplace_back(name, value);
    response.body = row.at("body").is_string() ? row.at("body").get<std::string>() : row.at("body").dump();
    return response;
}

void DnsApi::fail(const std::string& kind, const std::string& error, int times) {
    failing_[kind] = {error, times};
}

base::Result<base::HttpResponse> DnsApi::exchange(const base::HttpRequest& request) {
    const std::scoped_lock lock(mutex_);
    requests.push_back(request);
    if (!broken) return base::Failure(broken.error());
    return answer(request);
}

base::Result<base::HttpResponse> DnsApi::answer(const base::HttpRequest& request) {
    if (!request.url.starts_with(endpoint)) return mistake(request, "another endpoint");
    const std::string target = request.url.substr(endpoint.size());
    const std::size_t question = std::min(target.find('?'), target.size());
    std::map<std::string, std::string> query;
    for (const std::string& one : split(target.substr(std::min(question + 1, target.size())), '&')) {
        const std::size_t equals = std::min(one.find('='), one.size());
        query[one.substr(0, equals)] = unescaped(one.substr(std::min(equals + 1, one.size())));
    }
    if (const std::string why = wrong_headers(fixture_.at("headers"), request); !why.empty()) {
        return mistake(request, why);
    }
    for (const json& route : fixture_.at("routes")) {
        const auto parts = match(route.at("path"), target.substr(0, question));
        if (!parts || route.at("method") != request.method) continue;
        Asked asked{.route = route, .parts = *parts, .query = query};
        if (!allows(route.at("query"), query)) return mistake(request, "another query");
        const bool is_xml = route.value("body", json()) == "xml";
        if (is_xml)
            asked.body = request.body;
        else if (!request.body.empty())
            asked.body = json::parse(request.body, nullptr, false);
        const std::string why = is_xml                   ? ""
                                : route.contains("body") ? misshapen(route.at("body"), asked.body)
                                : request.body.empty()   ? ""
                                                         : "a body";
        if (!why.empty()) return mistake(request, why);
        log.push_back(asked.name());
        const std::string kind = request.method == "GET" ? "GET" : "change";
        if (auto& [key, times] = failing_[kind]; times > 0) {
            --times;
            if (before_failure) before_failure();
            return error(key);
        }
        if (kind == "GET" && !body_instead.empty())
            return base::HttpResponse{.status = 200, .body = body_instead};
        const json body = behave(provider_, *this, asked);
        if (body == "404" || body == "409") return error(body.get<std::string>());
        base::HttpResponse response{.status = route.value("status", 200)};
        if (!body.is_null()) response.body = body.is_string() ? body.get<std::string>() : body.dump();
        return response;
    }
    return mistake(request, "no such path");
}

std::vector<std::string> DnsApi::values_at(const std::string& name) const {
    std::vector<std::string> values;
    for (const Txt& txt : txts) {
        if (txt.name == name) values.push_back(txt.value);
    }
    std::ranges::sort(values);
    return values;
}

void DnsApi::add(const std::string& name, const std::string& value, unsigned ttl) {
    txts.push_back({.id = std::to_string(next_id_++), .name = name, .value = value, .ttl = ttl});
}

void DnsApi::remove(const std::string& name, const std::string& value) {
    std::erase_if(txts, [&](const Txt& txt) { return txt.name == name && txt.value == value; });
}

bool DnsApi::has_zone(const std::string& name) const {
    return std::ranges::find(zones, name) != zones.end();
}

}  // namespace fakes
