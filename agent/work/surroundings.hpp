// SPDX-License-Identifier: Apache-2.0
// What all work shares: the configuration, the store, the network, the clock; and what is made once and used
// by many, such as the session with a CA. Thread safe.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include <spdlog/fwd.h>

#include "acme/contact.hpp"
#include "acme/issuance.hpp"
#include "agent/config/config.hpp"
#include "agent/memory/history.hpp"
#include "agent/memory/store.hpp"
#include "agent/tell/progress.hpp"
#include "agent/work/accounts.hpp"
#include "agent/work/clock_watch.hpp"
#include "agent/work/ledgers.hpp"
#include "agent/work/permissions.hpp"
#include "agent/work/right_clock.hpp"
#include "agent/work/sessions.hpp"
#include "agent/work/turns.hpp"
#include "base/certificate.hpp"
#include "base/dns.hpp"
#include "base/file.hpp"
#include "base/http.hpp"
#include "deployers/hosts/host.hpp"

namespace agent {

class Surroundings {
  public:
    /// Everything is borrowed for as long as this lives.
    Surroundings(const Config& config, Store& store, base::Files& files, base::Transport& transport,
                 base::Clock& clock, Progress& progress, spdlog::logger& log);
    ~Surroundings();
    Surroundings(const Surroundings&) = delete;
    Surroundings& operator=(const Surroundings&) = delete;

    [[nodiscard]] acme::Session& session(const CaConfig& ca);
    /// The account at this CA: the stored one, or one found again or created now, its key durable before the
    /// CA is asked.
    [[nodiscard]] base::Result<acme::Account> account(const CaConfig& ca);
    /// The CA does not know our account any more: asks once for it again with the same key.
    [[nodiscard]] base::Result<acme::Account> renew_account(const CaConfig& ca);

    /// For what is done to an account by hand.
    [[nodiscard]] Accounts& accounts() { return accounts_; }

    /// What is used and left of the CAs' limits.
    [[nodiscard]] Ledgers& ledgers() { return ledgers_; }

    /// Whether this machine's clock may be planned by.
    [[nodiscard]] ClockWatch& clock_watch() { return clock_watch_; }

    /// What the clock shows; where that is known to be wrong, the best that is known: for this CA, as
    /// ClockWatch::judge().
    [[nodiscard]] base::Instant right_time(const Record& record, const std::string& ca = {});
    /// The clock to judge what is served for this record by: ours, but never earlier than what is known. One
    /// that its CA has issued is not too new because our clock is slow.
    [[nodiscard]] RightClock clock_to_look_by(const Record& record);
    /// The clock to judge by what is put in place: the right time as far as it is known. To a clock that is
    /// ahead what its CA has just issued has expired, and would be kept from those who serve it.
    [[nodiscard]] RightClock clock_to_deploy_by(const Record& record);
    /// Has the CA tell the time, where it has not done so yet: nothing is sent that the next order would not
    /// send. Errors as those of Session::get_ready().
    [[nodiscard]] base::Result<void> hear_time(const CaConfig& ca);
    /// Where the clock looks as if it were ahead, and nobody has been asked for a while: asks this CA. Best
    /// effort.
    void ask_for_time(const CaConfig& ca);

    /// From now on CAs that do not answer are told of within half a minute, instead of being waited for. To
    /// be called before anything is asked.
    void somebody_waits() { somebody_waits_ = true; }

    [[nodiscard]] acme::Solver* solver(const CertificateConfig& certificate, const base::Identifier& name);
    [[nodiscard]] acme::Solver& solver(const SolverConfig& chosen);
    [[nodiscard]] std::unique_ptr<deployers::Host> host(const TargetConfig& target);
    /// The system's anchors with those of the certificate's CAs, of those that have issued what is held of it
    /// (one may have been named for once), and of the target.
    [[nodiscard]] base::Result<base::Anchors> anchors(const CertificateConfig& certificate,
                                                      const Record& record, const std::string& extra_roots);
    /// Adds to the certificate's history, and to the log where even that does not work: it never stops the
    /// work.
    void remember(const std::string& certificate, Happening happening);
    /// Of what is not remembered: "verify". Others are counted when they are.
    void count_attempt(std::string_view step, bool has_succeeded) const;
    /// Uniform in [0, 1): the jitter of retries.
    [[nodiscard]] double chance();

    const Config& config;
    Store& store;
    base::Files& files;
    base::Transport& transport;
    base::Clock& clock;
    Progress& progress;
    spdlog::logger& log;
    const base::Dns dns;  // asks whom [dns] names
    /// With all CAs. Set before any work begins where several share them.
    std::shared_ptr<Sessions> sessions;
    /// Who works at which place. Set before any work begins where several share them.
    std::shared_ptr<Turns> turns = std::make_shared<Turns>();
    /// By the hooks that were asked.
    Permissions permissions{};
    /// Told of each attempt at a step, as in the metrics; set before any work begins. Empty: nobody counts.
    std::function<void(std::string_view step, bool has_succeeded)> on_attempt{};
    /// The process is about to end: no step is begun any more.
    std::atomic<bool> stopping{false};

  private:
    [[nodiscard]] base::Instant time_at(const std::string& ca);
    /// By how much, as far as the right time is known; negative where it is ahead.
    [[nodiscard]] base::Seconds clock_is_behind(const Record& record);

    std::mutex mutex_;
    std::mutex asks_for_time_;  // whoever comes meanwhile waits for the answer
    acme::Patience patience_{acme::kPatienceOfAPerson};
    std::map<std::string, std::unique_ptr<acme::Solver>> solvers_;
    std::map<std::string, base::Anchors> anchors_;
    Accounts accounts_;
    Ledgers ledgers_;
    ClockWatch clock_watch_;
    bool somebody_waits_ = false;
};

/// The host a target runs on: one of the configuration's, or the one its "ssh://" name says; nullptr for this
/// machine.
[[nodiscard]] std::unique_ptr<HostConfig> host_of(const Config& config, const TargetConfig& target);

}  // namespace agent
