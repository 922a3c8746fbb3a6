// SPDX-License-Identifier: Apache-2.0
// `renewd renew [SELECT] --dry-run`: everything but the deed.
#include <cstdio>

#include <nlohmann/json.hpp>

#include "agent/cli/command.hpp"
#include "agent/tell/json_text.hpp"
#include "agent/tell/words.hpp"
#include "agent/work/rehearse.hpp"
#include "base/parallel.hpp"

namespace agent {

namespace {

int code_of(const Rehearsal& rehearsal) {
    for (const RehearsedStep& step : rehearsal.steps) {
        if (!step.error) continue;
        if (base::to_string(step.error->code).starts_with("state/")) return exit_code_of(*step.error);
        if (base::class_of(step.error->code) == base::ErrorClass::Configuration && step.error->step.empty())
            return exit_code::kUsage;
        return step.error->step == "deploy" ? exit_code::kNotDeployed : exit_code::kNotIssued;
    }
    return exit_code::kWell;
}

void tell_steps(const Workshop& shop, const Rehearsal& rehearsal) {
    for (const RehearsedStep& step : rehearsal.steps) {
        if (!step.error) {
            if (!shop.options.quiet)
                std::printf("  ok    %s  %s: %s\n", rehearsal.certificate.c_str(), step.what.c_str(),
                            step.text.c_str());
            continue;
        }
        std::printf("  FAIL  %s  %s: %s\n", rehearsal.certificate.c_str(), step.what.c_str(),
                    step.error->message.c_str());
        if (!step.error->hint.empty()) std::printf("        %s\n", step.error->hint.c_str());
    }
}

nlohmann::json to_json(const Rehearsal& rehearsal) {
    nlohmann::json steps = nlohmann::json::array();
    for (const RehearsedStep& step : rehearsal.steps) {
        steps.push_back({{"what", step.what},
                         {"text", step.text},
                         {"error", step.error ? agent::to_json(*step.error) : nlohmann::json(nullptr)}});
    }
    return {{"name", rehearsal.certificate}, {"steps", steps}};
}

}  // namespace

int rehearse_command(Workshop& shop) {
    std::vector<Rehearsal> rehearsals(shop.certificates.size());
    base::in_parallel(rehearsals.size(), shop.config.agent.jobs, [&](std::size_t i) {
        const CertificateConfig& certificate = shop.config.certificates.at(shop.certificates[i]);
        const std::string& ca =
            shop.options.order_at.empty() ? certificate.ca.front() : shop.options.order_at;
        auto keeper = open_in_turn(shop, certificate.name);
        if (keeper) {
            rehearsals[i] = rehearse(*shop.surroundings, certificate, ca, std::move(*keeper));
        } else {
            rehearsals[i] = {.certificate = certificate.name,
                             .steps = {{.what = "rehearsal", .error = keeper.error()}}};
        }
        shop.progress->finish(certificate.name, "rehearsed");
    });
    int code = exit_code::kWell;
    nlohmann::json list = nlohmann::json::array();
    for (const Rehearsal& rehearsal : rehearsals) {
        code = combined_exit_code(code, code_of(rehearsal));
        if (shop.options.json) {
            list.push_back(to_json(rehearsal));
        } else {
            tell_steps(shop, rehearsal);
        }
    }
    if (shop.options.json) std::printf("%s\n", json_text({{"version", 1}, {"dry_run", list}}).c_str());
    return code;
}

}  // namespace agent
