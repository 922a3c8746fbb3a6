// SPDX-License-Identifier: Apache-2.0
#include "agent/work/preflight.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include <openssl/rand.h>
#include <spdlog/spdlog.h>

#include "acme/solvers/tls_alpn_01.hpp"
#include "agent/plan/standing.hpp"
#include "agent/work/caa_check.hpp"
#include "agent/work/residue.hpp"
#include "agent/work/standing.hpp"
#include "base/encoding.hpp"
#include "base/identifier.hpp"
#include "deployers/probe/look.hpp"

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

constexpr base::Milliseconds kPatience{10'000};  // with one address
constexpr int kTlsPort = 443;                    // RFC 8737 §3

/// A challenge of our own, and whether it is up.
struct Presented {
    acme::Solver* solver = nullptr;
    const SolverConfig* config = nullptr;
    acme::ChallengeTask task{};
    bool is_up = false;
};

/// Where or what the record is depends on who asks.
bool is_bound_to_account(const SolverConfig& solver) {
    return solver.type == "dns-account-01" || solver.type == "dns-persist-01";
}

class Preflight {
  public:
    Preflight(Surroundings& surroundings, const CertificateConfig& certificate, Keeper* keeper, UpNow& up)
        : s_(surroundings), certificate_(certificate), keeper_(keeper), up_(up) {}

    std::vector<Trial> run() {
        if (s_.config.dns.is_public) {
            for (const std::string& ca : certificate_.ca) try_caa(s_.config.cas.at(ca));
        }
        for (const base::Identifier& name : certificate_.names) {
            const SolverConfig* solver = solver_for(s_.config, certificate_, name);
            if (solver != nullptr && !is_bound_to_account(*solver)) prepare(name, *solver, "");
        }
        for (const std::string& ca : certificate_.ca) try_what_is_bound(s_.config.cas.at(ca));
        if (announce()) {
            for (Presented& each : presented_) present(each);
        }
        for (const Presented& each : presented_) {
            if (each.is_up && is_asked_at_addresses(each)) look_everywhere(each);
        }
        wait_until_seen();
        for (const Presented& each : presented_) clean_up(each);
        // What has been taken away is at worst taken away once more.
        const auto kept = keeper_ == nullptr ? Result<void>{} : keeper_->keep();
        if (!kept) s_.log.warn("{}: {}", certificate_.name, kept.error().message);
        return std::move(trials_);
    }

  private:
    static std::string label(const base::Identifier& name, std::string_view type) {
        return name.value + ", " + std::string(type);
    }

    static bool is_asked_at_addresses(const Presented& presented) {
        return presented.config->type == "http-01" || presented.config->type == "tls-alpn-01";
    }

    void note(std::string what, std::string text) {
        trials_.push_back({.what = std::move(what), .text = std::move(text), .is_note = true});
    }

    void try_caa(const CaConfig& ca) {
        const auto allowed = check_caa_for(s_, certificate_, ca);
        const std::string what = "CAA for " + ca.name;
        if (allowed) {
            trials_.push_back({.what = what, .text = "every name may be issued for"});
        } else if (allowed.error().code == Code::CaUnreachable) {
            note(what, "not looked at, for only the CA knows its names: " + allowed.error().message);
        } else {
            trials_.push_back({.what = what, .error = allowed.error()});
        }
    }

    /// For one CA, what has to name our account there.
    void try_what_is_bound(const CaConfig& ca) {
        const auto account = s_.store.account(ca.name, ca.directory);
        const std::string url = account && *account ? (*account)->url : std::string();
        std::size_t lacking = 0;
        for (const base::Identifier& name : certificate_.names) {
            const SolverConfig* solver = solver_for(s_.config, certificate_, name);
            if (solver == nullptr || solver->type != "dns-account-01") continue;
            if (!url.empty()) prepare(name, *solver, url);
            if (url.empty()) ++lacking;
        }
        if (lacking > 0) {
            note("dns-account-01 for " + ca.name,
                 "not tried: where the record belongs depends on the account, and there is none yet;  renewd "
                 "account register " +
                     ca.name);
        }
        if (certificate_.has_standing_records) try_records(ca, url);
    }

    void try_records(const CaConfig& ca, const std::string& account_url) {
        const std::string what = "dns-persist-01 for " + ca.name;
        if (account_url.empty()) {
            return trials_.push_back(
                {.what = what,
                 .error = base::Error{.code = Code::CaAccountMissing,
                                      .message = "the record has to name our account at CA " + ca.name +
                                                 ", and there is none yet",
                                      .hint = "register first:  renewd account register " + ca.name}});
        }
        const auto directory = s_.session(ca).directory();
        if (directory && directory->caa_identities.empty())
            return note(what, "not looked at: the CA does not say which names it goes by before an order");
        const auto end = find_standing_records(s_, certificate_, ca, account_url);
        if (!end) return trials_.push_back({.what = what, .error = end.error()});
        auto stored = s_.store.load(certificate_.name);
        Record record = stored && *stored ? std::move(**stored) : Record{.name = certificate_.name};
        record.standing = StandingRecords{.looked_at = s_.clock.now(), .end = *end};
        const auto ending = ending_record(certificate_, record, s_.clock.now());
        if (ending) return note(what, ending->error.message + "; " + ending->error.hint);
        trials_.push_back({.what = what, .text = "the records are there"});
    }

    void prepare(const base::Identifier& name, const SolverConfig& config, const std::string& account_url) {
        const std::string token = random_token();
        presented_.push_back({.solver = s_.solver(certificate_, name),
                              .config = &config,
                              .task = {.identifier = name,
                                       .token = token,
                                       .key_authorization = token + "." + random_token(),
                                       .account_url = account_url}});
    }

    /// What cannot be remembered although it should is not put up: an order would end there, too.
    bool announce() {
        if (keeper_ == nullptr) return true;
        std::vector<acme::ChallengeTask> tasks;
        for (const Presented& each : presented_) {
            if (each.solver->outlives_us()) tasks.push_back(each.task);
        }
        const auto kept = expect_residue_of_command(s_, certificate_, *keeper_, tasks);
        if (!kept) trials_.push_back({.what = "challenges", .error = kept.error()});
        return kept.has_value();
    }

    void present(Presented& presented) {
        const auto up = up_.present(*presented.solver, presented.task);
        presented.is_up = up.has_value();
        if (up) return;
        trials_.push_back(
            {.what = label(presented.task.identifier, presented.config->type), .error = up.error()});
    }

    /// RFC 8555 §8.3, RFC 8737 §3: port 80 or 443 of every address, whatever the CA happens to choose.
    void look_everywhere(const Presented& presented) {
        const base::Identifier& name = presented.task.identifier;
        const std::string what = label(name, presented.config->type);
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
        for (const std::string& address : addresses) {
            if (presented.config->type == "http-01") {
                fetch(presented, what, address);
            } else {
                shake_hands(presented, what, address);
            }
        }
    }

    void shake_hands(const Presented& presented, const std::string& what, const std::string& address) {
        const deployers::Endpoint endpoint{.host = presented.task.identifier.value,
                                           .port = kTlsPort,
                                           .sni = acme::alpn_server_name(presented.task.identifier)};
        const auto seen = deployers::observe(endpoint, address, kTlsPort, kPatience, "acme-tls/1");
        if (seen.kind != deployers::Observation::Kind::Handshake || seen.chain.empty())
            return refused(what, seen.address + ": " + seen.detail,
                           "is port 443 of this address open to the internet, and is it the solver that "
                           "listens there?");
        if (acme::is_alpn_answer(seen.chain.front(), presented.task))
            return trials_.push_back({.what = what, .text = "answered at " + address});
        refused(what, seen.address + " shows another certificate to acme-tls/1, and not what was put there",
                "something else answers at this port: another machine, or a web server");
    }

    void fetch(const Presented& presented, const std::string& what, const std::string& address) {
        const std::string url = "http://" + bracketed(presented.task.identifier) +
                                "/.well-known/acme-challenge/" + presented.task.token;
        const auto response = s_.transport.exchange({.url = url,
                                                     .trust = {.https_only = false},
                                                     .address = address,
                                                     .body_max = 4096,
                                                     .deadline = kPatience,
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

    void wait_until_seen() {
        std::map<const SolverConfig*, std::vector<const Presented*>> waits;
        for (const Presented& each : presented_) {
            if (each.is_up && !is_asked_at_addresses(each)) waits[each.config].push_back(&each);
        }
        for (const auto& [config, group] : waits) {
            std::vector<acme::ChallengeTask> tasks;
            for (const Presented* each : group) tasks.push_back(each->task);
            const auto seen = group.front()->solver->wait_until_seen(tasks);
            const std::string what = label(tasks.front().identifier, config->type);
            const std::string others =
                tasks.size() == 1 ? "" : ", and " + std::to_string(tasks.size() - 1) + " more";
            if (!seen) {
                trials_.push_back({.what = what, .error = seen.error()});
            } else if (config->propagation.mode == acme::Propagation::None) {
                note(what, "presented; not looked at, for propagation = \"none\"" + others);
            } else {
                trials_.push_back({.what = what, .text = "presented and seen" + others});
            }
        }
    }

    void clean_up(const Presented& presented) {
        const auto gone = up_.clean_up(*presented.solver, presented.task);
        if (gone && keeper_ != nullptr && presented.solver->outlives_us())
            forget_residue(s_, certificate_, *keeper_, presented.task);
        if (gone || !presented.is_up) return;
        base::Error error = gone.error();
        error.message = "it is still there, and is " +
                        std::string(keeper_ != nullptr ? "taken away later: " : "left to you: ") +
                        error.message;
        trials_.push_back(
            {.what = label(presented.task.identifier, presented.solver->type()), .error = std::move(error)});
    }

    Surroundings& s_;
    const CertificateConfig& certificate_;
    Keeper* keeper_;
    UpNow& up_;
    std::vector<Presented> presented_;
    std::vector<Trial> trials_;
};

}  // namespace

Result<void> UpNow::present(acme::Solver& solver, const acme::ChallengeTask& task) {
    const std::scoped_lock guard(mutex_);
    tasks_.emplace_back(&solver, task);
    count_ = tasks_.size();
    return solver.present(task);
}

Result<void> UpNow::clean_up(acme::Solver& solver, const acme::ChallengeTask& task) {
    const std::scoped_lock guard(mutex_);
    std::erase(tasks_, std::pair(&solver, task));
    count_ = tasks_.size();
    return solver.clean_up(task);
}

std::unique_lock<std::mutex> UpNow::clear(const std::function<void(const base::Error&)>& tell) {
    std::unique_lock guard(mutex_);
    for (const auto& [solver, task] : tasks_) {
        const auto gone = solver->clean_up(task);
        if (!gone)
            tell(base::Error(gone.error())
                     .within("a challenge for " + task.identifier.value + " is still there"));
    }
    tasks_.clear();
    count_ = 0;
    return guard;
}

std::vector<Trial> preflight(Surroundings& surroundings, const CertificateConfig& certificate, Keeper* keeper,
                             UpNow& up) {
    return Preflight(surroundings, certificate, keeper, up).run();
}

std::optional<bool> checks_signatures(const base::Dns& dns, const std::vector<base::Identifier>& names) {
    std::vector<std::pair<std::string, base::DnsType>> questions;
    for (const base::Identifier& name : names) {
        if (name.type == base::IdentifierType::Dns)
            questions.emplace_back(name.value.substr(name.is_wildcard() ? 2 : 0), base::DnsType::Caa);
    }
    questions.emplace_back(".", base::DnsType::Soa);  // the root is signed, whatever the names are
    bool is_answered = false;
    for (const auto& [name, type] : questions) {
        const auto answer = dns.ask(name, type);
        if (answer ? answer->authenticated : answer.error().code == Code::DnsBogus) return true;
        is_answered = is_answered || answer || answer.error().code == Code::DnsFailed;
    }
    return is_answered ? std::optional(false) : std::nullopt;
}

}  // namespace agent
