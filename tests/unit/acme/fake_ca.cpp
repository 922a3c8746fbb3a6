// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/acme/fake_ca.hpp"

#include <algorithm>
#include <mutex>
#include <utility>

#include <nlohmann/json.hpp>
#include <openssl/x509.h>

#include "base/encoding.hpp"

namespace fakes {

using nlohmann::json;

base::HttpResponse reply(int status, std::string body) {
    return base::HttpResponse{.status = status, .body = std::move(body)};
}

base::HttpResponse problem(int status, const std::string& type, const std::string& detail) {
    const json body = {
        {"type", "urn:ietf:params:acme:error:" + type}, {"detail", detail}, {"status", status}};
    return base::HttpResponse{
        .status = status, .headers = {{"content-type", "application/problem+json"}}, .body = body.dump()};
}

base::Failure lost() {
    return base::fail(base::Code::NetTimeout, "no answer within 60 s");
}

std::string with_member(const std::string& object, const std::string& member, const std::string& value) {
    json changed = json::parse(object, nullptr, false);
    if (!changed.is_object()) return object;
    if (value.empty()) {
        changed.erase(member);
    } else {
        changed[member] = json::parse(value);
    }
    return changed.dump();
}

namespace {

struct Name {
    base::Identifier identifier{};
    std::string token{};
    std::string status = "pending";
    std::string challenge_status = "pending";
};

struct Order {
    std::vector<Name> names{};
    std::string profile{};
    std::string chain{};
    bool finalized = false;
    int looks = 0;  // since the last deed
};

json decoded(const json& jws, const char* part) {
    return json::parse(base::parse_base64url(jws.at(part).get<std::string>()).value(), nullptr, false);
}

std::string url(const std::string& kind, int number) {
    return kOrigin + "/" + kind + "/" + std::to_string(number);
}

}  // namespace

struct Ca::State {
    explicit State(Ca& its_ca) : ca(its_ca) {}

    std::string new_nonce() {
        std::string nonce = "nonce" + std::to_string(++nonces_made);
        nonces.insert(nonce);
        return nonce;
    }

    base::HttpResponse take_get(const std::string& path) {
        if (path == "/nonce") return {.status = 200, .headers = {{"replay-nonce", new_nonce()}}};
        if (path != "/dir") return reply(404);
        json directory = {{"newNonce", kOrigin + "/nonce"},
                          {"newAccount", kOrigin + "/account"},
                          {"newOrder", kOrigin + "/order"},
                          {"keyChange", kOrigin + "/key-change"},
                          {"revokeCert", kOrigin + "/revoke"},
                          {"meta", json::parse(ca.meta)},
                          {"xK4ugZ", "https://example.com/a-member-nobody-knows"}};
        if (!ca.renewal_info.empty()) directory["renewalInfo"] = ca.renewal_info;
        return reply(200, directory.dump());
    }

    base::HttpResponse take_post(const base::HttpRequest& request, const std::string& path) {
        const json jws = json::parse(request.body, nullptr, false);
        if (!jws.is_object()) return problem(400, "malformed", "no JWS");
        const json header = decoded(jws, "protected");
        const std::pair<std::string, std::string> type{"Content-Type", "application/jose+json"};
        if (request.headers != std::vector{type}) return problem(415, "malformed", "wrong Content-Type");
        if (nonces.erase(header.value("nonce", "")) == 0)
            return problem(400, "badNonce", "that nonce is not mine");
        if (header.at("url") != request.url) return problem(400, "unauthorized", "signed for another URL");
        if (path != "/revoke" && header.contains("jwk") != (path == "/account"))
            return problem(400, "malformed", "jwk and kid mixed up");
        const std::string payload = base::parse_base64url(jws.at("payload").get<std::string>()).value();
        payloads[path] = payload.empty() ? json() : json::parse(payload, nullptr, false);
        if (path == "/account") return account(jws, header);
        if (path.starts_with("/account/")) return ca.accounts.show_or_change(jws, path);
        if (path == "/key-change") return ca.accounts.change_key(jws);
        if (path == "/revoke") return ca.accounts.revoke(jws);
        if (path == "/order") return place(payloads[path]);
        return resource(path, payload);
    }

    base::HttpResponse account(const json& jws, const json& header) {
        thumbprint = base::base64url(base::sha256(header.at("jwk").dump()));
        return ca.accounts.create(jws, json::parse(ca.meta).value("externalAccountRequired", false));
    }

    base::HttpResponse place(const json& payload) {
        Names names;
        for (const json& each : payload.at("identifiers"))
            names.push_back(base::parse_identifier(each.at("value").get<std::string>()).value());
        int number = ca.reuses_orders ? find_open(names) : 0;
        if (number == 0) {
            number = static_cast<int>(orders.size()) + 1;
            make(orders[number], names, payload.value("profile", ""));
        }
        base::HttpResponse answer = show(number, /*status=*/201);
        answer.headers.emplace_back("location", kOrigin + "/order/" + std::to_string(number));
        return answer;
    }

    /// The order for these names that is still to be finalized; 0 where there is none.
    [[nodiscard]] int find_open(const Names& names) const {
        for (const auto& [number, order] : orders) {
            const std::string status = status_of(order);
            if ((status == "pending" || status == "ready") && identifiers_of(order) == names) return number;
        }
        return 0;
    }

    static Names identifiers_of(const Order& order) {
        Names names;
        for (const Name& each : order.names) names.push_back(each.identifier);
        return names;
    }

    void make(Order& order, const Names& names, const std::string& profile) {
        order.profile = profile;
        for (const base::Identifier& identifier : names) {
            Name name{.identifier = identifier};
            name.token = tokens_given < ca.tokens.size() ? ca.tokens[tokens_given]
                                                         : "token-" + std::to_string(tokens_given);
            ++tokens_given;
            if (ca.reused.contains(name.identifier.value)) name.status = name.challenge_status = "valid";
            order.names.push_back(name);
        }
    }

    /// "/kind/ORDER" or "/kind/ORDER/NAME"
    base::HttpResponse resource(const std::string& path, const std::string& payload) {
        const std::size_t second = path.find('/', 1);
        const std::size_t third = path.find('/', second + 1);
        const std::string kind = path.substr(1, second - 1);
        const int number = std::stoi(path.substr(second + 1));
        if (!orders.contains(number)) return reply(404);
        Order& order = orders.at(number);
        const std::size_t name = third == std::string::npos ? 0 : std::stoul(path.substr(third + 1));
        if (kind == "order") {
            ++order.looks;
            judge(order);
            return show(number, 200);
        }
        if (kind == "authz") return show_authorization(number, name);
        if (kind == "chall") return answer_challenge(order, name, payload, number);
        if (kind == "finalize") return finalize(order, number);
        if (kind == "cert") return {.status = 200, .body = order.chain};
        return reply(404);
    }

    base::HttpResponse answer_challenge(Order& order, std::size_t index, const std::string& payload,
                                        int number) {
        Name& name = order.names.at(index);
        if (payload != "{}") return problem(400, "malformed", "the body must be {}");
        if (name.challenge_status != "pending") return problem(400, "malformed", "not pending");
        name.challenge_status = "processing";
        order.looks = 0;
        judge(order);
        return reply(200, challenge(name, number, index).dump());
    }

    /// Fetches what is presented, as a CA does.
    void judge(Order& order) {
        if (order.looks < ca.validation_looks) return;
        for (Name& name : order.names) {
            if (name.challenge_status != "processing") continue;
            const bool right = !ca.fetch || ca.fetch(name.token) == name.token + "." + thumbprint;
            const bool valid = right && !ca.refusing.contains(name.identifier.value);
            name.status = name.challenge_status = valid ? "valid" : "invalid";
        }
    }

    [[nodiscard]] std::string status_of(const Order& order) const {
        if (!ca.forced_status.empty()) return ca.forced_status;
        const auto any = [&order](std::string_view status) {
            return std::ranges::any_of(order.names,
                                       [status](const Name& name) { return name.status == status; });
        };
        if (any("invalid")) return "invalid";
        if (any("pending")) return "pending";
        if (!order.finalized) return "ready";
        return order.looks >= ca.finalize_looks ? "valid" : "processing";
    }

    base::HttpResponse finalize(Order& order, int number) {
        const std::string status = status_of(order);
        if (status != "ready") return problem(403, "orderNotReady", "the order is " + status);
        const std::string der =
            base::parse_base64url(
                payloads["/finalize/" + std::to_string(number)].at("csr").get<std::string>())
                .value();
        const auto* bytes = reinterpret_cast<const unsigned char*>(der.data());
        const std::unique_ptr<X509_REQ, decltype(&X509_REQ_free)> request(
            d2i_X509_REQ(nullptr, &bytes, static_cast<long>(der.size())), X509_REQ_free);
        if (!request) return problem(400, "badCSR", "no request");
        order.chain = chain_for(X509_REQ_get0_pubkey(request.get()), identifiers_of(order));
        order.finalized = true;
        order.looks = 0;
        ++issued;
        return show(number, 200);
    }

    base::HttpResponse show(int number, int http_status) {
        const Order& order = orders.at(number);
        json body = {{"status", status_of(order)},
                     {"expires", "2026-11-28T12:00:00Z"},
                     {"identifiers", json::array()},
                     {"authorizations", json::array()},
                     {"finalize", url("finalize", number)}};
        for (std::size_t i = order.names.size(); i-- > 0;) {  // backwards: the order of arrays means nothing
            const base::Identifier& name = order.names[i].identifier;
            body["identifiers"].push_back({{"type", base::to_string(name.type)}, {"value", name.value}});
        }
        for (std::size_t i = 0; i < order.names.size(); ++i) {
            body["authorizations"].push_back(url("authz", number) + "/" + std::to_string(i));
        }
        if (!order.profile.empty()) body["profile"] = order.profile;
        if (status_of(order) == "valid") body["certificate"] = url("cert", number);
        return reply(http_status, body.dump());
    }

    json challenge(const Name& name, int number, std::size_t index) const {
        json out = {{"type", "http-01"},
                    {"url", url("chall", number) + "/" + std::to_string(index)},
                    {"status", name.challenge_status},
                    {"token", name.token}};
        if (!ca.issuer_domains.empty()) {
            out["type"] = "dns-persist-01";
            out["issuer-domain-names"] = ca.issuer_domains;
            out.erase("token");
        }
        if (name.challenge_status == "invalid") {
            const auto told = ca.refusing.find(name.identifier.value);
            const std::string detail = told == ca.refusing.end() ? "not presented" : told->second;
            out["error"] = {{"type", "urn:ietf:params:acme:error:connection"}, {"detail", detail}};
        }
        return out;
    }

    base::HttpResponse show_authorization(int number, std::size_t index) const {
        const Name& name = orders.at(number).names.at(index);
        const bool wildcard = name.identifier.is_wildcard();
        json body = {{"status", name.status},
                     {"identifier",
                      {{"type", base::to_string(name.identifier.type)},
                       {"value", name.identifier.value.substr(wildcard ? 2 : 0)}}},
                     {"challenges", json::array()}};
        if (wildcard) body["wildcard"] = true;
        body["challenges"].push_back(
            {{"type", "quantum-01"}, {"url", kOrigin + "/chall/q"}, {"status", "pending"}});
        body["challenges"].push_back(challenge(name, number, index));
        return reply(200, body.dump());
    }

    std::string chain_for(EVP_PKEY* key, const Names& names) const {
        if (ca.make_chain) return ca.make_chain(key, names);
        return base::to_pem({test_ca::issue(ca.intermediate, {.public_key = key, .names = names}),
                             ca.intermediate.certificate});
    }

    Ca& ca;
    mutable std::mutex mutex{};
    std::vector<std::string> log{};
    int round_trips = 0;
    std::map<std::string, int> counts{};
    std::map<std::string, json> payloads{};
    std::set<std::string> nonces{};
    int nonces_made = 0;
    std::string thumbprint{};
    std::map<int, Order> orders{};
    std::size_t tokens_given = 0;
    int issued = 0;
};

Ca::Ca() : state_(std::make_unique<State>(*this)) {}

Ca::~Ca() = default;

Ca::Answer Ca::exchange(const base::HttpRequest& request) {
    return std::move(exchange_all({&request, 1}).front());
}

std::vector<Ca::Answer> Ca::exchange_all(std::span<const base::HttpRequest> requests) {
    const std::scoped_lock lock(state_->mutex);
    ++state_->round_trips;
    std::vector<Answer> answers;
    for (const base::HttpRequest& request : requests) answers.push_back(answer_one(request));
    return answers;
}

Ca::Answer Ca::answer_one(const base::HttpRequest& request) {
    const std::string path = request.url.substr(std::min(kOrigin.size(), request.url.size()));
    state_->log.push_back(request.method + " " + path);
    const int count = ++state_->counts[path];
    if (!request.url.starts_with(kOrigin)) return base::fail(base::Code::NetUnreachable, "no such host");
    Answer answer = reply(500);
    if (auto instead = before ? before(path, count) : std::nullopt) {
        answer = std::move(*instead);
    } else {
        answer = request.method == "POST" ? state_->take_post(request, path) : state_->take_get(path);
        if (after) answer = after(path, count, std::move(*answer));
    }
    if (answer && gives_nonces && answer->header("replay-nonce").empty()) {
        answer->headers.emplace_back("replay-nonce", state_->new_nonce());
    }
    return answer;
}

std::vector<std::string> Ca::log() const {
    const std::scoped_lock lock(state_->mutex);
    return state_->log;
}

void Ca::clear_log() {
    state_->log.clear();
    state_->counts.clear();
    state_->round_trips = 0;
}

int Ca::round_trips() const {
    return state_->round_trips;
}

int Ca::count(const std::string& path) const {
    const auto found = state_->counts.find(path);
    return found == state_->counts.end() ? 0 : found->second;
}

std::string Ca::payload(const std::string& path) const {
    const auto found = state_->payloads.find(path);
    return found == state_->payloads.end() ? std::string() : found->second.dump();
}

int Ca::issued() const {
    return state_->issued;
}

}  // namespace fakes
