// SPDX-License-Identifier: Apache-2.0
#include "acme/caa.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/encoding.hpp"
#include "base/text.hpp"

namespace acme {

namespace {

using base::Code;
using base::Result;

constexpr std::size_t kIssuersTold = 4;
// The bit of RFC 8659 §4.1 is 128. So many write 1 that CAs (Let's Encrypt among them) take it for the same.
constexpr unsigned kCritical = 128U | 1U;

bool is_alphanumeric(char character) {
    return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
           (character >= '0' && character <= '9');
}

/// "letsencrypt.org; accounturi=https://…; validationmethods=dns-01".
struct IssueValue {
    bool is_malformed = false;
    std::string issuer{};  // lower case; empty: nobody
    std::optional<std::string> account{};
    std::optional<std::vector<std::string>> methods{};
};

/// Letters, digits and, not at either end, hyphens.
bool is_label(std::string_view text) {
    if (text.empty() || !is_alphanumeric(text.front()) || !is_alphanumeric(text.back())) return false;
    return std::ranges::all_of(text, [](char one) { return is_alphanumeric(one) || one == '-'; });
}

bool is_issuer(std::string_view text) {
    for (;;) {
        const std::size_t dot = text.find('.');
        if (!is_label(text.substr(0, dot))) return false;
        if (dot == std::string_view::npos) return true;
        text.remove_prefix(dot + 1);
    }
}

/// RFC 8657 §4: labels between commas.
std::optional<std::vector<std::string>> parse_methods(std::string_view text) {
    std::vector<std::string> methods;
    for (;;) {
        const std::size_t comma = text.find(',');
        const std::string_view method = text.substr(0, comma);
        if (!is_label(method)) return std::nullopt;
        methods.emplace_back(method);
        if (comma == std::string_view::npos) return methods;
        text.remove_prefix(comma + 1);
    }
}

/// RFC 8659 §4.2: tag *WSP "=" *WSP value. A parameter that says something twice says nothing (RFC 8657 §3).
bool read_parameter(std::string_view text, IssueValue& value) {
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) return false;
    const std::string tag = base::lower(base::trimmed(text.substr(0, equals)));
    const std::string_view said = base::trimmed(text.substr(equals + 1));
    const auto is_visible = [](char one) { return one > 0x20 && one < 0x7F; };
    if (!is_label(tag) || !std::ranges::all_of(said, is_visible)) return false;
    if (tag == "accounturi") {
        if (value.account) return false;
        value.account = said;
    } else if (tag == "validationmethods") {
        if (value.methods) return false;
        value.methods = parse_methods(said);
        return value.methods.has_value();
    }
    return true;  // parameters of other CAs are none of our business
}

IssueValue parse_issue(std::string_view text) {
    IssueValue value;
    const std::size_t end = std::min(text.find(';'), text.size());
    const std::string_view issuer = base::trimmed(text.substr(0, end));
    if (!issuer.empty() && !is_issuer(issuer)) return {.is_malformed = true};
    value.issuer = base::lower(issuer);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (base::trimmed(text).empty()) return value;
    for (;;) {
        const std::size_t next = text.find(';');
        if (!read_parameter(base::trimmed(text.substr(0, next)), value)) return {.is_malformed = true};
        if (next == std::string_view::npos) return value;
        text.remove_prefix(next + 1);
    }
}

/// Boulder knows these; a critical one beyond them keeps a CA from issuing (RFC 8659 §4.1).
bool is_known(std::string_view tag) {
    constexpr std::array<std::string_view, 4> kTags{"issue", "issuewild", "iodef", "issuemail"};
    return std::ranges::find(kTags, tag) != kTags.end();
}

std::string shown(std::string name) {
    if (name.size() > 1 && name.ends_with('.')) name.pop_back();
    return base::printable(name, 260);
}

bool is_identity(const CaaRequest& request, const std::string& issuer) {
    return std::ranges::any_of(request.identities,
                               [&](const std::string& identity) { return base::lower(identity) == issuer; });
}

/// Why this value does not let the CA do what it wants, although it names it; empty where it does.
std::string obstacle(const IssueValue& value, const CaaRequest& request) {
    if (value.account && *value.account != request.account_url) {
        return "the account " + base::printable(*value.account, 200) +
               (request.account_url.empty() ? ", and there is no account of ours yet that it could be"
                                            : ", and ours is " + base::printable(request.account_url, 200));
    }
    if (value.methods && !request.method.empty() &&
        std::ranges::find(*value.methods, request.method) == value.methods->end()) {
        std::string list;
        for (const std::string& method : *value.methods) list += (list.empty() ? "" : ", ") + method;
        return "validation by " + base::printable(list, 200) + ", and ours is " + request.method;
    }
    return {};
}

/// The properties that count: for a wildcard those of issuewild, if there are any (RFC 8659 §4.3).
std::vector<IssueValue> relevant(const CaaSet& set, bool is_wildcard) {
    const auto tagged = [&set](std::string_view tag) {
        std::vector<IssueValue> values;
        for (const base::DnsRecord& record : set.records) {
            if (record.tag == tag) values.push_back(parse_issue(record.data));
        }
        return values;
    };
    std::vector<IssueValue> values = is_wildcard ? tagged("issuewild") : std::vector<IssueValue>{};
    return values.empty() ? tagged("issue") : values;
}

std::string issuers_text(const std::vector<IssueValue>& values) {
    std::vector<std::string> issuers;
    for (const IssueValue& value : values) {
        const bool again = std::ranges::find(issuers, value.issuer) != issuers.end();
        if (!value.issuer.empty() && !again) issuers.push_back(value.issuer);
    }
    if (issuers.empty()) return {};
    std::string text;
    for (std::size_t i = 0; i < std::min(issuers.size(), kIssuersTold); ++i) {
        text += (text.empty() ? "" : ", ") + base::printable(issuers[i], 100);
    }
    return issuers.size() > kIssuersTold ? text + " and others" : text;
}

bool has_issuewild(const CaaSet& set) {
    return std::ranges::any_of(set.records, [](const auto& record) { return record.tag == "issuewild"; });
}

/// The record that would do.
std::string wanted_record(const CaaSet& set, const CaaRequest& request) {
    const bool wild = request.is_wildcard && has_issuewild(set);
    return set.owner + " CAA 0 " + (wild ? "issuewild" : "issue") + " \"" +
           (request.identities.empty() ? "the CA's name" : base::printable(request.identities.front(), 100)) +
           "\"";
}

}  // namespace

std::optional<CaaRefusal> judge_caa(const CaaSet& set, const CaaRequest& request) {
    const std::string where = "CAA at " + shown(set.owner);
    const std::string wanted = wanted_record(set, request);
    for (const base::DnsRecord& record : set.records) {
        if ((record.flags & kCritical) == 0 || is_known(record.tag)) continue;
        return CaaRefusal{.reason = where + " has the critical property \"" +
                                    base::printable(record.tag, 40) + "\", which no CA understands",
                          .wanted = "the same without the critical flag: " + set.owner + " CAA 0 " +
                                    base::printable(record.tag, 40) + " …"};
    }
    const std::vector<IssueValue> values = relevant(set, request.is_wildcard);
    if (values.empty()) return std::nullopt;
    std::string nearly;
    bool malformed = false;
    for (const IssueValue& value : values) {
        malformed = malformed || value.is_malformed;
        if (value.is_malformed || value.issuer.empty()) continue;
        if (request.identities.empty()) return std::nullopt;
        if (!is_identity(request, value.issuer)) continue;
        const std::string why = obstacle(value, request);
        if (why.empty()) return std::nullopt;
        nearly = value.issuer + " only for " + why;
    }
    const std::string wildcards = request.is_wildcard ? " to issue wildcards" : "";
    if (!nearly.empty()) return CaaRefusal{.reason = where + " allows " + nearly, .wanted = wanted};
    const std::string issuers = issuers_text(values);
    std::string reason = where + (issuers.empty() ? " allows no CA" : " allows only " + issuers) + wildcards;
    if (malformed) reason += " (and has a value that breaks the rules, which allows nobody)";
    return CaaRefusal{.reason = std::move(reason), .wanted = wanted};
}

namespace {

/// What a cache still holds is not what a CA will see.
Result<base::DnsAnswer> ask_for_caa(const base::Dns& dns, const std::string& name) {
    const bool is_top = name.find('.') + 1 == name.size();
    if (is_top) return dns.ask(name, base::DnsType::Caa);
    const base::DnsTarget target = TRY(dns.follow(name));
    const auto zone = dns.zone_of(target.name);
    if (!zone && zone.error().code == Code::DnsBogus) return base::Failure(zone.error());
    for (const base::ZoneServer& server : zone ? zone->servers : std::vector<base::ZoneServer>{}) {
        for (const base::DnsServer& address : server.addresses) {
            if (!base::has_route(address)) continue;
            auto answer = dns.ask_server(address, target.name, base::DnsType::Caa);
            if (answer && (answer->rcode == 0 || answer->rcode == 3)) return answer;
        }
    }
    return dns.ask(name, base::DnsType::Caa);
}

}  // namespace

Result<CaaSet> find_caa(const base::Dns& dns, std::string_view name) {
    std::string at = TRY(base::dns_name(name.starts_with("*.") ? name.substr(2) : name));
    while (at != ".") {
        const auto answer = ask_for_caa(dns, at);
        if (!answer) return base::Failure(base::Error(answer.error()).within("CAA for " + shown(at)));
        CaaSet set{.owner = at};
        for (const base::DnsRecord& record : answer->records) {
            if (record.type == base::DnsType::Caa) set.records.push_back(record);
        }
        if (!set.records.empty()) return set;
        const std::size_t dot = at.find('.');
        at = dot + 1 < at.size() ? at.substr(dot + 1) : ".";
    }
    return CaaSet{};
}

Result<CaaSet> check_caa(const base::Dns& dns, const base::Identifier& identifier, CaaRequest request) {
    if (identifier.type != base::IdentifierType::Dns) return CaaSet{};
    request.is_wildcard = identifier.is_wildcard();
    CaaSet set = TRY(find_caa(dns, identifier.value));
    const auto refusal = judge_caa(set, request);
    if (!refusal) return set;
    return base::fail(Code::CaForbidden, identifier.value + ": " + refusal->reason,
                      "to let this CA issue, the zone needs: " + refusal->wanted);
}

}  // namespace acme
