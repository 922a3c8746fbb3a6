// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/options.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <functional>
#include <set>
#include <string_view>

#include <CLI/CLI.hpp>
#include <unistd.h>

#include "agent/config/nearest.hpp"
#include "base/encoding.hpp"

namespace agent {

namespace {

constexpr const char* kFooter =
    "Exit status: 0 all well, 1 unexpected failure, 2 usage or configuration, 3 not issued, 4 not deployed,\n"
    "5 not served, 6 another renewd is at work on it, 7 the state cannot be read or written, 8 held by a "
    "window,\na pause or a limit.\n"
    "Configuration: /etc/renewd/renewd.toml and /etc/renewd/conf.d/*.toml";

/// Commands of the interface that this version does not have: said so, instead of "unknown".
constexpr std::array kLater{"show",         "rollback", "host", "init",  "discover",
                            "ssh-receiver", "import",   "add",  "notice"};

class CommandLine {
  public:
    /// `first`: the first word that was typed. Where it is a command, nothing behind it can mean another one,
    /// and the options of the others need not be made.
    explicit CommandLine(std::string_view first) {
        app_.set_version_flag("--version", "renewd " RENEWD_VERSION);
        app_.footer(kFooter);
        app_.require_subcommand(1);
        const auto all = commands_there_are();
        if (const auto* typed = std::ranges::find(all, first, &Command::name); typed != all.end()) {
            (this->*typed->add)();
            return;
        }
        for (const Command& command : all) (this->*command.add)();
        for (const char* name : kLater) app_.add_subcommand(name, "")->group("")->allow_extras();
    }

    Parsed parse(int argc, const char* const* argv) {
        try {
            app_.parse(argc, argv);
        } catch (const CLI::ParseError& error) {
            if (error.get_exit_code() == 0) {  // --help, --version
                app_.exit(error);
                return {.exit_code = exit_code::kWell};
            }
            std::fprintf(stderr, "%s\n", argc < 2 ? app_.help().c_str() : what_is_wrong(error).c_str());
            return {.exit_code = exit_code::kUsage};
        }
        const CLI::App* chosen = app_.get_subcommands().front();
        options_.command = chosen->get_name();
        if (chosen->get_group().empty()) {
            std::fprintf(stderr, "renewd %s is not built yet in renewd " RENEWD_VERSION "\n",
                         options_.command.c_str());
            return {.exit_code = exit_code::kUsage};
        }
        if (no_wait_) options_.wait = base::Seconds(0);
        return {.options = options_};
    }

  private:
    struct Command {
        std::string_view name;
        void (CommandLine::*add)();
    };

    /// In the order of --help.
    static constexpr std::array<Command, 16> commands_there_are() {
        return {{
            {"run", &CommandLine::add_run},
            {"renew", &CommandLine::add_renew},
            {"deploy", &CommandLine::add_deploy},
            {"verify", &CommandLine::add_verify},
            {"status", &CommandLine::add_status},
            {"why", &CommandLine::add_why},
            {"history", &CommandLine::add_history},
            {"forecast", &CommandLine::add_forecast},
            {"check", &CommandLine::add_check},
            {"account", &CommandLine::add_account},
            {"revoke", &CommandLine::add_revoke},
            {"replace", &CommandLine::add_replace},
            {"apply", &CommandLine::add_apply},
            {"pause", &CommandLine::add_pause},
            {"resume", &CommandLine::add_resume},
            {"forget", &CommandLine::add_forget},
        }};
    }

    /// What was typed, and what was probably meant.
    [[nodiscard]] std::string what_is_wrong(const CLI::ParseError& error) const {
        const std::vector<CLI::App*> chosen = app_.get_subcommands();
        const CLI::App& place = chosen.empty() ? app_ : *chosen.front();
        const std::string whole = chosen.empty() ? "renewd" : "renewd " + place.get_name();
        const std::vector<std::string> unknown = app_.remaining(/*recurse=*/true);
        std::string text = error.what();
        if (!unknown.empty()) {
            const std::string word = base::printable(unknown.front(), 80);
            const bool is_option = word.starts_with("-");
            const bool is_command = chosen.empty() && !is_option;
            text = whole +
                   (is_option    ? " has no option "
                    : is_command ? " has no command "
                                 : " does not know what to do with ") +
                   "\"" + word + "\"";
            const std::string meant = nearest(word, is_command ? commands() : options_of(place));
            if (!meant.empty()) text += "; did you mean \"" + meant + "\"?";
        }
        return text + "\nsee  " + whole + " --help";
    }

    [[nodiscard]] std::set<std::string, std::less<>> commands() const {
        std::set<std::string, std::less<>> names;
        for (const CLI::App* command : app_.get_subcommands([](const CLI::App*) { return true; }))
            names.insert(command->get_name());
        return names;
    }

    static std::set<std::string, std::less<>> options_of(const CLI::App& place) {
        std::set<std::string, std::less<>> names;
        for (const CLI::Option* option : place.get_options()) {
            for (const std::string& name : option->get_lnames()) names.insert("--" + name);
        }
        return names;
    }

    void add_common(CLI::App* command) {
        command->add_option("--config", options_.config_file, "read FILE, and conf.d beside it")
            ->type_name("FILE");
        command->add_flag("--json", options_.json, "print JSON");
        command->add_flag("-v,--verbose", options_.verbose, "say more on stderr");
        command->add_flag("-q,--quiet", options_.quiet, "say nothing that is not wrong");
    }

    void add_selection(CLI::App* command) {
        command->add_option("SELECT", options_.select, "names of certificates, or globs");
        command->add_flag("--all", options_.all, "all certificates");
        command->add_option("--host", options_.host, "only targets on this host")->type_name("HOST");
        command->add_option("--target", options_.target, "only targets of this name")->type_name("TARGET");
        command->add_option("--state", options_.state, "only those in this state: failing, held, …")
            ->type_name("STATE");
        command->add_option("--contact", options_.contact, "only those of this contact, or with this in it")
            ->type_name("TEXT");
    }

    void add_ca(CLI::App* command) {
        command->add_option("--ca", options_.ca, "only those of this CA")->type_name("CA");
    }

    void add_wait(CLI::App* command) {
        command
            ->add_option_function<std::string>(
                "--wait",
                [this](const std::string& text) {
                    const auto duration = parse_duration(text);
                    if (!duration) throw CLI::ValidationError("--wait", duration.error().message);
                    options_.wait = *duration;
                },
                "how long to wait for another renewd that is at work (60s)")
            ->type_name("DURATION");
        command->add_flag("--no-wait", no_wait_, "do not wait for another renewd");
    }

    /// A command that works on certificates.
    CLI::App* add_selecting(const char* name, const char* what) {
        CLI::App* command = app_.add_subcommand(name, what);
        add_common(command);
        add_selection(command);
        add_ca(command);
        add_wait(command);
        return command;
    }

    void add_run() {
        CLI::App* command = app_.add_subcommand("run", "the agent: does what is due, when it is due");
        add_common(command);
        add_wait(command);
        command->add_flag("--once", options_.once, "does all that is due and exits");
    }

    void add_renew() {
        CLI::App* command = app_.add_subcommand("renew", "renews what is due, deploys it and sees it served");
        add_common(command);
        add_selection(command);
        add_wait(command);
        command->add_option("--ca", options_.order_at, "orders at this CA, this once, whatever the list says")
            ->type_name("CA");
        command->add_flag("--force", options_.force, "renews now, due or not");
        add_over_limit(command);
        command->add_flag("--dry-run", options_.dry_run,
                          "orders at the CA's staging, keeps nothing, and rehearses the deployment");
    }

    void add_over_limit(CLI::App* command) {
        command->add_flag("--over-limit", options_.over_limit,
                          "orders even where a limit of the CA is known to be used up, or nearly so");
    }

    void add_deploy() {
        CLI::App* command = add_selecting("deploy", "deploys the current generation again and verifies it");
        command->add_flag("--missing", options_.missing, "only targets that do not serve it");
        command->add_flag("--now", options_.past_holds, "whatever windows and pauses say");
    }

    void add_verify() { add_selecting("verify", "looks at every endpoint now"); }

    void add_check() {
        add_common(app_.add_subcommand(
            "check", "reads the configuration and tries the surroundings; orders and deploys nothing"));
    }

    void add_account() {
        CLI::App* command = app_.add_subcommand("account", "the account at a CA");
        add_common(command);
        AccountOptions& account = options_.account;
        command->add_option("ACTION", account.action, "show, register, rollover (a new key) or deactivate")
            ->required()
            ->check(CLI::IsMember({"show", "register", "rollover", "deactivate"}));
        command->add_option("CA", account.ca, "the CA's name in the configuration");
        command
            ->add_option_function<std::string>(
                "--key-type",
                [&account](const std::string& text) {
                    const auto type = base::parse_key_type(text);
                    if (!type) throw CLI::ValidationError("--key-type", type.error().message);
                    account.key_type = *type;
                },
                "of register and rollover: ecdsa-p256 (as it is without), ecdsa-p384, rsa-2048, rsa-3072, "
                "rsa-4096")
            ->type_name("TYPE");
        command->add_flag(
            "--new", account.anew,
            "of register: in place of an account that is closed, lost, or whose files cannot be read");
        command->add_flag("--yes", account.yes, "of deactivate: without typing the CA's name");
    }

    void add_reason(CLI::App* command) {
        command
            ->add_option("--reason", options_.revocation.reason,
                         "unspecified, keyCompromise, superseded, cessationOfOperation, …, or their numbers")
            ->type_name("REASON");
    }

    void add_revoke() {
        CLI::App* command = add_selecting(
            "revoke", "replaces a certificate, sees the new one served, then revokes the old ones");
        add_reason(command);
        command->add_flag("--now", options_.revocation.now,
                          "revokes first, and says who still serves what was revoked");
    }

    void add_replace() {
        CLI::App* command =
            add_selecting("replace", "new keys everywhere now; the old ones revoked once nobody serves them");
        add_over_limit(command);
        add_reason(command);
        command
            ->add_option_function<std::string>(
                "--revoke-within",
                [this](const std::string& text) {
                    const auto duration = parse_duration(text);
                    if (!duration) throw CLI::ValidationError("--revoke-within", duration.error().message);
                    options_.revocation.within = *duration;
                },
                "revoke the old ones at the latest after this, whoever still serves them (30m)")
            ->type_name("DURATION");
    }

    void add_apply() {
        CLI::App* command = app_.add_subcommand(
            "apply", "the root helper: does for one connection what /etc/renewd/allow permits");
        command
            ->add_option("--peer", options_.apply.peers,
                         "the user whose renewd may ask; root may always (can be given more than once)")
            ->type_name("USER");
        command->add_option("--allow", options_.apply.allow, "the list of what is permitted")
            ->type_name("FILE");
    }

    void add_pause() {
        CLI::App* pause = add_selecting(
            "pause", "holds deploying, never ordering, looking or what is urgent, until it is resumed");
        pause
            ->add_option("--until", options_.pause.until,
                         "2h, 3d, 2026-12-01, \"2026-12-01 08:00\", 2026-12-01T08:00:00Z")
            ->type_name("T");
        pause->add_option("--reason", options_.pause.reason, "shown wherever it holds something back")
            ->type_name("TEXT");
    }

    void add_resume() { add_selecting("resume", "ends a pause"); }

    void add_forget() {
        CLI::App* command = app_.add_subcommand(
            "forget",
            "drops a certificate that is gone from the configuration, with its keys and its history");
        add_common(command);
        add_wait(command);
        command->add_option("NAME", options_.name, "the certificate's name")->required();
    }

    void add_status() {
        CLI::App* command =
            app_.add_subcommand("status", "what is held, where it is served, what comes next");
        add_common(command);
        add_selection(command);
        add_ca(command);
        add_width(command);
        command->add_flag("-w,--watch", options_.watch, "again every 2 s, until Ctrl-C");
    }

    void add_width(CLI::App* command) {
        command->add_option("--width", options_.width, "columns of what is printed")
            ->type_name("N")
            ->check(CLI::Range(40, 1000));
    }

    void add_why() {
        CLI::App* command = app_.add_subcommand(
            "why", "the next action for one certificate, when, and why; or what stands in its way");
        add_common(command);
        command->add_option("NAME", options_.name, "the certificate's name")->required();
        add_width(command);
    }

    void add_history() {
        CLI::App* command = app_.add_subcommand("history", "what happened, to one certificate or to all");
        add_common(command);
        command->add_option("NAME", options_.name, "the certificate's name");
        command->add_option("--lines", options_.lines, "the newest N (40)")
            ->type_name("N")
            ->check(CLI::Range(1, 100'000));
        add_width(command);
    }

    void add_forecast() {
        CLI::App* command = app_.add_subcommand("forecast", "the renewals to come, against the CA's limits");
        add_common(command);
        command->add_option("--days", options_.days, "so many, today included (90)")
            ->type_name("N")
            ->check(CLI::Range(1, 1000));
        add_width(command);
    }

    CLI::App app_{
        "renewd keeps certificates renewed: ordered from an ACME CA ahead of expiry, deployed to every "
        "target,\n"
        "and seen to be served there.",
        "renewd"};
    Options options_;
    bool no_wait_ = false;
};

}  // namespace

Parsed parse_options(int argc, const char* const* argv) {
    return CommandLine(argc > 1 ? argv[1] : "").parse(argc, argv);
}

}  // namespace agent
