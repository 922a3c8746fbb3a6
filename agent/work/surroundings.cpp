// SPDX-License-Identifier: Apache-2.0
#include "agent/work/surroundings.hpp"

#include <random>

#include <spdlog/spdlog.h>

#include "acme/account.hpp"
#include "acme/solvers/http_01.hpp"
#include "deployers/hosts/local.hpp"
#include "deployers/hosts/ssh.hpp"

namespace agent {

using base::Result;

Surroundings::Surroundings(const Config& the_config, Store& the_store, base::Files& the_files,
                           base::Transport& the_transport, base::Clock& the_clock, Progress& the_progress,
                           spdlog::logger& the_log)
    : config(the_config),
      store(the_store),
      files(the_files),
      transport(the_transport),
      clock(the_clock),
      progress(the_progress),
      log(the_log) {}

Surroundings::~Surroundings() = default;

const CaConfig& ca_of(const Config& config, const CertificateConfig& certificate) {
    return config.cas.at(certificate.ca.front());
}

std::unique_ptr<HostConfig> host_of(const Config& config, const TargetConfig& target) {
    if (target.host.empty()) return nullptr;
    if (const auto known = config.hosts.find(target.host); known != config.hosts.end()) {
        return std::make_unique<HostConfig>(known->second);
    }
    auto destination = parse_ssh_destination(target.host);  // checked when the configuration was read
    auto host = std::make_unique<HostConfig>(destination ? std::move(*destination) : HostConfig{});
    host->name = target.host;
    return host;
}

acme::Session& Surroundings::session(const CaConfig& ca) {
    const std::scoped_lock guard(mutex_);
    auto& session = sessions_[ca.name];
    if (!session) {
        session = std::make_unique<acme::Session>(
            acme::Authority{.name = ca.name,
                            .directory = ca.directory,
                            .trust = {.roots_file = ca.roots, .proxy = ca.proxy}},
            transport, clock,
            acme::DirectoryShelf{
                .recall = [this, &ca] { return store.kept_directory(ca.name, ca.directory); },
                .keep = [this,
                         &ca](const auto& kept) { store.keep_directory(ca.name, ca.directory, kept); }});
    }
    return *session;
}

Result<acme::Account> Surroundings::account(const CaConfig& ca) {
    return make_account(ca, /*ask_again=*/false);
}

Result<acme::Account> Surroundings::renew_account(const CaConfig& ca) {
    return make_account(ca, /*ask_again=*/true);
}

Result<acme::Account> Surroundings::make_account(const CaConfig& ca, bool ask_again) {
    // Certificates of one CA wait for one another here: the first makes the account, the others find it.
    const std::scoped_lock turn(accounts_turn_);
    const auto known = accounts_.find(ca.name);
    if (known != accounts_.end() && !ask_again) return known->second;

    auto lease = store.lease_account(ca.name, ca.directory);
    const base::Steady patience = clock.steady() + base::Seconds(30);
    while (!lease && lease.error().code == base::Code::StateLocked && clock.steady() < patience) {
        clock.sleep(base::Milliseconds(100));
        lease = store.lease_account(ca.name, ca.directory);
    }
    if (!lease) return tl::make_unexpected(std::move(lease).error());

    std::optional<StoredAccount> stored = TRY(store.account(ca.name, ca.directory));
    if (!stored) {
        const base::PrivateKey key = TRY(base::PrivateKey::generate(base::KeyType::EcdsaP256));
        stored = StoredAccount{.key_pem = TRY(key.to_pem())};
        TRY(store.save_account(ca.name, ca.directory, *stored));
    }
    acme::Account account{.key = TRY(base::PrivateKey::parse(stored->key_pem)), .url = stored->url};
    if (account.url.empty() || ask_again) {
        account = TRY(acme::find_or_create_account(session(ca), account.key, ca.contact, ca.agree_tos));
        if (ask_again && account.url != stored->url) {
            log.error(
                "{}: the CA has lost our account {}; the same key is now {}. CAA records with accounturi, "
                "and dns-persist "
                "and dns-account records, name the old one.",
                ca.name, stored->url, account.url);
        }
        stored->url = account.url;
        TRY(store.save_account(ca.name, ca.directory, *stored));
    }
    accounts_.insert_or_assign(ca.name, account);
    return account;
}

acme::Solver* Surroundings::solver(const CertificateConfig& certificate, const base::Identifier& name) {
    const SolverConfig* chosen = solver_for(config, certificate, name);
    if (chosen == nullptr) return nullptr;
    const std::scoped_lock guard(mutex_);
    auto& solver = solvers_[chosen->name];
    if (!solver) {
        solver = chosen->listen.empty() ? acme::make_webroot_solver(files, chosen->webroot)
                                        : acme::make_listener_solver(chosen->listen);
    }
    return solver.get();
}

std::unique_ptr<deployers::Host> Surroundings::host(const TargetConfig& target) {
    const auto host = host_of(config, target);
    if (!host) return deployers::make_local_host(files);
    return deployers::make_ssh_host({.name = host->name,
                                     .user = host->user,
                                     .host = host->host,
                                     .port = host->port,
                                     .identity_file = host->identity_file,
                                     .host_keys = host->host_keys,
                                     .sudo = host->sudo,
                                     .scratch_directory = config.agent.state_dir});
}

std::mutex& Surroundings::service_turn(const TargetConfig& target) {
    std::string service = target.host;
    for (const std::string& word : target.parameters.reload) service += '\n' + word;
    const std::scoped_lock guard(mutex_);
    auto& turn = turns_[service];
    if (!turn) turn = std::make_unique<std::mutex>();
    return *turn;
}

Result<base::Anchors> Surroundings::anchors(const CaConfig& ca, const std::string& extra_roots) {
    const std::string key = ca.roots + '\n' + extra_roots;
    const std::scoped_lock guard(mutex_);
    if (const auto known = anchors_.find(key); known != anchors_.end()) return known->second;
    std::vector<std::string> extra;
    for (const std::string& file : {ca.roots, extra_roots}) {
        if (!file.empty()) extra.push_back(file);
    }
    base::Anchors loaded = TRY(base::Anchors::load(extra));
    anchors_.emplace(key, loaded);
    return loaded;
}

void Surroundings::remember(const std::string& certificate, Happening happening) {
    happening.at = clock.now();
    const auto kept = store.remember(certificate, to_line(happening));
    if (!kept) log.warn("{}: its history could not be written: {}", certificate, kept.error().message);
}

double Surroundings::chance() {
    thread_local std::mt19937 generator{std::random_device{}()};
    return std::uniform_real_distribution<double>(0.0, 1.0)(generator);
}

}  // namespace agent
