// SPDX-License-Identifier: Apache-2.0
#include "agent/work/preflight.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include <openssl/rand.h>

#include "acme/caa.hpp"
#include "base/encoding.hpp"
#include "base/identifier.hpp"

namespace agent {

using base::Code;
using base::Result;

namespace {

/// 43 characters of base64url, like a token of a CA and like the digest of a key authorization.
std::string random_token() {
    std::string bytes(32, '\0');
    if (RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(bytes.size())) != 1)
        return base::base64url(base::sha256(bytes));
    return base::base64url(bytes);
}

std::string bracketed(const base::Identifier& name) {
    const bool is_v6 = name.value.find(':') != std::string::npos;
    return is_v6 ? "[" + name.value + "]" : name.value;
}

/// A challenge of our own that is up, or why it is not.
struct Presented {
    acme::Solver* solver = nullptr;
    acme::ChallengeTask task{};
    bool is_up = false;
};

class Preflight {
  public:
    Preflight(Surroundings& surroundings, const CertificateConfig& certificate)
        : s_(surroundings), certificate_(certificate) {}

    std::vector<Trial> run() {
        for (const std::string& ca : certificate_.ca) try_caa(s_.config.cas.at(ca));
        std::vector<Presented> presented;
        presented.reserve(certificate_.names.size());
        for (const base::Identifier& name : certificate_.names) presented.push_back(present(name));
        for (const Presented& each : presented) {
            if (each.is_up && each.solver->type() == "http-01") fetch_everywhere(each);
        }
        wait_until_seen(presented);
        for (const Presented& each : presented) clean_up(each);
        return std::move(trials_);
    }

  private:
    static std::string label(const base::Identifier& name, std::string_view type) {
        return name.value + ", " + std::string(type);
    }

    void try_caa(const CaConfig& ca) {
        const auto allowed = check_caa_for(s_, certificate_, ca);
        const std::string what = "CAA for " + ca.name;
        if (allowed) {
            trials_.push_back({.what = what, .text = "every name may be issued for"});
        } else if (allowed.error().code == Code::CaUnreachable) {
            trials_.push_back({.what = what, .text = allowed.error().message, .is_note = true});
        } else {
            trials_.push_back({.what = what, .error = allowed.error()});
        }
    }

    Presented present(const base::Identifier& name) {
        Presented presented{.solver = s_.solver(certificate_, name)};
        if (presented.solver == nullptr) return presented;  // the configuration was refused for it already
        const std::string token = random_token();
        presented.task = {.identifier = name,
                          .token = token,
                          .key_authorization = token + "." + random_token(),
                          .account_url = account_url(),
                          .issuer_domains = issuer_domains()};
        const auto up = presented.solver->present(presented.task);
        presented.is_up = up.has_value();
        if (!up) trials_.push_back({.what = label(name, presented.solver->type()), .error = up.error()});
        return presented;
    }

    [[nodiscard]] const CaConfig& first_ca() const { return s_.config.cas.at(certificate_.ca.front()); }

    std::string account_url() {
        const auto known = s_.store.account(first_ca().name, first_ca().directory);
        return known && *known ? (*known)->url : std::string();
    }

    std::vector<std::string> issuer_domains() {
        const auto directory = s_.session(first_ca()).directory();
        return directory ? directory->caa_identities : std::vector<std::string>{};
    }

    /// RFC 8555 §8.3: port 80 of every address, whatever the CA happens to choose.
    void fetch_everywhere(const Presented& presented) {
        const base::Identifier& name = presented.task.identifier;
        const std::string what = label(name, "http-01");
        std::vector<std::string> addresses{name.value};
        if (name.type == base::IdentifierType::Dns) {
            auto resolved = s_.dns.addresses_of(name.value);
            if (!resolved) return trials_.push_back({.what = what, .error = resolved.error()});
            addresses = std::move(*resolved);
        }
        if (addresses.empty()) {
            return trials_.push_back(
                {.what = what,
                 .error = base::Error{.code = Code::CaIdentifierRefused,
                                      .message = name.value + " has no address in DNS",
                                      .hint = "add an A or AAAA record that leads to this machine"}});
        }
        for (const std::string& address : addresses) fetch(presented, what, address);
    }

    void fetch(const Presented& presented, const std::string& what, const std::string& address) {
        const std::string url = "http://" + bracketed(presented.task.identifier) +
                                "/.well-known/acme-challenge/" + presented.task.token;
        const auto response = s_.transport.exchange({.url = url,
                                                     .trust = {.https_only = false},
                                                     .address = address,
                                                     .body_max = 4096,
                                                     .deadline = base::Milliseconds(10'000),
                                                     .redirects_max = 10});
        if (!response && response.error().code == Code::NetUntrusted) {
            return trials_.push_back({.what = what,
                                      .text = address +
                                              " redirects to an https server that is not trusted here; a CA "
                                              "does not mind",
                                      .is_note = true});
        }
        if (!response)
            return refused(what, address + ": " + response.error().message,
                           "is port 80 of this address open to the internet?");
        std::string_view body = response->body;
        while (!body.empty() &&
               (body.back() == '\n' || body.back() == '\r' || body.back() == '\t' || body.back() == ' '))
            body.remove_suffix(1);
        if (response->status == 200 && body == presented.task.key_authorization)
            return trials_.push_back({.what = what, .text = "answered at " + address});
        refused(
            what,
            address + " answers HTTP " + std::to_string(response->status) + ", and not what was put there",
            "something else answers for this address: another machine, or another webroot");
    }

    void refused(const std::string& what, std::string message, std::string hint) {
        trials_.push_back(
            {.what = what,
             .error = base::Error{
                 .code = Code::CaValidationFailed, .message = std::move(message), .hint = std::move(hint)}});
    }

    void wait_until_seen(const std::vector<Presented>& presented) {
        std::map<acme::Solver*, std::vector<acme::ChallengeTask>> waits;
        for (const Presented& each : presented) {
            if (each.is_up && each.solver->type() != "http-01") waits[each.solver].push_back(each.task);
        }
        for (const auto& [solver, tasks] : waits) {
            const auto seen = solver->wait_until_seen(tasks);
            const std::string what = label(tasks.front().identifier, solver->type());
            const std::string others =
                tasks.size() == 1 ? "" : " and " + std::to_string(tasks.size() - 1) + " more";
            if (seen) {
                trials_.push_back({.what = what, .text = "presented and seen" + others});
            } else {
                trials_.push_back({.what = what, .error = seen.error()});
            }
        }
    }

    void clean_up(const Presented& presented) {
        if (presented.solver == nullptr || presented.task.token.empty()) return;
        const auto gone = presented.solver->clean_up(presented.task);
        if (gone || !presented.is_up) return;
        trials_.push_back(
            {.what = label(presented.task.identifier, presented.solver->type()), .error = gone.error()});
    }

    Surroundings& s_;
    const CertificateConfig& certificate_;
    std::vector<Trial> trials_;
};

}  // namespace

Result<void> check_caa_for(Surroundings& s, const CertificateConfig& certificate, const CaConfig& ca) {
    if (!s.config.dns.is_public) return {};
    const acme::Directory directory = TRY(s.session(ca).directory());
    const auto account = TRY(s.store.account(ca.name, ca.directory));
    for (const base::Identifier& name : certificate.names) {
        const SolverConfig* solver = solver_for(s.config, certificate, name);
        TRY(acme::check_caa(s.dns, name,
                            {.identities = directory.caa_identities,
                             .account_url = account ? account->url : std::string(),
                             .method = solver == nullptr ? std::string() : solver->type,
                             .is_wildcard = name.is_wildcard()}));
    }
    return {};
}

std::vector<Trial> preflight(Surroundings& surroundings, const CertificateConfig& certificate) {
    if (!surroundings.config.dns.is_public) return {};
    return Preflight(surroundings, certificate).run();
}

}  // namespace agent
