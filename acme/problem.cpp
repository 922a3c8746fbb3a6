// SPDX-License-Identifier: Apache-2.0
#include "acme/problem.hpp"

#include <algorithm>
#include <array>

#include "acme/limits.hpp"
#include "base/encoding.hpp"

namespace acme {
namespace {

using base::Code;

struct Rule {
    std::string_view type;
    Code code;
    std::string_view hint;
};

// §6.7. What an input of ours causes is told apart from what only the account, only the CA, or time can mend.
constexpr auto kRules = std::to_array<Rule>({
    {"accountDoesNotExist", Code::CaAccountMissing,
     "the CA has lost the account, or the state belongs to another CA; a new one is registered with the same "
     "key"},
    {"agreementRequired", Code::CaTermsNotAgreed, ""},
    {"badCSR", Code::CaRefused, "the CA does not take this kind of key or request; see key_type"},
    {"badNonce", Code::CaBadNonce, ""},
    {"badPublicKey", Code::CaAccountRefused,
     "the CA does not take this key: a new one, or another type of key"},
    {"badRevocationReason", Code::CaRevocationRefused, "give another reason"},
    {"badSignatureAlgorithm", Code::CaAccountRefused,
     "the CA does not take the account's type of key; for another:  renewd account rollover CA --key-type "
     "TYPE"},
    {"caa", Code::CaIdentifierRefused,
     "a CAA record of the name (or of a domain above it) does not allow this CA"},
    {"dns", Code::CaIdentifierRefused,
     "the CA's resolver has trouble with the name: check its DNS and DNSSEC"},
    {"externalAccountRequired", Code::CaBindingRequired,
     "this CA wants an external account binding: eab = { kid = \"…\", key_file = \"…\" } in its [ca] table"},
    {"invalidContact", Code::CaAccountRefused, "change `contact`"},
    {"invalidProfile", Code::CaProfileRefused, "change `profile`"},
    {"rateLimited", Code::CaRateLimited, ""},
    {"rejectedIdentifier", Code::CaIdentifierRefused,
     "the CA issues nothing for this name; take it out of `names`"},
    {"serverInternal", Code::CaServerError, ""},
    {"unauthorized", Code::CaAccountRefused,
     "the CA does not let this account do that; it may have been deactivated"},
    {"unsupportedContact", Code::CaAccountRefused, "change `contact`"},
    {"unsupportedIdentifier", Code::CaIdentifierRefused,
     "this CA (or this profile) does not issue for this kind of identifier"},
    {"userActionRequired", Code::CaTermsNotAgreed, ""},
});

std::string_view short_type(std::string_view type) {
    if (type.starts_with(kProblemPrefix)) type.remove_prefix(kProblemPrefix.size());
    return type;
}

const Rule* find_rule(std::string_view type) {
    const auto* found = std::ranges::find(kRules, short_type(type), &Rule::type);
    return found == kRules.end() ? nullptr : found;
}

/// The words of one problem: its detail, else its type. Room for the long URL of a paused account (Boulder).
std::string words_of(const Problem& problem) {
    if (!problem.detail.empty()) return base::printable(problem.detail, 1000);
    if (!problem.type.empty()) return base::printable(short_type(problem.type), 100);
    return "no reason given";
}

std::string list_names(const std::vector<FailedName>& failed) {
    std::string out;
    const std::size_t told = std::min(failed.size(), kNamesToldMax);
    for (std::size_t i = 0; i < told; ++i) {
        if (i > 0) out += "; ";
        out += base::printable(failed[i].name, 253) + ": " + words_of(failed[i].problem);
    }
    if (failed.size() > told) out += "; and " + std::to_string(failed.size() - told) + " more";
    return out;
}

/// "2 of 40 names", "1 name" where the whole is not known.
std::string count_of(std::size_t part, std::size_t whole) {
    if (part > whole) return std::to_string(part) + (part == 1 ? " name" : " names");
    return std::to_string(part) + " of " + std::to_string(whole) + (whole == 1 ? " name" : " names");
}

/// §6.7.1: the subproblems that say which identifier they are about.
std::vector<FailedName> named_subproblems(const Problem& problem) {
    std::vector<FailedName> named;
    for (const Problem& each : problem.subproblems) {
        if (!each.identifier.empty()) named.push_back({.name = each.identifier, .problem = each});
    }
    return named;
}

/// §7.3.5: a key that is another account's. Any other request may meet a conflict of its own kind.
bool is_key_conflict(const Problem& problem, const RefusalContext& context) {
    return problem.status == 409 && context.changes_key;
}

/// The https URL in a text: what a person will be sent to, so nothing but characters of URLs (RFC 3986), and
/// a host without a user before it. Empty if there is none.
std::string_view url_in(std::string_view text) {
    constexpr std::string_view kScheme = "https://";
    constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    constexpr std::string_view kMarks = "-._~:/?#[]@!$&'()*+,;=%";
    const std::size_t start = text.find(kScheme);
    if (start == std::string_view::npos) return {};
    text = text.substr(start, kUrlBytesMax);
    text = text.substr(0, text.find_first_not_of(std::string(kLetters) + std::string(kMarks)));
    while (text.ends_with('.') || text.ends_with(',') || text.ends_with(')')) text.remove_suffix(1);
    const std::string_view behind = text.substr(kScheme.size());
    const std::string_view host = behind.substr(0, behind.find_first_of("/?#"));
    const bool is_host =
        !host.empty() && host.find_first_not_of(std::string(kLetters) + "-.:") == std::string_view::npos;
    return is_host ? text : std::string_view{};
}

/// The page where a person lifts a pause, in the words of the refusal or beside them.
std::string_view unpause_page(const Problem& problem) {
    for (const std::string_view text :
         {std::string_view(problem.detail), std::string_view(problem.instance)}) {
        const std::string_view url = url_in(text);
        if (url.find("unpause") != std::string_view::npos) return url;
    }
    return {};
}

/// Let's Encrypt pauses a name that has failed for months: 429 without an end, and a page where a person
/// lifts it.
bool is_pause(const Problem& problem, bool has_retry_after) {
    return !has_retry_after && !unpause_page(problem).empty();
}

Code code_of(const Problem& problem, bool names_known, bool has_retry_after) {
    const Rule* rule = find_rule(problem.type);
    Code code = Code::CaRefused;
    if (rule != nullptr) {
        code = rule->code;
    } else if (problem.status == 429) {
        code = Code::CaRateLimited;
    } else if (problem.status >= 500) {
        code = Code::CaServerError;
    } else if (problem.status >= 300 && problem.status < 400) {
        code = Code::CaProtocol;  // a signed request is never redirected: its signature binds the URL (§6.4)
    }
    if (code == Code::CaRateLimited && is_pause(problem, has_retry_after)) return Code::CaPaused;
    // "malformed", "compound" and "unauthorized" with names below them are about these names.
    const bool vague = code == Code::CaRefused || code == Code::CaAccountRefused;
    return names_known && vague ? Code::CaIdentifierRefused : code;
}

std::string hint_of(const Problem& problem, Code code, const RefusalContext& context) {
    if (code == Code::CaTermsNotAgreed) {
        if (problem.instance.starts_with("https://")) {  // §7.3.3: terms that changed are agreed to there
            return "somebody has to visit " + base::printable(problem.instance, 300);
        }
        const std::string where =
            context.terms_url.empty() ? "the CA's terms of service" : base::printable(context.terms_url, 300);
        return "read " + where + ", then set agree_tos = true in [ca." + std::string(context.ca) + "]";
    }
    if (code == Code::CaPaused)
        return "somebody has to visit " + base::printable(unpause_page(problem), kUrlBytesMax);
    const Rule* rule = find_rule(problem.type);
    if (rule != nullptr && !rule->hint.empty()) return std::string(rule->hint);
    // A subproblem may know better than "malformed" or "compound" above it.
    for (const Problem& each : problem.subproblems) {
        const Rule* inner = find_rule(each.type);
        if (inner != nullptr && inner->code == Code::CaIdentifierRefused) return std::string(inner->hint);
    }
    return {};
}

/// Without type and detail (HTML of a load balancer, an empty 404) the status is all there is to tell.
std::string bare_answer(int status) {
    if (status == 0) return "gave no reason";
    return "answered HTTP " + std::to_string(status) + " without saying why";
}

std::string dns_validation_hint(std::string_view kind) {
    if (kind == "dns") return "do the zone's name servers answer everywhere? check its delegation and DNSSEC";
    return "is the record where the world looks for it? check the zone's delegation (NS), CNAMEs of "
           "_acme-challenge, and where `propagation` looks";
}

/// What to look at, by what the CA says and how it looked.
std::string validation_hint(std::string_view type, std::string_view challenge) {
    const std::string_view kind = short_type(type);
    const bool is_told = kind == "connection" || kind == "dns" || kind == "unauthorized" ||
                         kind == "incorrectResponse" || kind == "tls";
    const bool is_alpn = challenge == "tls-alpn-01";
    if (is_told && challenge.starts_with("dns-")) return dns_validation_hint(kind);
    if (kind == "connection") {
        return std::string("is port ") + (is_alpn ? "443" : "80") +
               " of every address of the name (IPv4 and IPv6) reachable from the internet?";
    }
    if (kind == "dns") return "does the name exist, and lead here? check its A and AAAA records and DNSSEC";
    if (is_told && is_alpn) {
        return "something else answers at port 443 of the name: tls-alpn-01 needs renewd itself there, "
               "without "
               "a proxy that ends TLS before it";
    }
    if (kind == "unauthorized" || kind == "incorrectResponse") {
        return "something else answers for the name: does every address of it lead to this machine (or to "
               "the webroot)?";
    }
    if (kind == "tls") return "a redirect of the name leads to an https server that the CA cannot speak with";
    if (const Rule* rule = find_rule(type); rule != nullptr && rule->code == Code::CaIdentifierRefused) {
        return std::string(rule->hint);
    }
    return {};
}

}  // namespace

base::Error refusal(const Problem& problem, const RefusalContext& context) {
    const std::vector<FailedName> named = named_subproblems(problem);
    const Code code = is_key_conflict(problem, context)
                          ? Code::CaKeyInUse
                          : code_of(problem, !named.empty(), context.retry_at.has_value());
    std::string message = "the CA " + std::string(context.ca) + " ";
    if (!named.empty()) {
        message += "refused " + count_of(named.size(), context.names) + " (" + list_names(named) + ")";
    } else if (problem.type.empty() && problem.detail.empty()) {
        message += bare_answer(problem.status);
    } else if (problem.type.empty()) {
        message += "says: \"" + words_of(problem) + "\"";
    } else {
        message += "says: " + base::printable(short_type(problem.type), 100);
        if (!problem.detail.empty()) message += " \"" + words_of(problem) + "\"";
    }
    return base::Error{.code = code,
                       .message = std::move(message),
                       .hint = hint_of(problem, code, context),
                       .problem = base::printable(problem.type, 200),
                       .retry_at = context.retry_at};
}

base::Error validation_failed(std::string_view ca, const std::vector<FailedName>& failed, std::size_t names) {
    const std::string& type = failed.front().problem.type;
    return base::Error{.code = Code::CaValidationFailed,
                       .message = "the CA " + std::string(ca) + " could not validate " +
                                  count_of(failed.size(), names) + " (" + list_names(failed) + ")",
                       .hint = validation_hint(type, failed.front().challenge),
                       .problem = base::printable(type, 200)};
}

}  // namespace acme
