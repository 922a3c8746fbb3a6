// SPDX-License-Identifier: Apache-2.0
// The two judgements on certificates: do a key and a chain belong together, and does a chain lead to somebody
// who is trusted. Both say why not.
#include <algorithm>

#include "base/certificate.hpp"
#include "base/openssl.hpp"

namespace base {

namespace {
constexpr Seconds kSkewTolerated{5 * 60};  // between a CA's clock and ours

/// "a, b and 38 more": enough to recognise, short enough for one line.
std::string list(const std::vector<Identifier>& names) {
    constexpr std::size_t kShown = 4;
    std::string text;
    for (std::size_t i = 0; i < std::min(kShown, names.size()); ++i) {
        if (i > 0) text += ", ";
        text += names[i].value;
    }
    if (names.size() > kShown) text += " and " + std::to_string(names.size() - kShown) + " more";
    return text;
}

std::vector<Identifier> sorted(std::vector<Identifier> names) {
    std::ranges::sort(names);
    const auto repeated = std::ranges::unique(names);
    names.erase(repeated.begin(), repeated.end());
    return names;
}

/// Both sorted.
std::vector<Identifier> missing_from(const std::vector<Identifier>& held,
                                     const std::vector<Identifier>& wanted) {
    std::vector<Identifier> missing;
    std::ranges::set_difference(wanted, held, std::back_inserter(missing));
    return missing;
}

/// What is wrong with the names of the leaf; empty if nothing is.
std::string names_fault(const Certificate& leaf, const std::vector<Identifier>& names) {
    const std::vector<Identifier> held = leaf.names();
    const std::vector<Identifier> wanted = sorted(names);
    const std::vector<Identifier> missing = missing_from(held, wanted);
    if (!missing.empty()) return "the certificate does not hold " + list(missing);
    const std::vector<Identifier> extra = missing_from(wanted, held);
    if (!extra.empty()) return "the certificate also holds " + list(extra) + ", which was not asked for";
    return {};
}

std::string validity_fault(const Certificate& leaf, Instant now) {
    if (leaf.not_after() <= now) return "the certificate expired at " + format_instant(leaf.not_after());
    if (leaf.not_before() > now + kSkewTolerated) {
        return "the certificate is not valid yet, only from " + format_instant(leaf.not_before()) +
               " (or this machine's clock is slow)";
    }
    return {};
}

std::string links_fault(const Chain& chain) {
    for (std::size_t i = 0; i + 1 < chain.size(); ++i) {
        if (chain[i].is_signed_by(chain[i + 1])) continue;
        return "the chain is broken: certificate " + std::to_string(i + 1) + " (" + chain[i].subject() +
               ") is not signed by certificate " + std::to_string(i + 2) + " (" + chain[i + 1].subject() +
               ")";
    }
    return {};
}

std::string pair_fault(const Chain& chain, std::string_view public_key_der,
                       const std::vector<Identifier>& names, Instant now) {
    if (chain.empty()) return "there is no certificate";
    const Certificate& leaf = chain.front();
    if (leaf.public_key_der() != public_key_der) return "the private key does not belong to the certificate";
    // Not X509_check_ca: that looks away where the key usage does not allow signing certificates.
    if ((X509_get_extension_flags(leaf.handle()) & EXFLAG_CA) != 0)
        return "the first certificate is a CA's, not a server's";
    if (std::string fault = names_fault(leaf, names); !fault.empty()) return fault;
    if (std::string fault = validity_fault(leaf, now); !fault.empty()) return fault;
    return links_fault(chain);
}

/// Whether the leaf has expired is the verdict's business, and only the leaf's: an expired intermediate makes
/// clients refuse the chain and no renewal of ours mends it, so that stays an error.
int pass_leaf_validity(int ok, X509_STORE_CTX* context) {
    if (ok == 1 || X509_STORE_CTX_get_error_depth(context) != 0) return ok;
    const int error = X509_STORE_CTX_get_error(context);
    if (error != X509_V_ERR_CERT_HAS_EXPIRED && error != X509_V_ERR_CERT_NOT_YET_VALID) return ok;
    X509_STORE_CTX_set_error(context, X509_V_OK);
    return 1;
}

/// OpenSSL says these where its chain ends in a certificate that is not self-signed.
bool lacks_issuer(int error) {
    return error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT ||
           error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
           error == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE;
}

}  // namespace

Result<void> prove_pair(const Chain& chain, std::string_view public_key_der,
                        const std::vector<Identifier>& names, Instant now, Code code) {
    std::string fault = pair_fault(chain, public_key_der, names, now);
    if (!fault.empty()) return fail(code, std::move(fault));
    return {};
}

Result<Anchors> Anchors::load(const std::vector<std::string>& extra_files) {
    std::shared_ptr<X509_STORE> store(X509_STORE_new(), X509_STORE_free);
    // A machine without any system anchors is no error: the files named may be all it wants.
    if (X509_STORE_set_default_paths(store.get()) != 1) static_cast<void>(openssl_error());
    for (const std::string& file : extra_files) {
        if (X509_STORE_load_file(store.get(), file.c_str()) == 1) continue;
        return fail(Code::ConfigUnreadable,
                    file + ": no trust anchors could be read from it: " + openssl_error(),
                    "it must be a file of PEM certificates that this account may read");
    }
    return Anchors(std::move(store));
}

Anchors::Judgement Anchors::judge(const Chain& served, Instant now) const {
    if (served.empty()) return Judgement::Untrusted;
    const BorrowedCertificatesPtr untrusted(sk_X509_new_null());
    for (std::size_t i = 1; i < served.size(); ++i) sk_X509_push(untrusted.get(), served[i].handle());
    const std::unique_ptr<X509_STORE_CTX, Deleter<X509_STORE_CTX_free>> context(X509_STORE_CTX_new());
    if (X509_STORE_CTX_init(context.get(), store_.get(), served.front().handle(), untrusted.get()) != 1) {
        static_cast<void>(openssl_error());
        return Judgement::Untrusted;
    }
    X509_VERIFY_PARAM* rules = X509_STORE_CTX_get0_param(context.get());
    X509_VERIFY_PARAM_set_time(rules, static_cast<std::time_t>(now.time_since_epoch().count()));
    // An intermediate, or a pinned leaf, named as an anchor is one.
    X509_VERIFY_PARAM_set_flags(rules, X509_V_FLAG_PARTIAL_CHAIN);
    X509_STORE_CTX_set_purpose(context.get(), X509_PURPOSE_SSL_SERVER);
    X509_STORE_CTX_set_verify_cb(context.get(), pass_leaf_validity);
    if (X509_verify_cert(context.get()) == 1) return Judgement::Trusted;
    const int error = X509_STORE_CTX_get_error(context.get());
    static_cast<void>(openssl_error());
    return lacks_issuer(error) ? Judgement::IncompleteChain : Judgement::Untrusted;
}

}  // namespace base
