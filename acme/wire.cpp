// SPDX-License-Identifier: Apache-2.0
#include "acme/wire.hpp"

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "acme/limits.hpp"
#include "acme/url.hpp"
#include "base/encoding.hpp"

namespace acme {
namespace {

using nlohmann::json;

base::Failure malformed(std::string_view what, std::string_view why) {
    return base::fail(base::Code::CaProtocol,
                      "the CA's answer is no " + std::string(what) + ": " + std::string(why));
}

base::Result<json> parse_object(std::string_view body, std::string_view what) {
    if (body.size() > kAnswerBytesMax) return malformed(what, "it is longer than 1 MiB");
    json value = json::parse(body, nullptr, /*allow_exceptions=*/false);
    if (value.is_discarded()) return malformed(what, "it is not JSON");
    if (!value.is_object()) return malformed(what, "it is not a JSON object");
    return value;
}

/// The text of a member; empty where it is missing or something else.
std::string text_of(const json& object, const char* member) {
    const auto found = object.find(member);
    if (found == object.end() || !found->is_string()) return {};
    return found->get<std::string>();
}

/// A URL that may be missing, and then is empty.
base::Result<std::string> optional_url(const json& object, const char* member, std::string_view request_url) {
    if (!object.contains(member) || object.at(member).is_null()) return std::string{};
    return resolve_url(request_url, text_of(object, member));
}

base::Result<std::string> required_url(const json& object, const char* member, std::string_view request_url,
                                       std::string_view what) {
    const std::string reference = text_of(object, member);
    if (reference.empty()) return malformed(what, "\"" + std::string(member) + "\" is missing or no text");
    return resolve_url(request_url, reference);
}

/// A member that must be an array of at most `count_max`; missing is empty.
base::Result<json> array_of(const json& object, const char* member, std::size_t count_max,
                            std::string_view what) {
    const auto found = object.find(member);
    if (found == object.end() || found->is_null()) return json::array();
    if (!found->is_array()) return malformed(what, "\"" + std::string(member) + "\" is not a list");
    if (found->size() > count_max) {
        return malformed(what, "\"" + std::string(member) + "\" has " + std::to_string(found->size()) +
                                   " entries; at most " + std::to_string(count_max) + " are taken");
    }
    return *found;
}

/// On the wire a name is made of A-labels (RFC 8555 §7.1.4).
bool is_ascii(std::string_view text) {
    return std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
}

base::Result<base::Identifier> parse_wire_identifier(const json& value, std::string_view what) {
    if (!value.is_object()) return malformed(what, "an identifier is not an object");
    const std::string type = text_of(value, "type");
    const std::string text = text_of(value, "value");
    auto identifier = base::parse_identifier(text);
    if (!is_ascii(text) || !identifier || base::to_string(identifier->type) != type) {
        return malformed(what, "\"" + base::printable(text, 100) + "\" of type \"" +
                                   base::printable(type, 20) + "\" is no name or address");
    }
    return identifier;
}

/// All of them, or none: see Challenge::issuer_domains.
std::vector<std::string> read_issuer_domains(const json& challenge) {
    const auto found = challenge.find("issuer-domain-names");
    if (found == challenge.end() || !found->is_array() || found->size() > kIssuerDomainsMax) return {};
    std::vector<std::string> domains;
    for (const json& each : *found) {
        const std::string text = each.is_string() ? each.get<std::string>() : std::string{};
        auto domain = base::parse_identifier(text);
        if (!is_ascii(text) || !domain || domain->type != base::IdentifierType::Dns || domain->is_wildcard())
            return {};
        domains.push_back(std::move(domain->value));
    }
    return domains;
}

Problem read_problem(const json& value, int status, bool is_top) {
    Problem problem{.type = text_of(value, "type"),
                    .detail = text_of(value, "detail"),
                    .instance = text_of(value, "instance"),
                    .status = status};
    if (problem.type == "about:blank") problem.type.clear();
    if (problem.detail.empty()) problem.detail = text_of(value, "title");
    if (const auto named = value.find("identifier"); named != value.end() && named->is_object()) {
        problem.identifier = text_of(*named, "value");
    }
    const auto inner = value.find("subproblems");
    // §6.7.1: "ACME clients may choose to use the 'identifier' field of a subproblem": one level, not a tree.
    if (!is_top || inner == value.end() || !inner->is_array()) return problem;
    for (const json& each : *inner) {
        if (problem.subproblems.size() >= kOrderNamesMax) break;
        if (each.is_object()) problem.subproblems.push_back(read_problem(each, status, /*is_top=*/false));
    }
    return problem;
}

std::optional<Problem> member_problem(const json& object) {
    const auto found = object.find("error");
    if (found == object.end() || !found->is_object()) return std::nullopt;
    return read_problem(*found, /*status=*/0, /*is_top=*/true);
}

OrderStatus parse_order_status(std::string_view text) {
    if (text == "pending") return OrderStatus::Pending;
    if (text == "ready") return OrderStatus::Ready;
    if (text == "processing") return OrderStatus::Processing;
    if (text == "valid") return OrderStatus::Valid;
    if (text == "invalid") return OrderStatus::Invalid;
    return OrderStatus::Unknown;
}

AuthorizationStatus parse_authorization_status(std::string_view text) {
    if (text == "pending") return AuthorizationStatus::Pending;
    if (text == "valid") return AuthorizationStatus::Valid;
    if (text == "invalid") return AuthorizationStatus::Invalid;
    if (text == "deactivated") return AuthorizationStatus::Deactivated;
    if (text == "expired") return AuthorizationStatus::Expired;
    if (text == "revoked") return AuthorizationStatus::Revoked;
    return AuthorizationStatus::Unknown;
}

ChallengeStatus parse_challenge_status(std::string_view text) {
    if (text == "pending") return ChallengeStatus::Pending;
    if (text == "processing") return ChallengeStatus::Processing;
    if (text == "valid") return ChallengeStatus::Valid;
    if (text == "invalid") return ChallengeStatus::Invalid;
    return ChallengeStatus::Unknown;
}

void read_meta(const json& meta, Directory& directory) {
    directory.terms_of_service = text_of(meta, "termsOfService");
    const auto external = meta.find("externalAccountRequired");
    directory.external_account_required =
        external != meta.end() && external->is_boolean() && external->get<bool>();
    if (const auto caa = meta.find("caaIdentities"); caa != meta.end() && caa->is_array()) {
        for (const json& each : *caa) {
            if (each.is_string()) directory.caa_identities.push_back(each.get<std::string>());
        }
    }
    const auto profiles = meta.find("profiles");
    if (profiles == meta.end() || !profiles->is_object()) return;
    for (const auto& [name, description] : profiles->items()) {
        if (directory.profiles.size() >= kProfilesMax) break;
        directory.profiles[name] = description.is_string() ? description.get<std::string>() : std::string{};
    }
}

/// An e-mail address becomes a mailto: URL (RFC 6068); percent-encoding in it is the user's.
std::string contact_url(const std::string& contact) {
    const bool is_url = contact.find(':') != std::string::npos;
    return is_url ? contact : "mailto:" + contact;
}

/// Texts of ours are checked before, but a payload must never throw: what is not UTF-8 is replaced.
std::string dump(const json& value) {
    return value.dump(-1, ' ', /*ensure_ascii=*/false, json::error_handler_t::replace);
}

}  // namespace

base::Result<Directory> parse_directory(std::string_view body, std::string_view request_url) {
    constexpr std::string_view kWhat = "ACME directory";
    const json object = TRY(parse_object(body, kWhat));
    Directory directory{.new_nonce = TRY(required_url(object, "newNonce", request_url, kWhat)),
                        .new_account = TRY(required_url(object, "newAccount", request_url, kWhat)),
                        .new_order = TRY(required_url(object, "newOrder", request_url, kWhat)),
                        .key_change = TRY(optional_url(object, "keyChange", request_url)),
                        .revoke_cert = TRY(optional_url(object, "revokeCert", request_url)),
                        .renewal_info = TRY(optional_url(object, "renewalInfo", request_url))};
    if (const auto meta = object.find("meta"); meta != object.end() && meta->is_object()) {
        read_meta(*meta, directory);
    }
    return directory;
}

base::Result<Order> parse_order(std::string_view body, std::string_view request_url) {
    constexpr std::string_view kWhat = "order";
    const json object = TRY(parse_object(body, kWhat));
    Order order{.url = std::string(request_url),
                .status = parse_order_status(text_of(object, "status")),
                .expires = base::parse_instant(text_of(object, "expires")),
                .finalize = TRY(required_url(object, "finalize", request_url, kWhat)),
                .certificate = TRY(optional_url(object, "certificate", request_url)),
                .profile = text_of(object, "profile"),
                .error = member_problem(object)};
    for (const json& each : TRY(array_of(object, "identifiers", kOrderNamesMax, kWhat))) {
        order.identifiers.push_back(TRY(parse_wire_identifier(each, kWhat)));
    }
    std::ranges::sort(order.identifiers);
    for (const json& each : TRY(array_of(object, "authorizations", kOrderNamesMax, kWhat))) {
        const std::string url = each.is_string() ? each.get<std::string>() : std::string{};
        order.authorizations.push_back(TRY(resolve_url(request_url, url)));
    }
    return order;
}

base::Result<Authorization> parse_authorization(std::string_view body, std::string_view request_url) {
    constexpr std::string_view kWhat = "authorization";
    const json object = TRY(parse_object(body, kWhat));
    Authorization authorization{
        .url = std::string(request_url),
        .identifier = TRY(parse_wire_identifier(object.value("identifier", json()), kWhat)),
        .status = parse_authorization_status(text_of(object, "status"))};
    // §7.1.4: the identifier of a wildcard's authorization is the name without "*.".
    if (const auto wildcard = object.find("wildcard"); wildcard != object.end() && wildcard->is_boolean() &&
                                                       wildcard->get<bool>() &&
                                                       !authorization.identifier.is_wildcard()) {
        authorization.identifier.value.insert(0, "*.");
    }
    for (const json& each : TRY(array_of(object, "challenges", kChallengesMax, kWhat))) {
        if (!each.is_object()) return malformed(kWhat, "a challenge is not an object");
        authorization.challenges.push_back(
            Challenge{.type = text_of(each, "type"),
                      .url = TRY(required_url(each, "url", request_url, "challenge")),
                      .status = parse_challenge_status(text_of(each, "status")),
                      .token = text_of(each, "token"),
                      .issuer_domains = read_issuer_domains(each),
                      .error = member_problem(each)});
    }
    return authorization;
}

AccountView parse_account(std::string_view body) {
    const json object = json::parse(body, nullptr, /*allow_exceptions=*/false);
    if (!object.is_object()) return {};
    AccountView view{.status = text_of(object, "status"), .orders = text_of(object, "orders")};
    const auto contact = object.find("contact");
    if (contact == object.end() || !contact->is_array()) return view;
    for (const json& each : *contact) {
        if (each.is_string() && view.contact.size() < kContactsMax)
            view.contact.push_back(each.get<std::string>());
    }
    return view;
}

std::vector<std::string> parse_orders(std::string_view body, std::string_view request_url) {
    const json object = json::parse(body, nullptr, /*allow_exceptions=*/false);
    std::vector<std::string> urls;
    const auto orders = object.is_object() ? object.find("orders") : object.end();
    if (orders == object.end() || !orders->is_array()) return urls;
    for (std::size_t i = 0; i < orders->size(); ++i) {
        const bool is_at_an_end = i < kOrdersLookedAt || orders->size() - i <= kOrdersLookedAt;
        const json& each = (*orders)[i];
        if (!is_at_an_end || !each.is_string()) continue;
        if (auto url = resolve_url(request_url, each.get<std::string>())) urls.push_back(std::move(*url));
    }
    return urls;
}

Problem parse_problem(std::string_view body, int http_status) {
    const json object = json::parse(body, nullptr, /*allow_exceptions=*/false);
    if (!object.is_object()) return Problem{.status = http_status};
    return read_problem(object, http_status, /*is_top=*/true);
}

std::vector<std::string> contact_urls(const std::vector<std::string>& contact) {
    std::vector<std::string> urls;
    urls.reserve(contact.size());
    for (const std::string& each : contact) urls.push_back(contact_url(each));
    return urls;
}

std::string new_account_payload(const std::vector<std::string>& contact, bool agree_tos,
                                std::string_view binding) {
    json payload = json::object();
    if (agree_tos) payload["termsOfServiceAgreed"] = true;
    if (!contact.empty()) payload["contact"] = contact_urls(contact);
    if (!binding.empty()) payload["externalAccountBinding"] = json::parse(binding, nullptr, false);
    return dump(payload);
}

std::string find_account_payload() {
    return dump(json{{"onlyReturnExisting", true}});
}

std::string contact_payload(const std::vector<std::string>& contact) {
    return dump(json{{"contact", contact_urls(contact)}});
}

std::string key_change_payload(std::string_view account_url, std::string_view old_jwk) {
    return dump(json{{"account", account_url}, {"oldKey", json::parse(old_jwk, nullptr, false)}});
}

std::string revocation_payload(std::string_view der, int reason) {
    json payload = {{"certificate", base::base64url(der)}};
    if (reason != 0) payload["reason"] = reason;
    return dump(payload);
}

std::string new_order_payload(const std::vector<base::Identifier>& names, std::string_view profile,
                              std::string_view replaces) {
    json payload = json::object();
    for (const base::Identifier& name : names) {
        payload["identifiers"].push_back({{"type", base::to_string(name.type)}, {"value", name.value}});
    }
    if (!profile.empty()) payload["profile"] = profile;
    if (!replaces.empty()) payload["replaces"] = replaces;
    return dump(payload);
}

std::string finalize_payload(std::string_view request_der) {
    return dump(json{{"csr", base::base64url(request_der)}});
}

}  // namespace acme
