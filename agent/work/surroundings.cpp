// SPDX-License-Identifier: Apache-2.0
#include "agent/work/surroundings.hpp"

#include <algorithm>
#include <functional>
#include <random>

#include <spdlog/spdlog.h>

#include "acme/limits.hpp"
#include "agent/plan/plan.hpp"
#include "agent/work/local_rights.hpp"
#include "agent/work/solvers.hpp"
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
      log(the_log),
      dns(the_config.dns.servers),
      sessions(std::make_shared<Sessions>(the_store, the_transport, the_clock)),
      accounts_(the_store, the_clock, the_log, std::bind_front(&Surroundings::session, this)),
      ledgers_(the_store, the_files, the_clock, the_log, std::bind_front(&Surroundings::time_at, this)),
      clock_watch_(the_files, the_config.agent.state_dir, the_clock, the_log) {}

Surroundings::~Surroundings() = default;

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
    return sessions->with(ca, somebody_waits_ ? &patience_ : nullptr);
}

Result<acme::Account> Surroundings::account(const CaConfig& ca) {
    return accounts_.open(ca);
}

Result<acme::Account> Surroundings::renew_account(const CaConfig& ca) {
    return accounts_.find_again(ca);
}

base::Instant Surroundings::right_time(const Record& record, const std::string& ca) {
    const ClockVerdict verdict = clock_watch_.judge(record, ca);
    const bool is_wrong = verdict.state == ClockState::Ahead || verdict.state == ClockState::Behind;
    return is_wrong ? verdict.plan_by : clock.now();
}

base::Instant Surroundings::time_at(const std::string& ca) {
    return right_time({}, ca);
}

RightClock Surroundings::clock_to_look_by(const Record& record) {
    return {clock, std::max(base::Seconds(0), clock_is_behind(record))};
}

RightClock Surroundings::clock_to_deploy_by(const Record& record) {
    return {clock, clock_is_behind(record)};
}

base::Seconds Surroundings::clock_is_behind(const Record& record) {
    const base::Instant now = clock.now();
    return clock_watch_.judge(record).plan_by - now;
}

Result<void> Surroundings::hear_time(const CaConfig& ca) {
    acme::Session& asked = session(ca);
    TRY(asked.get_ready());
    clock_watch_.hear(ca.name, asked.seen_date());
    return {};
}

void Surroundings::ask_for_time(const CaConfig& ca) {
    const std::scoped_lock guard(asks_for_time_);
    if (!clock_watch_.wants_to_ask(ca.name)) return;
    acme::Session& asked = session(ca);
    const auto answer = asked.fetch(ca.directory);
    if (!answer) log.info("{} cannot be asked for the time: {}", ca.name, answer.error().message);
    clock_watch_.hear(ca.name, asked.seen_date());
}

acme::Solver* Surroundings::solver(const CertificateConfig& certificate, const base::Identifier& name) {
    const SolverConfig* chosen = solver_for(config, certificate, name);
    return chosen == nullptr ? nullptr : &solver(*chosen);
}

acme::Solver& Surroundings::solver(const SolverConfig& chosen) {
    const std::scoped_lock guard(mutex_);
    auto& solver = solvers_[chosen.name];
    if (!solver) {
        const auto tell = [this, name = chosen.name](const std::string& text) {
            log.warn("solver {}: {}", name, text);
        };
        solver = make_solver_or_excuse(chosen, {.files = files,
                                                .transport = transport,
                                                .dns = dns,
                                                .clock = clock,
                                                .config = config,
                                                .tell = tell});
    }
    return *solver;
}

std::unique_ptr<deployers::Host> Surroundings::host(const TargetConfig& target) {
    const auto host = host_of(config, target);
    if (!host) return make_this_machine(config, files);
    return deployers::make_ssh_host({.name = host->name,
                                     .user = host->user,
                                     .host = host->host,
                                     .port = host->port,
                                     .identity_file = host->identity_file,
                                     .host_keys = host->host_keys,
                                     .sudo = host->sudo,
                                     .scratch_directory = config.agent.state_dir,
                                     .files = &files});
}

Result<base::Anchors> Surroundings::anchors(const CertificateConfig& certificate, const Record& record,
                                            const std::string& extra_roots) {
    std::vector<std::string> extra;
    const auto add = [&](const std::string& file) {
        if (!file.empty() && std::ranges::find(extra, file) == extra.end()) extra.push_back(file);
    };
    for (const std::string& ca : certificate.ca) add(config.cas.at(ca).roots);
    for (const GenerationRecord& generation : record.generations) {
        const CaConfig* issuer = issuer_of(config, generation.ordered_for);
        if (issuer != nullptr) add(issuer->roots);
    }
    add(extra_roots);
    std::string key;
    for (const std::string& file : extra) key += file + '\n';
    const std::scoped_lock guard(mutex_);
    if (const auto known = anchors_.find(key); known != anchors_.end()) return known->second;
    base::Anchors loaded = TRY(base::Anchors::load(extra));
    anchors_.emplace(key, loaded);
    return loaded;
}

void Surroundings::count_attempt(std::string_view step, bool has_succeeded) const {
    if (on_attempt) on_attempt(step, has_succeeded);
}

void Surroundings::remember(const std::string& certificate, Happening happening) {
    if (const std::string_view step = step_of(happening); !step.empty())
        count_attempt(step, !happening.error);
    happening.at = clock.now();
    const auto kept = store.remember(certificate, to_line(happening));
    if (!kept) log.warn("{}: its history could not be written: {}", certificate, kept.error().message);
}

double Surroundings::chance() {
    thread_local std::mt19937 generator{std::random_device{}()};
    return std::uniform_real_distribution<double>(0.0, 1.0)(generator);
}

}  // namespace agent
