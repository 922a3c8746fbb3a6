// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/acme/fake_accounts.hpp"

#include <set>

#include <openssl/core_names.h>
#include <openssl/param_build.h>

#include "base/encoding.hpp"
#include "base/openssl.hpp"
#include "tests/unit/acme/fake_ca.hpp"

namespace fakes {

using nlohmann::json;

namespace {

std::string bytes_of(const json& object, const char* member) {
    return base::parse_base64url(object.at(member).get<std::string>()).value();
}

json part_of(const json& jws, const char* part) {
    const std::string text = bytes_of(jws, part);
    return text.empty() ? json::object() : json::parse(text, nullptr, false);
}

base::PkeyPtr key_of(const json& jwk) {
    const std::string point = "\x04" + bytes_of(jwk, "x") + bytes_of(jwk, "y");
    const std::unique_ptr<OSSL_PARAM_BLD, base::Deleter<OSSL_PARAM_BLD_free>> build(OSSL_PARAM_BLD_new());
    OSSL_PARAM_BLD_push_utf8_string(build.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0);
    OSSL_PARAM_BLD_push_octet_string(build.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size());
    const std::unique_ptr<OSSL_PARAM, base::Deleter<OSSL_PARAM_free>> params(
        OSSL_PARAM_BLD_to_param(build.get()));
    const std::unique_ptr<EVP_PKEY_CTX, base::Deleter<EVP_PKEY_CTX_free>> context(
        EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
    EVP_PKEY* key = nullptr;
    EVP_PKEY_fromdata_init(context.get());
    EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get());
    return base::PkeyPtr(key);
}

std::string place_of(int number) {
    return "/account/" + std::to_string(number);
}

}  // namespace

json header_of(const json& jws) {
    return part_of(jws, "protected");
}

json payload_of(const json& jws) {
    return part_of(jws, "payload");
}

bool is_signed_with(const json& jws, const json& jwk) {
    const std::string raw = bytes_of(jws, "signature");
    if (raw.size() != 64 || jwk.value("crv", "") != "P-256") return false;
    const auto* bytes = reinterpret_cast<const unsigned char*>(raw.data());
    const base::SignaturePtr signature(ECDSA_SIG_new());
    ECDSA_SIG_set0(signature.get(), BN_bin2bn(bytes, 32, nullptr), BN_bin2bn(bytes + 32, 32, nullptr));
    const std::string der = base::to_der<i2d_ECDSA_SIG>(signature.get());
    const std::string text =
        jws.at("protected").get<std::string>() + "." + jws.at("payload").get<std::string>();
    const base::PkeyPtr key = key_of(jwk);
    const base::MdContextPtr context(EVP_MD_CTX_new());
    return key && EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) == 1 &&
           EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(der.data()), der.size(),
                            reinterpret_cast<const unsigned char*>(text.data()), text.size()) == 1;
}

int Accounts::find(const json& jwk) const {
    for (const auto& [number, account] : known) {
        if (account.jwk == jwk) return number;
    }
    return 0;
}

int Accounts::signer_of(const json& jws) const {
    const std::string kid = header_of(jws).value("kid", "");
    for (const auto& [number, account] : known) {
        if (kid == kOrigin + place_of(number)) return is_signed_with(jws, account.jwk) ? number : 0;
    }
    return 0;
}

base::HttpResponse Accounts::show(int number, int status) const {
    const Known& account = known.at(number);
    const json body = {{"status", account.status}, {"contact", account.contact}};
    return {.status = status, .headers = {{"location", place_of(number)}}, .body = body.dump()};
}

base::HttpResponse Accounts::create(const json& jws, bool binding_required) {
    const json jwk = header_of(jws).at("jwk");
    const json wish = payload_of(jws);
    if (const int number = find(jwk); number != 0) {
        if (known.at(number).status != "valid") return problem(403, "unauthorized", "deactivated");
        return show(number, 200);
    }
    if (wish.value("onlyReturnExisting", false)) return problem(400, "accountDoesNotExist");
    if (binding_required && !wish.contains("externalAccountBinding"))
        return problem(403, "externalAccountRequired");
    const int number = static_cast<int>(known.size()) + 1;
    known[number] = {.jwk = jwk, .contact = wish.value("contact", std::vector<std::string>{})};
    return show(number, 201);
}

base::HttpResponse Accounts::show_or_change(const json& jws, const std::string& path) {
    const int number = std::stoi(path.substr(path.rfind('/') + 1));
    if (!known.contains(number)) return problem(400, "accountDoesNotExist");
    if (signer_of(jws) != number) return problem(400, "malformed", "JWS verification error");
    Known& account = known.at(number);
    if (account.status != "valid") return problem(403, "unauthorized", "account is deactivated");
    const json wish = payload_of(jws);
    if (wish.contains("contact")) account.contact = wish.at("contact").get<std::vector<std::string>>();
    if (wish.contains("status")) account.status = wish.at("status").get<std::string>();
    return show(number, 200);
}

base::HttpResponse Accounts::change_key(const json& jws) {
    const int number = signer_of(jws);
    const json inner = payload_of(jws);
    const json header = header_of(inner);
    const json wish = payload_of(inner);
    const bool well_formed = number != 0 && header.contains("jwk") && !header.contains("nonce") &&
                             header.at("url") == header_of(jws).at("url") &&
                             is_signed_with(inner, header.at("jwk")) &&
                             wish.value("account", "") == kOrigin + place_of(number) &&
                             wish.value("oldKey", json()) == known.at(number).jwk;
    if (!well_formed) return problem(400, "malformed", "that is no change of a key");
    if (find(header.at("jwk")) != 0 && checks_key_use) return problem(409, "malformed", "key in use");
    if (!ignores_key_change && find(header.at("jwk")) == 0) known.at(number).jwk = header.at("jwk");
    return reply(200);
}

base::HttpResponse Accounts::revoke(const json& jws) {
    const json header = header_of(jws);
    const json wish = payload_of(jws);
    const int number = header.contains("kid") ? signer_of(jws) : 0;
    if (header.contains("kid") && number == 0) return problem(403, "unauthorized", "not your certificate");
    const Revoked asked{.der = bytes_of(wish, "certificate"),
                        .reason = wish.value("reason", 0),
                        .by = number != 0 ? place_of(number) : "its key"};
    if (!std::set{0, 1, 4, 5}.contains(asked.reason)) return problem(400, "badRevocationReason", "no");
    for (const Revoked& each : revoked) {
        if (each.der == asked.der) return problem(400, "alreadyRevoked", "it is");
    }
    revoked.push_back(asked);
    return reply(200);
}

}  // namespace fakes
