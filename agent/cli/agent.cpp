// SPDX-License-Identifier: Apache-2.0
// `renewd run`: the agent.
#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <spdlog/spdlog.h>

#include "agent/cli/command.hpp"
#include "agent/memory/state_files.hpp"
#include "agent/tell/words.hpp"
#include "agent/work/control.hpp"
#include "agent/work/local_rights.hpp"
#include "agent/work/metrics_keeper.hpp"
#include "agent/work/status_now.hpp"
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
    if (lock || lock.error().code != base::Code::StateLocked) return as_state(std::move(lock));
    return base::Failure(std::move(lock).error().within("another agent runs in this state directory"));
}

/// As a shell and a service manager know it from every other program.
[[noreturn]] void end_by(int signal) {
    (void)std::signal(signal, SIG_DFL);
    base::unblock_signals({signal});
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

/// What an agent has in its state directory as long as it runs.
struct Foothold {
    std::unique_ptr<Workshop> shop;
    base::Lock lock;
    ControlSocket control;
};

Result<Foothold> gain_foothold(const Options& options, const Accepted& accepted) {
    auto shop =
        TRY(Workshop::open(options, {.config = accepted.catalogue.ground()}, {}, /*read_only=*/false));
    auto lock = TRY(take_agent_lock(*shop));
    auto control = TRY(ControlSocket::open(shop->config.agent.state_dir));
    return Foothold{.shop = std::move(shop), .lock = std::move(lock), .control = std::move(control)};
}

/// What ends without us: a disk that has no room, or is read-only until somebody has repaired it.
bool may_end_by_itself(const base::Error& error) {
    return error.code == base::Code::StateUnwritable || error.code == base::Code::StateNoSpace;
}

/// A state that cannot be written at the start: whoever could note that is not there, so it is told for as
/// long as it lasts, to the log, the service manager and the metrics.
class Outage {
  public:
    Outage(const Options& options, const Accepted& accepted, const base::ServiceManager& manager)
        : accepted_(accepted), manager_(manager) {
        // Made for reading only, it cannot fail.
        auto shop = Workshop::open(options, {.config = accepted.catalogue.ground(), .error = accepted.error},
                                   {}, /*read_only=*/true);
        if (shop) shop_ = std::move(*shop);
    }

    void tell(const base::Error& error) {
        const base::Steady now = shop_->clock.steady();
        const base::Seconds pause = error.message == told_ ? kTellEvery : kShowEvery;
        if (told_.empty() || now - told_at_ >= pause) {
            shop_->log->error("nothing is renewed or deployed: {}; tried again every {} s", error.message,
                              kTryEvery.count());
            manager_.ready("nothing is renewed or deployed: " + error.message);
            told_ = error.message;
            told_at_ = now;
        }
        if (shown_at_ && now - *shown_at_ < kShowEvery) return;
        shown_at_ = now;
        show();
    }

    void over() { shop_->log->warn("the state can be written again"); }

    [[nodiscard]] base::Milliseconds pause() const {
        return std::min<base::Milliseconds>(kTryEvery, manager_.watchdog().value_or(2 * kTryEvery) / 2);
    }

  private:
    static constexpr base::Seconds kTryEvery{10};
    static constexpr base::Seconds kShowEvery{60};
    static constexpr base::Seconds kTellEvery{3600};

    void show() {
        const std::string& path = shop_->config.agent.metrics_file;
        if (path.empty()) return;
        if (!metrics_) metrics_ = std::make_unique<MetricsKeeper>(shop_->files, path);
        const auto shown = show_metrics(*metrics_, *shop_->surroundings, accepted_.catalogue,
                                        {.config_ok = accepted_.error.empty(), .store_ok = false});
        if (!shown) shop_->log->error("{}", shown.error().message);
    }

    const Accepted& accepted_;
    const base::ServiceManager& manager_;
    std::unique_ptr<Workshop> shop_;
    std::unique_ptr<MetricsKeeper> metrics_;
    std::string told_;
    base::Steady told_at_{};
    std::optional<base::Steady> shown_at_;
};

/// Waits until the state can be written, however long that takes. SIGHUP reads the configuration again: it
/// may name another one. Errors are those that do not end by themselves.
Result<Foothold> wait_for_foothold(const Options& options, Accepted& accepted, base::Wakeup& wakeup,
                                   const base::ServiceManager& manager) {
    auto foothold = gain_foothold(options, accepted);
    std::optional<Outage> outage;
    while (!foothold && may_end_by_itself(foothold.error())) {
        if (!outage) outage.emplace(options, accepted, manager);
        outage->tell(foothold.error());
        for (const int signal : wakeup.wait(std::nullopt, outage->pause()).signals) {
            if (signal != SIGHUP) end_by(signal);
            auto again = find_catalogue(options);
            if (!again) continue;  // it has been told what is wrong; the one before stays
            outage.reset();
            accepted = std::move(*again);
        }
        manager.feed_watchdog();
        foothold = gain_foothold(options, accepted);
    }
    if (foothold && outage) outage->over();
    return foothold;
}

/// Until a signal.
[[noreturn]] void serve(Foothold& foothold, Accepted accepted, base::Wakeup& wakeup,
                        const base::ServiceManager& manager) {
    Workshop& shop = *foothold.shop;
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
              std::move(accepted), foothold.control);
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
    auto wakeup = base::SystemWakeup::open({SIGHUP, SIGTERM, SIGINT});
    if (!wakeup) return tell_failure(options, wakeup.error());
    auto foothold = wait_for_foothold(options, *accepted, *wakeup, manager);
    if (!foothold) return tell_failure(options, foothold.error());
    serve(*foothold, std::move(*accepted), *wakeup, manager);
}

}  // namespace agent
