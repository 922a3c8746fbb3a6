// SPDX-License-Identifier: Apache-2.0
// `renewd check`: the configuration has been read when we get here; this tries its surroundings: every path's
// directory, every program of an argv, every host's name, and every challenge. Nothing stays of it; a
// challenge is remembered while it is up, where there is a state to do so.
#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <set>
#include <span>
#include <system_error>
#include <thread>

#include <nlohmann/json.hpp>
#include <unistd.h>

#include "agent/cli/command.hpp"
#include "agent/plan/window.hpp"
#include "agent/tell/hold_words.hpp"
#include "agent/tell/json_text.hpp"
#include "agent/tell/key_words.hpp"
#include "agent/tell/words.hpp"
#include "agent/work/local_rights.hpp"
#include "agent/work/look.hpp"
#include "agent/work/preflight.hpp"
#include "agent/work/solvers.hpp"
#include "agent/work/status_now.hpp"
#include "base/process.hpp"
#include "base/wakeup.hpp"
#include "deployers/probe/look.hpp"

namespace agent {

namespace {

struct Finding {
    enum class Kind { Ok, Note, Fail } kind = Kind::Ok;
    std::string subject{};
    std::string text{};
    int code = 0;  // of a Fail
};

/// SIGINT and SIGTERM, which main() has blocked for us: what is up is taken away before the process ends. The
/// second one ends it at once.
class EndsOnSignal {
  public:
    explicit EndsOnSignal(UpNow& up) : up_(up), wakeup_(base::SystemWakeup::open({SIGINT, SIGTERM})) {
        if (wakeup_) {
            watcher_ = std::thread([this] { watch(); });
        } else {
            base::unblock_signals({SIGINT, SIGTERM});
        }
    }

    ~EndsOnSignal() {
        if (!watcher_.joinable()) return;
        is_over_ = true;
        wakeup_->call();
        watcher_.join();
    }

    EndsOnSignal(const EndsOnSignal&) = delete;
    EndsOnSignal& operator=(const EndsOnSignal&) = delete;

  private:
    void watch() {
        while (!is_over_) {
            const base::Woken woken = wakeup_->wait(std::nullopt, std::nullopt);
            if (!woken.signals.empty()) end_by(woken.signals.front());
        }
    }

    [[noreturn]] void end_by(int signal) {
        base::unblock_signals({SIGINT, SIGTERM});
        if (!up_.is_empty())
            std::fputs("taking away what was put up for the check; once more leaves it there\n", stderr);
        const auto nothing_comes_up =
            up_.clear([](const base::Error& error) { std::fprintf(stderr, "%s\n", error.message.c_str()); });
        ::_exit(128 + signal);
    }

    UpNow& up_;
    base::Result<base::SystemWakeup> wakeup_;
    std::atomic<bool> is_over_{false};
    std::thread watcher_;
};

class Checker {
  public:
    Checker(Workshop& shop, UpNow& up) : shop_(shop), up_(up) {}

    std::vector<Finding> run() {
        check_state();
        for (const auto& [name, solver] : shop_.config.solvers) check_solver(solver);
        check_resolver();
        for (const std::string& name : shop_.certificates)
            check_certificate(shop_.config.certificates.at(name));
        return std::move(findings_);
    }

  private:
    void ok(const std::string& subject, const std::string& text) {
        findings_.push_back({Finding::Kind::Ok, subject, text});
    }

    void note(const std::string& subject, const std::string& text) {
        findings_.push_back({Finding::Kind::Note, subject, text});
    }

    void fail(const std::string& subject, const std::string& text, int code) {
        findings_.push_back({Finding::Kind::Fail, subject, text, code});
    }

    [[nodiscard]] bool is_directory(const std::string& path) {
        const auto info = shop_.files.info(path);
        return info && info->kind == base::FileKind::Directory;
    }

    void check_state() {
        const std::string& directory = shop_.config.agent.state_dir;
        const bool is_there = is_directory(directory);
        if (!is_there && base::exists(shop_.files, directory)) {
            fail("state", directory + " is no directory", exit_code::kNotIssued);
        } else if (!is_there) {
            note("state", directory + " will be made");
        } else {
            const StoreStatus store = store_now(*shop_.surroundings);
            if (store.ok()) open_memory();
            for (const base::Error& error : store.errors) fail("state", error.message, exit_code::kNotIssued);
        }
    }

    void open_memory() {
        const AgentConfig& agent = shop_.config.agent;
        auto store = FileStore::open(shop_.files, agent.state_dir, agent.allow_volatile);
        if (!store) return fail("state", store.error().message, exit_code::kNotIssued);
        memory_ = std::move(*store);
        ok("state", agent.state_dir + " can be written");
    }

    /// For what is put up; nothing where there is no state yet, or another renewd is at work.
    std::unique_ptr<Keeper> keeper_of(const std::string& certificate) {
        if (!memory_) return nullptr;
        auto keeper = Keeper::open(*memory_, certificate, shop_.clock.now());
        return keeper ? std::move(*keeper) : nullptr;
    }

    void check_solver(const SolverConfig& solver) {
        const std::string subject = "solver " + solver.name;
        if (solver.has_provider()) {
            check_provider(subject, solver);
        } else if (solver.type == "dns-persist-01") {
            ok(subject, "looks for records that you have added; a missing one is named when it is needed");
        } else if (solver.webroot.empty()) {
            ok(subject, "will listen on " + solver.listen + " while a challenge is open");
        } else if (std::error_code none; !std::filesystem::is_directory(solver.webroot, none)) {
            fail(subject, "webroot " + solver.webroot + " is no directory", exit_code::kNotIssued);
        } else {
            check_webroot(subject, solver.webroot);
        }
    }

    /// Only the deepest directory that is there is written to: what is missing is made in it.
    void check_webroot(const std::string& subject, const std::string& webroot) {
        std::string directory = webroot;
        for (const char* step : {"/.well-known", "/acme-challenge"}) {
            if (!base::exists(shop_.files, directory + step)) break;
            directory += step;
            if (is_directory(directory)) continue;
            fail(subject, directory + " is no directory of its own; below the webroot no link is followed",
                 exit_code::kNotIssued);
            return;
        }
        if (::access(directory.c_str(), W_OK | X_OK) != 0) {
            fail(subject,
                 directory + " cannot be written by user " + std::to_string(::geteuid()) +
                     ";  install -d -o " + std::to_string(::geteuid()) + " " + webroot +
                     "/.well-known/acme-challenge",
                 exit_code::kNotIssued);
        } else {
            ok(subject, "challenges can be written to " + directory);
        }
    }

    /// Nothing is asked of the provider itself.
    void check_provider(const std::string& subject, const SolverConfig& solver) {
        const auto made = make_solver(solver, {.files = shop_.files,
                                               .transport = *shop_.transport,
                                               .dns = shop_.surroundings->dns,
                                               .clock = shop_.clock,
                                               .config = shop_.config});
        if (!made) {
            fail(subject, made.error().message, exit_code::kNotIssued);
            return;
        }
        std::vector<base::SecretSource> secrets;
        secrets.reserve(solver.settings.secrets.size() + solver.settings.secret_environment.size());
        for (const auto& [name, source] : solver.settings.secrets) secrets.push_back(source);
        for (const auto& [name, source] : solver.settings.secret_environment) secrets.push_back(source);
        bool can_read = true;
        for (const base::SecretSource& source : secrets) {
            const auto secret = base::read_secret(source);
            if (!secret) fail(subject, secret.error().message, exit_code::kNotIssued);
            can_read = can_read && secret.has_value();
        }
        if (can_read)
            ok(subject, "writes TXT records through " + solver.provider + "; it is not asked by check");
    }

    /// What a broken zone looks like depends on whom one asks.
    void check_resolver() {
        constexpr std::size_t kAsked = 3;
        if (!shop_.config.dns.is_public) return;
        std::vector<base::Identifier> names;
        for (const std::string& name : shop_.certificates) {
            if (names.size() < kAsked) names.push_back(shop_.config.certificates.at(name).names.front());
        }
        if (names.empty() || checks_signatures(shop_.surroundings->dns, names).value_or(true)) return;
        note(
            "dns",
            "the resolver does not check DNSSEC, as far as can be seen: a zone with broken signatures, which "
            "every CA refuses, would pass here for well; servers under [dns] can name one that does");
    }

    void check_certificate(const CertificateConfig& certificate) {
        const CaConfig& ca = shop_.config.cas.at(certificate.ca.front());
        if (!ca.agree_tos)
            note(
                certificate.name,
                "[ca." + ca.name + "] does not say agree_tos = true; a CA with terms will refuse an account");
        try_issuance(certificate);
        if (certificate.request) ok(certificate.name, "key: " + key_words(certificate));
        if (certificate.targets.empty())
            note(certificate.name, "has no target: it is issued and kept, and served nowhere");
        for (const deployers::Endpoint& endpoint : certificate.endpoints)
            check_resolves(certificate.name, endpoint, names_of_visitors(*shop_.surroundings));
        for (const TargetConfig& target : certificate.targets)
            check_target(certificate.name + " on " + target.name, certificate, target);
        check_windows(certificate);
    }

    /// What was meant shows in when it opens: a zone, a day.
    void check_windows(const CertificateConfig& certificate) {
        const base::Instant now = shop_.clock.now();
        for (const Window& window : certificate.windows) {
            const std::span one(&window, 1);
            const auto opens = opens_at(one, now);
            ok(certificate.name, "window " + to_text(window) + (is_open(one, now) ? ", open now" : "") +
                                     (opens ? ", opens " + moment_words(*opens, now) : ""));
        }
    }

    /// Challenges of our own, presented and taken away again: what a CA would see of them.
    void try_issuance(const CertificateConfig& certificate) {
        const auto keeper = keeper_of(certificate.name);
        for (const Trial& trial : preflight(*shop_.surroundings, certificate, keeper.get(), up_)) {
            const bool names_it = trial.what.starts_with(certificate.name);
            const std::string subject = names_it ? trial.what : certificate.name + ", " + trial.what;
            if (trial.error) {
                fail(subject,
                     trial.error->message + (trial.error->hint.empty() ? "" : "; " + trial.error->hint),
                     exit_code::kNotIssued);
            } else if (trial.is_note) {
                note(subject, trial.text);
            } else {
                ok(subject, trial.text);
            }
        }
    }

    void check_resolves(const std::string& subject, const deployers::Endpoint& endpoint,
                        const deployers::NameSource& names) {
        if (endpoint.address.empty()) check_resolves(subject, endpoint.text, endpoint.host, names);
    }

    void check_resolves(const std::string& subject, const std::string& what, const std::string& host,
                        const deployers::NameSource& names) {
        if (!base::address_bytes(host).empty() || !resolved_.insert(host).second) return;
        const deployers::Addresses addresses = deployers::resolve(host, names);
        for (const auto& failure : addresses.unknown)
            fail(subject, what + ": " + failure.asked + ": " + failure.why, exit_code::kNotDeployed);
        if (addresses.found.empty() && addresses.unknown.empty())
            fail(subject, what + ": " + host + " does not resolve", exit_code::kNotDeployed);
    }

    /// May this user do it, or will the root helper? One that cannot be reached is told once.
    void check_rights(const std::string& subject, const CertificateConfig& certificate,
                      const TargetConfig& target) {
        const auto may = may_deploy_here(shop_.config, certificate, target);
        if (may) {
            if (!may->empty()) ok(subject, *may);
            return;
        }
        const bool is_away = may.error().code == base::Code::HostUnreachable;
        if (is_away && helper_is_away_) return;
        helper_is_away_ = is_away;
        fail(is_away ? "helper" : subject,
             may.error().message + (may.error().hint.empty() ? "" : ";  " + may.error().hint),
             exit_code::kNotDeployed);
    }

    void check_target(const std::string& subject, const CertificateConfig& certificate,
                      const TargetConfig& target) {
        const std::size_t failures_before = failures();
        if (const auto host = host_of(shop_.config, target)) {
            if (base::find_program("ssh").empty())
                fail(subject, "there is no ssh here; install openssh-client", exit_code::kNotDeployed);
            if (!host->host_keys.empty()) {
                check_resolves(subject, "host " + host->name, host->host, {});
            } else if (base::address_bytes(host->host).empty() &&
                       deployers::resolve(host->host, {}).found.empty()) {
                // Not a failure: a name that only the user's ssh_config knows is resolved by ssh itself.
                note(subject, "host " + host->name + ": " + host->host +
                                  " does not resolve; well if it is an alias in ssh_config");
            }
        } else {
            check_directories(subject, target);
            for (const auto* argv :
                 {&target.parameters.test, &target.parameters.reload, &target.parameters.restart})
                check_program(subject, *argv);
            check_rights(subject, certificate, target);
        }
        for (const deployers::Endpoint& endpoint : target.endpoints)
            check_resolves(subject, endpoint, names_of_targets(*shop_.surroundings));
        const auto defaults = deployers::find_deployer(target.deployer)->defaults();
        const bool is_pair = !deployers::key_with_private_key(target.parameters).empty();
        if (defaults.has_include && target.parameters.include.empty() && is_pair) {
            note(subject,
                 "fixed paths are two renames; include and versions would make key and chain change in one");
        }
        if (target.endpoints.empty())
            note(subject, "has no endpoints: nobody will look whether it is served");
        if (failures() == failures_before) {
            ok(subject, target.host.empty() ? "directories and programs are there"
                                            : "configured; ssh itself is not tried by this version");
        }
    }

    void check_directories(const std::string& subject, const TargetConfig& target) {
        std::set<std::string> seen;
        for (const std::string& path : paths_of(target)) {
            const std::string directory = base::directory_of(path);
            if (!seen.insert(directory).second || is_directory(directory)) continue;
            if (is_directory(base::directory_of(directory))) {
                note(subject, directory + " will be made");
            } else {
                fail(subject,
                     directory + " does not exist, nor the directory above it;  mkdir -p " + directory,
                     exit_code::kNotDeployed);
            }
        }
    }

    void check_program(const std::string& subject, const std::vector<std::string>& argv) {
        if (argv.empty() || !base::find_program(argv.front(), base::kSystemPath).empty()) return;
        fail(subject,
             "there is no program " + argv.front() +
                 (argv.front().starts_with('/') ? " here" : " in " + std::string(base::kSystemPath)),
             exit_code::kNotDeployed);
    }

    [[nodiscard]] std::size_t failures() const {
        return static_cast<std::size_t>(
            std::count_if(findings_.begin(), findings_.end(),
                          [](const Finding& f) { return f.kind == Finding::Kind::Fail; }));
    }

    Workshop& shop_;
    UpNow& up_;
    std::unique_ptr<FileStore> memory_;  // where what is up is remembered
    std::vector<Finding> findings_;
    std::set<std::string> resolved_;
    bool helper_is_away_ = false;
};

const char* word_of(Finding::Kind kind) {
    switch (kind) {
        case Finding::Kind::Ok:
            return "ok";
        case Finding::Kind::Note:
            return "note";
        case Finding::Kind::Fail:
            return "FAIL";
    }
    return "";
}

}  // namespace

int check_command(Workshop& shop) {
    UpNow up;
    const EndsOnSignal watch(up);
    const std::vector<Finding> findings = Checker(shop, up).run();
    std::size_t subject_width = 0;
    int code = 0;
    nlohmann::json list = nlohmann::json::array();
    for (const Finding& finding : findings) {
        subject_width = std::max(subject_width, columns(finding.subject));
        code = combined_exit_code(code, finding.code);
        list.push_back({{"result", finding.kind == Finding::Kind::Fail ? "fail" : word_of(finding.kind)},
                        {"subject", finding.subject},
                        {"text", finding.text}});
    }
    if (shop.options.json) {
        std::printf("%s\n", json_text({{"version", 1}, {"findings", list}}).c_str());
        return code;
    }
    if (!shop.options.quiet)
        std::printf("  ok    %s   %s\n", padded("configuration", subject_width).c_str(),
                    counted(shop.config.certificates.size(), "certificate").c_str());
    for (const Finding& finding : findings) {
        if (shop.options.quiet && finding.kind != Finding::Kind::Fail) continue;
        std::printf("  %-5s %s   %s\n", word_of(finding.kind), padded(finding.subject, subject_width).c_str(),
                    finding.text.c_str());
    }
    return code;
}

}  // namespace agent
