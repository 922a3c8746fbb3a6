// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/acme/dns/fake_api.hpp"

#include <algorithm>
#include <fstream>
#include <optional>
#include <regex>
#include <sstream>

#include "acme/solvers/dns/sigv4.hpp"
#include "base/text.hpp"

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

/// "60..86400" is a number within these, "boolean" is one, and everything else is a regular expression for
/// the whole of a text.
bool fits(const std::string& form, const json& value) {
    static const std::regex range(R"((\d+)\.\.(\d+))");
    std::smatch ends;
    if (std::regex_match(form, ends, range)) {
        return value.is_number_unsigned() && value >= std::stoull(ends[1]) && value <= std::stoull(ends[2]);
    }
    if (form == "boolean") return value.is_boolean();
    return value.is_string() && std::regex_match(value.get<std::string>(), std::regex(form));
}

/// Empty, or what is wrong with `value`. In a list each fits one of the forms there, and there is one at
/// least; members whose name ends in "?" may be missing.
std::string misshapen(const json& form, const json& value) {
    if (value.is_discarded()) return "no JSON";
    if (form.is_string()) return fits(form, value) ? "" : value.dump() + " is not " + form.get<std::string>();
    if (form.is_array()) {
        if (!value.is_array() || value.empty()) return "no list";
        for (const json& each : value) {
            std::string why;
            const bool fits_one = std::ranges::any_of(form, [&](const json& one) {
                const std::string wrong = misshapen(one, each);
                why += (why.empty() ? "" : ", or ") + wrong;
                return wrong.empty();
            });
            if (!fits_one) return why;
        }
        return {};
    }
    if (!value.is_object()) return "no object";
    json known = json::object();
    for (const auto& [key, inner] : form.items()) {
        const bool optional = key.ends_with('?');
        const std::string name = optional ? key.substr(0, key.size() - 1) : key;
        known[name] = true;
        if (!value.contains(name)) {
            if (!optional) return name + " is missing";
        } else if (std::string why = misshapen(inner, value.at(name)); !why.empty()) {
            return name + ": " + why;
        }
    }
    for (const auto& item : value.items()) {
        if (!known.contains(item.key())) return item.key() + " is unknown";
    }
    return {};
}

/// As an object; nothing where one comes twice.
std::optional<json> unique(const std::vector<std::pair<std::string, std::string>>& pairs) {
    json object = json::object();
    for (const auto& [name, value] : pairs) {
        if (object.contains(name)) return std::nullopt;
        object[name] = value;
    }
    return object;
}

/// Empty, or what is wrong: those of the fixture, what we take, what we send, and no others.
std::string wrong_headers(const json& fixture, const base::HttpRequest& request) {
    json form = fixture.at("headers");
    form["Accept"] = fixture.at("media_type");
    if (!request.body.empty()) form["Content-Type"] = fixture.at("media_type");
    const auto headers = unique(request.headers);
    return headers ? misshapen(form, *headers) : "twice the same";
}

/// The parameters, and what of them is a number as one.
std::optional<json> parse_query(const std::string& text) {
    std::vector<std::pair<std::string, std::string>> pairs;
    for (const std::string& one : split(text, '&')) {
        const std::size_t equals = std::min(one.find('='), one.size());
        pairs.emplace_back(one.substr(0, equals), unescaped(one.substr(std::min(equals + 1, one.size()))));
    }
    std::optional<json> query = unique(pairs);
    for (const auto& [name, value] : pairs) {
        const auto number = base::parse_number<unsigned>(value);
        if (query && number) (*query)[name] = *number;
    }
    return query;
}

/// Empty, or what is wrong with the body, which goes into `asked`.
std::string read_body(const base::HttpRequest& request, Asked& asked) {
    const json form = asked.route.value("body", json());
    if (form.is_null()) return request.body.empty() ? "" : "there is one";
    asked.body = form.is_string() ? json(request.body) : json::parse(request.body, nullptr, false);
    return misshapen(form, asked.body);
}

/// "20261121T120000Z"
std::optional<base::Instant> instant_of(const std::string& compact) {
    static const std::regex form(R"((\d{4})(\d\d)(\d\dT\d\d)(\d\d)(\d\dZ))");
    return base::parse_instant(std::regex_replace(compact, form, "$1-$2-$3:$4:$5"));
}

/// Empty, or what is wrong: AWS signs what has come to it again, and compares.
std::string wrong_signature(const AwsCaller& caller, const base::HttpRequest& request) {
    const json headers = unique(request.headers).value_or(json::object());
    const std::size_t host = request.url.find("://") + 3;
    const std::size_t path = request.url.find('/', host);
    const std::size_t question = std::min(request.url.find('?', path), request.url.size());
    const auto then = instant_of(headers.value("X-Amz-Date", ""));
    if (!then) return "no X-Amz-Date";
    const auto right =
        acme::sign_aws({.method = request.method,
                        .host = request.url.substr(host, path - host),
                        .path = request.url.substr(path, question - path),
                        .query = request.url.substr(std::min(question + 1, request.url.size())),
                        .body = request.body},
                       {.access_key_id = caller.access_key_id,
                        .secret_access_key = base::Secret(caller.secret_access_key),
                        .session_token = base::Secret(caller.session_token)},
                       {.region = caller.region, .service = "route53"}, *then);
    for (const auto& [name, value] : right) {
        if (headers.value(name, "") != value) return "is not " + name + ": " + value;
    }
    return {};
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
    if (const std::string why = wrong_headers(fixture_, request); !why.empty()) {
        return mistake(request, "headers: " + why);
    }
    const std::string target = request.url.substr(endpoint.size());
    const std::size_t question = std::min(target.find('?'), target.size());
    const auto query = parse_query(target.substr(std::min(question + 1, target.size())));
    if (!query) return mistake(request, "query: twice the same");
    for (const json& route : fixture_.at("routes")) {
        const auto parts = match(route.at("path"), target.substr(0, question));
        if (!parts || route.at("method") != request.method) continue;
        Asked asked{.route = route, .parts = *parts};
        for (const auto& [name, value] : query->items())
            asked.query[name] = value.is_string() ? value.get<std::string>() : value.dump();
        std::string why = misshapen(route.at("query"), json::array({*query}));
        if (!why.empty()) return mistake(request, "query: " + why);
        why = read_body(request, asked);
        if (!why.empty()) return mistake(request, "body: " + why);
        if (provider_ == "route53") why = wrong_signature(caller, request);
        if (!why.empty()) return mistake(request, "signature: " + why);
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
