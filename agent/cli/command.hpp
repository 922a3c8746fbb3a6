// SPDX-License-Identifier: Apache-2.0
// What all commands share: the words of the command line as values, and what a command works with.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <spdlog/fwd.h>

#include "agent/config/config.hpp"
#include "agent/memory/file_store.hpp"
#include "agent/tell/exit_code.hpp"
#include "agent/tell/progress.hpp"
#include "agent/work/keeper.hpp"
#include "agent/work/loop.hpp"
#include "agent/work/pass.hpp"
#include "agent/work/surroundings.hpp"
#include "base/clock.hpp"
#include "base/file.hpp"
#include "base/http.hpp"

namespace agent {

struct Overview;

/// Of `renewd account`.
struct AccountOptions {
    std::string action{};  // show, register, rollover, deactivate
    std::string ca{};
    std::optional<base::KeyType> key_type{};  // absent: ecdsa-p256
    bool anew = false;
    bool yes = false;
};

/// Of `renewd apply`.
struct ApplyCommandOptions {
    std::vector<std::string> peers{};
    std::string allow{"/etc/renewd/allow"};
};

/// Of `renewd revoke` and `renewd replace`.
struct RevocationOptions {
    std::string reason{};
    bool now = false;
    base::Seconds within{30 * 60};
};

/// Of `renewd pause`.
struct PauseOptions {
    std::string until{};  // as typed
    std::string reason{};
};

struct Options {
    std::string command{};
    std::string config_file{"/etc/renewd/renewd.toml"};
    bool json = false;
    bool verbose = false;
    bool quiet = false;
    std::vector<std::string> select{};  // names or globs
    std::string name{};                 // of why and history: one certificate
    bool all = false;
    std::string host{}, target{}, ca{};  // narrow the selection
    std::string state{}, contact{};
    std::string order_at{};  // renew --ca: the CA to order at, this once
    bool once = false;
    bool force = false;
    bool over_limit = false;
    bool missing = false;
    bool past_holds = false;  // deploy --now
    bool watch = false;
    bool dry_run = false;
    base::Seconds wait{60};
    std::size_t width = 0;   // 0: the terminal's
    std::size_t lines = 40;  // of history
    int days = 90;           // of forecast
    AccountOptions account{};
    RevocationOptions revocation{};
    ApplyCommandOptions apply{};
    PauseOptions pause{};
};

/// The configuration a command works with.
struct Configured {
    Config config{};
    ConfigFiles files{};                         // as they are written, where they are in force
    std::string error{};                         // why the files are not this; empty: they are
    std::optional<base::Instant> accepted_at{};  // where the files are not it: when it was
};

/// What a command works with; made once the configuration has been read.
class Workshop {
  public:
    /// The store is opened for writing, or only for reading.
    [[nodiscard]] static base::Result<std::unique_ptr<Workshop>> open(const Options& options,
                                                                      Configured configured,
                                                                      std::vector<std::string> certificates,
                                                                      bool read_only);
    ~Workshop();

    Options options;
    Config config;
    ConfigFiles config_files;                         // none where they are not in force
    std::string config_error;                         // why the files are not in force; empty: they are
    std::optional<base::Instant> config_accepted_at;  // of what is in force in their place
    std::vector<std::string> certificates;            // the selected ones
    base::SystemFiles files;
    base::SystemClock clock;
    std::unique_ptr<base::CurlTransport> transport;
    std::unique_ptr<FileStore> store;
    std::unique_ptr<Progress> progress;
    std::shared_ptr<spdlog::logger> log;
    std::unique_ptr<Surroundings> surroundings;

  private:
    Workshop(Options the_options, Configured configured);
};

/// Reads the configuration, and tells what is wrong with it. Where the files are not accepted, commands that
/// must go on nevertheless (the agent, and those that only read) get the one that was accepted last; the
/// others, and a machine without one, nothing.
[[nodiscard]] std::optional<Configured> find_configuration(const Options& options);
/// The same for the agent.
[[nodiscard]] std::optional<Accepted> find_catalogue(const Options& options);
/// Reads the files anew; what is kept of them in the state directory spares most of it where they have not
/// changed.
[[nodiscard]] tl::expected<Accepted, std::vector<base::Error>> read_catalogue(const std::string& file);
/// Keeps what was accepted, for a start with unchanged or with broken files, unless that is what is kept.
/// Best effort: where the disk is full, the files themselves are in force all the same.
void keep_configuration(Workshop& workshop);
/// The same for the agent.
void keep_catalogue(base::Files& files, Accepted& accepted, base::Instant now);

/// The certificates a selection names, sorted. usage/wrong for a name that is nowhere, with the likely
/// meaning, for a CA to order at that there is not, with those there are, and for what is dangerous for many
/// where nothing was named.
[[nodiscard]] base::Result<std::vector<std::string>> select(const Config& config, const Options& options);

/// Leaves only the selected certificates in this state (--state). usage/wrong for a state there is not.
[[nodiscard]] base::Result<void> narrow_to_state(Workshop& workshop);

/// The targets of these certificates that --target and --host narrow the work to; empty: all.
[[nodiscard]] std::vector<std::string> select_targets(const Config& config, const Options& options);

/// The certificate of this name, in the configuration or, removed from it, still kept. usage/wrong for a name
/// that is nowhere, with the likely meaning; state/… where that cannot be read.
[[nodiscard]] base::Result<std::string> find_certificate(Workshop& workshop, const std::string& name);

/// How long limits of the CA are waited for: two minutes where somebody sees them counted down.
[[nodiscard]] base::Seconds limit_patience(const Options& options);

/// Columns for people: as asked for, else the terminal's, else 80.
[[nodiscard]] std::size_t width_of(const Options& options);

/// How the selected certificates stand now. A record that cannot be read is told in Overview::store.
[[nodiscard]] Overview overview_of(Workshop& workshop, bool with_removed);

/// The record of a certificate, as soon as nobody else is at work on it; state/locked after Options::wait.
[[nodiscard]] base::Result<std::unique_ptr<Keeper>> open_in_turn(Workshop& workshop, const std::string& name);

/// Tells a running agent that a command has worked on these certificates.
void tell_agent_of(const Workshop& workshop, const std::vector<std::string>& certificates);

/// Runs a pass over the selected certificates, tells what is not well, and answers with the exit code.
[[nodiscard]] int work_on(Workshop& workshop, const PassOptions& pass);
/// The part of it that comes after the pass.
[[nodiscard]] int conclude(Workshop& workshop, const PassOptions& pass,
                           const std::vector<CertificateOutcome>& outcomes);

/// An error for a person, on stderr; as JSON with --json.
void tell(const Options& options, const base::Error& error);

/// `renewd run`: the agent, until a signal ends it.
[[nodiscard]] int run_agent(const Options& options);

// One command, one file. Each answers with the exit code.
[[nodiscard]] int run_command(Workshop& workshop);  // run --once
[[nodiscard]] int renew_command(Workshop& workshop);
[[nodiscard]] int rehearse_command(Workshop& workshop);  // renew --dry-run
[[nodiscard]] int deploy_command(Workshop& workshop);
[[nodiscard]] int verify_command(Workshop& workshop);
[[nodiscard]] int status_command(Workshop& workshop);
[[nodiscard]] int why_command(Workshop& workshop);
[[nodiscard]] int history_command(Workshop& workshop);
[[nodiscard]] int forecast_command(Workshop& workshop);
[[nodiscard]] int check_command(Workshop& workshop);
[[nodiscard]] int revoke_command(Workshop& workshop);  // and replace
[[nodiscard]] int pause_command(Workshop& workshop);   // and resume
[[nodiscard]] int forget_command(Workshop& workshop);
[[nodiscard]] int account_command(Workshop& workshop);
[[nodiscard]] int apply_command(const Options& options);  // the root helper: no configuration, no state

}  // namespace agent
