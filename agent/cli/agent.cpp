// SPDX-License-Identifier: Apache-2.0
// `renewd run`: the agent.
#include <csignal>
#include <cstdlib>
#include <utility>

#include <spdlog/spdlog.h>

#include "agent/cli/command.hpp"
#include "agent/tell/words.hpp"
#include "agent/work/local_rights.hpp"
#include "base/patience.hpp"
#include "base/service_manager.hpp"

namespace agent {

using base::Result;

namespace {

/// One agent a state directory. Held until the process ends.
Result<base::Lock> take_agent_lock(Workshop& shop) {
    auto lock = base::take_patiently(shop.clock, shop.options.wait, base::Milliseconds(200), [&] {
        return base::Lock::take(shop.files, shop.config.agent.state_dir + "/agent.lock");
    });
    if (lock || lock.error().code != base::Code::StateLocked) return lock;
    return base::Failure(std::move(lock).error().within("another agent runs in this state directory"));
}

/// As a shell and a service manager know it from every other program.
[[noreturn]] void end_by(int signal) {
    (void)std::signal(signal, SIG_DFL);
    sigset_t none;
    (void)::sigemptyset(&none);
    (void)::sigaddset(&none, signal);
    (void)::pthread_sigmask(SIG_UNBLOCK, &none, nullptr);
    (void)::raise(signal);
    std::_Exit(128 + signal);
}

int tell_failure(const Options& options, const base::Error& error) {
    tell(options, error);
    return error.code == base::Code::StateVolatile ? exit_code::kUsage : exit_code_of(error);
}

/// What an agent without root cannot do, by the first few hundred certificates.
void tell_missing_rights(Workshop& shop, const Catalogue& catalogue) {
    constexpr std::size_t kEnough = 200;
    Config some = catalogue.ground();
    for (const Listed& listed : catalogue.list().certificates) {
        if (some.certificates.size() == kEnough) break;
        if (auto certificate = catalogue.certificate(listed.name))
            some.certificates.emplace(listed.name, std::move(*certificate));
    }
    const std::string remark = rights_remark(some);
    if (!remark.empty()) shop.log->warn("{}", remark);
}

Result<int> serve(Workshop& shop, Accepted accepted, const base::ServiceManager& manager) {
    const base::Lock lock = TRY(take_agent_lock(shop));
    const ControlSocket control = TRY(ControlSocket::open(shop.config.agent.state_dir));
    base::SystemWakeup wakeup = TRY(base::SystemWakeup::open({SIGHUP, SIGTERM, SIGINT}));
    const auto read_again = [&shop] {
        auto read = read_catalogue(shop.options.config_file);
        // Of another state directory it is not taken, and not kept.
        if (read && read->catalogue.ground().agent.state_dir == shop.config.agent.state_dir)
            keep_catalogue(shop.files, *read, shop.clock.now());
        return read;
    };
    keep_catalogue(shop.files, accepted, shop.clock.now());
    tell_missing_rights(shop, accepted.catalogue);
    shop.log->info("renewd " RENEWD_VERSION " looks after {}",
                   counted(accepted.catalogue.list().certificates.size(), "certificate"));
    Loop loop({.store = *shop.store,
               .files = shop.files,
               .transport = *shop.transport,
               .clock = shop.clock,
               .progress = *shop.progress,
               .log = *shop.log,
               .wakeup = wakeup,
               .manager = manager,
               .read_again = read_again},
              std::move(accepted), control);
    const int signal = loop.run();
    shop.log->info("ended by {}", signal == SIGTERM ? "SIGTERM" : "SIGINT");
    // Without waiting for what hangs: everything is durable, and the next start goes on with it.
    end_by(signal);
}

}  // namespace

int run_agent(const Options& options) {
    base::block_signals({SIGHUP, SIGTERM, SIGINT});  // before any thread is started
    const base::ServiceManager manager = base::ServiceManager::from_environment();
    auto accepted = find_catalogue(options);
    if (!accepted) return exit_code::kUsage;
    auto shop = Workshop::open(options, {.config = accepted->catalogue.ground()}, {}, /*read_only=*/false);
    if (!shop) return tell_failure(options, shop.error());
    const Result<int> ended = serve(**shop, std::move(*accepted), manager);
    return ended ? *ended : tell_failure(options, ended.error());
}

}  // namespace agent
