// SPDX-License-Identifier: Apache-2.0
// `renewd forecast [--days N]`: the renewals to come, against the CA's limits. Only reads, whatever the state
// of the disk.
#include "agent/tell/forecast.hpp"

#include <cstdio>
#include <random>

#include <nlohmann/json.hpp>
#include <unistd.h>

#include "agent/cli/command.hpp"
#include "agent/tell/json_text.hpp"

namespace agent {

int forecast_command(Workshop& shop) {
    const Options& options = shop.options;
    // The same forecast for the same state: a chart that changes by itself would be no help.
    std::mt19937 random(1);
    std::uniform_real_distribution<double> chance(0, 1);
    ForecastInput input{
        .now = shop.clock.now(), .days = options.days, .chance = [&] { return chance(random); }};
    for (const auto& [name, ca] : shop.config.cas) {
        input.limits.emplace(name, ca.known_limits());
        if (auto ledger = shop.surroundings->ledgers().look(ca))
            input.ledgers.emplace(name, std::move(*ledger));
    }
    int code = exit_code::kWell;
    for (const std::string& name : shop.certificates) {
        auto record = shop.store->load(name);
        const auto orders = shop.store->open_orders(name);
        if (!record || !orders) {
            tell(options, (record ? orders.error() : record.error()));
            code = exit_code::kState;
            continue;
        }
        const CertificateConfig& certificate = shop.config.certificates.at(name);
        input.subjects.push_back(
            {.config = &certificate,
             .record = *record ? std::move(**record) : Record{.name = name, .first_seen = input.now},
             .has_open_order = !wanted_orders(certificate, *orders).empty()});
    }
    const Forecast told = forecast(input);
    const std::string text = options.json ? json_text(to_json(told)) + "\n"
                                          : to_chart(told, width_of(options), ::isatty(STDOUT_FILENO) == 1);
    std::printf("%s", text.c_str());
    return code;
}

}  // namespace agent
