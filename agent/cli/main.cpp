// SPDX-License-Identifier: Apache-2.0
// The door: reads the command line and the configuration, and hands over to the command.
#include <csignal>
#include <cstdio>
#include <exception>
#include <map>

#include <unistd.h>

#include "agent/cli/become_owner.hpp"
#include "agent/cli/options.hpp"
#include "base/runtime.hpp"
#include "base/wakeup.hpp"

namespace agent {

namespace {

int run(int argc, const char* const* argv) {
    const Parsed parsed = parse_options(argc, argv);
    if (parsed.exit_code) return *parsed.exit_code;
    const Options& options = parsed.options;
    if (options.command == "apply") return apply_command(options);
    const auto owner = become_owner(state_directory_of(options.config_file));
    if (!owner) {
        tell(options, owner.error());
        return exit_code::kState;
    }
    if (options.command == "run" && !options.once) return run_agent(options);
    // What only root can read is not there for the agent either, and had better be told now.
    auto configured = find_configuration(options);
    if (!configured && !owner->empty())
        std::fprintf(stderr, "(read as user %s, whose state directory this is)\n", owner->c_str());
    if (!configured) return exit_code::kUsage;
    auto selected = select(configured->config, options);
    if (!selected) {
        tell(options, selected.error());
        return exit_code::kUsage;
    }
    const bool read_only = options.command == "status" || options.command == "why" ||
                           options.command == "history" || options.command == "forecast" ||
                           options.command == "check" ||
                           (options.command == "account" && options.account.action == "show");
    // It has something to take away first. Before any thread is started.
    if (options.command == "check") base::block_signals({SIGINT, SIGTERM});
    auto workshop = Workshop::open(options, std::move(*configured), std::move(*selected), read_only);
    if (!workshop) {
        tell(options, workshop.error());
        return workshop.error().code == base::Code::StateVolatile ? exit_code::kUsage : exit_code::kState;
    }
    if (const auto narrowed = narrow_to_state(**workshop); !narrowed) {
        tell(options, narrowed.error());
        return exit_code_of(narrowed.error());
    }
    const std::map<std::string, int (*)(Workshop&)> commands{
        {"run", run_command},         {"renew", renew_command},     {"deploy", deploy_command},
        {"verify", verify_command},   {"status", status_command},   {"check", check_command},
        {"account", account_command}, {"revoke", revoke_command},   {"replace", revoke_command},
        {"why", why_command},         {"history", history_command}, {"forecast", forecast_command},
        {"pause", pause_command},     {"resume", pause_command},    {"forget", forget_command},
    };
    return commands.at(options.command)(**workshop);
}

}  // namespace

}  // namespace agent

namespace {

/// State is durable at every step, so that ending at once loses nothing: the next run goes on from there.
extern "C" void end_at_once(int signal) {
    ::_exit(128 + signal);
}

}  // namespace

int main(int argc, char** argv) {
    base::settle_runtime();
    // A parent that ignores SIGCHLD would hide from us how our children end.
    (void)std::signal(SIGCHLD, SIG_DFL);
    (void)std::signal(SIGINT, end_at_once);
    (void)std::signal(SIGTERM, end_at_once);
    try {
        return agent::run(argc, argv);
    } catch (const std::exception& bug) {
        std::fprintf(stderr, "renewd: unexpected: %s\n", bug.what());
    } catch (...) {
        std::fprintf(stderr, "renewd: unexpected\n");
    }
    return agent::exit_code::kUnexpected;
}
