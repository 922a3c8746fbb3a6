// SPDX-License-Identifier: Apache-2.0
// `renewd why NAME`: the next action for one certificate, when, and why; or what stands in its way and what
// to do. Only reads, whatever the state of the disk.
#include "agent/tell/why.hpp"

#include <cstdio>

#include <nlohmann/json.hpp>

#include "agent/cli/command.hpp"
#include "agent/tell/json_text.hpp"
#include "agent/tell/overview.hpp"

namespace agent {

namespace {

/// Everything that has to be read of it, or the first thing that cannot be.
base::Result<Explanation> explain_one(Workshop& shop) {
    const std::string name = TRY(find_certificate(shop, shop.options.name));
    const std::optional<Record> record = TRY(shop.store->load(name));
    const base::Instant now = shop.surroundings->right_time({});
    if (!shop.config.certificates.contains(name))
        return explain(removed_status(record.value_or(Record{.name = name})), now);
    TRY(shop.store->open_orders(name));
    shop.certificates = {name};
    const Overview overview = overview_of(shop, /*with_removed=*/false);
    Explanation explanation = explain(overview.certificates.front(), now);
    const CertificateConfig& certificate = shop.config.certificates.at(name);
    const CaConfig& ca = shop.config.cas.at(certificate.ca.front());
    if (const auto ledger = shop.surroundings->ledgers().look(ca)) {
        const std::string left = limit_words(limits_left(*ledger, ca.known_limits(), certificate.names, now));
        if (!left.empty())
            explanation.facts.push_back({.about = "limits", .text = "of " + ca.name + ": " + left});
    }
    if (const std::string agent = agent_words(overview); !agent.empty())
        explanation.facts.push_back({.about = "agent", .text = agent});
    if (overview.clock) {
        explanation.obstacles.push_back(
            {.about = "clock", .error = *overview.clock, .to_do = overview.clock->hint});
    }
    for (const base::Error& error : overview.store.errors) {
        const bool holds_orders = error.code == base::Code::StateNoSpace;
        explanation.obstacles.push_back(
            {.about = holds_orders ? "order" : "its record",
             .error = error,
             .to_do = error.hint.empty() ? "nothing, if what is told above is right; else bring back what is "
                                           "damaged from a backup"
                                         : error.hint});
    }
    return explanation;
}

}  // namespace

int why_command(Workshop& shop) {
    const auto explanation = explain_one(shop);
    if (!explanation) {
        tell(shop.options, explanation.error());
        return exit_code_of(explanation.error());
    }
    const base::Instant now = shop.clock.now();
    const std::string text = shop.options.json ? json_text(to_json(*explanation, now)) + "\n"
                                               : to_text(*explanation, now, width_of(shop.options));
    std::printf("%s", text.c_str());
    return exit_code::kWell;
}

}  // namespace agent
