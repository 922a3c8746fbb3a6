// SPDX-License-Identifier: Apache-2.0
#include "acme/revocation.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <utility>

#include "acme/problem.hpp"
#include "acme/wire.hpp"
#include "base/encoding.hpp"

namespace acme {

using base::Code;
using base::Result;

namespace {

struct ReasonName {
    RevocationReason reason;
    std::string_view name;
};

constexpr std::array<ReasonName, 6> kReasons{{
    {RevocationReason::Unspecified, "unspecified"},
    {RevocationReason::KeyCompromise, "keyCompromise"},
    {RevocationReason::AffiliationChanged, "affiliationChanged"},
    {RevocationReason::Superseded, "superseded"},
    {RevocationReason::CessationOfOperation, "cessationOfOperation"},
    {RevocationReason::PrivilegeWithdrawn, "privilegeWithdrawn"},
}};

/// "Key-Compromise" and "keyCompromise" are one word.
std::string plain(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c != '-' && c != '_') out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    return out;
}

std::string all_reasons() {
    std::string all;
    for (const ReasonName& row : kReasons) {
        all += (all.empty() ? "" : ", ") + std::string(row.name) + " (" +
               std::to_string(static_cast<int>(row.reason)) + ")";
    }
    return all;
}

bool is_problem(const base::Error& error, std::string_view type) {
    return error.problem == std::string(kProblemPrefix) + std::string(type);
}

}  // namespace

std::string_view to_string(RevocationReason reason) {
    const auto* found = std::ranges::find(kReasons, reason, &ReasonName::reason);
    return found == kReasons.end() ? "unspecified" : found->name;
}

Result<RevocationReason> parse_revocation_reason(std::string_view text) {
    for (const ReasonName& row : kReasons) {
        if (plain(row.name) == plain(text) || std::to_string(static_cast<int>(row.reason)) == text)
            return row.reason;
    }
    return base::fail(Code::UsageWrong,
                      "\"" + base::printable(text, 60) + "\" is no reason to revoke a certificate",
                      "accepted: " + all_reasons());
}

Result<void> revoke(Session& session, const Account& signer, std::string_view der, RevocationReason reason) {
    const std::string& ca = session.authority().name;
    const std::string url = TRY(session.directory()).revoke_cert;
    if (url.empty()) {
        return base::fail(Code::CaRevocationRefused,
                          "the CA " + ca + " has no revokeCert in its directory: it does not revoke by ACME",
                          "ask the CA itself to revoke it");
    }
    const std::string payload = revocation_payload(der, static_cast<int>(reason));
    auto answer = session.post(signer, url, payload);
    if (!answer && answer.error().code == Code::CaUnreachable) answer = session.post(signer, url, payload);
    if (answer) return {};
    base::Error error = std::move(answer).error();
    if (is_problem(error, "alreadyRevoked")) return {};
    const bool refused = error.code == Code::CaRefused || error.code == Code::CaAccountRefused;
    if (refused) error.code = Code::CaRevocationRefused;
    if (is_problem(error, "badRevocationReason"))
        error.hint = "the CA does not take \"" + std::string(to_string(reason)) +
                     "\"; most take unspecified, keyCompromise, superseded and cessationOfOperation";
    return base::Failure(std::move(error).during("revoke"));
}

}  // namespace acme
