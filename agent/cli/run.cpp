// SPDX-License-Identifier: Apache-2.0
// `renewd run --once`: all that is due, as from a timer.
#include <chrono>
#include <functional>
#include <memory>

#include <spdlog/spdlog.h>

#include "agent/cli/command.hpp"
#include "agent/work/metrics_keeper.hpp"
#include "agent/work/removed.hpp"
#include "agent/work/status_now.hpp"

namespace agent {

namespace {

constexpr base::Seconds kTimerEvery = std::chrono::hours(1);  // as systemd/renewd-once.timer has it

/// Counts what this pass tries, where anybody wants to know.
std::shared_ptr<MetricsKeeper> begin_metrics(Workshop& shop) {
    const std::string& path = shop.config.agent.metrics_file;
    if (path.empty()) return nullptr;
    auto metrics = std::make_shared<MetricsKeeper>(shop.files, path);
    shop.surroundings->on_attempt = std::bind_front(&MetricsKeeper::attempted, metrics);
    return metrics;
}

}  // namespace

int run_command(Workshop& shop) {
    keep_configuration(shop);
    const auto metrics = begin_metrics(shop);
    // A pass of its own is started by a timer or a person: the time between two of them is the backoff of
    // deployments.
    const PassOptions pass{
        .wishes = {.retry_now = true}, .wait = shop.options.wait, .sleeps_for = kTimerEvery};
    const std::vector<CertificateOutcome> outcomes = run_pass(*shop.surroundings, shop.certificates, pass);
    const int code = conclude(shop, pass, outcomes);
    tend_all_removed(
        *shop.surroundings,
        [&shop](const std::string& name) { return shop.config.certificates.contains(name); },
        /*eager=*/true);
    if (metrics) {
        const Overview overview = overview_of(shop, /*with_removed=*/false);
        const auto shown = show_metrics(*metrics, *shop.surroundings, overview, outcomes);
        if (!shown) shop.log->error("{}", shown.error().message);
    }
    return code;
}

}  // namespace agent
