// SPDX-License-Identifier: Apache-2.0
#include "agent/work/rehearse.hpp"

#include <algorithm>
#include <iterator>
#include <utility>
#include <variant>

#include <spdlog/spdlog.h>

#include "agent/work/look.hpp"
#include "agent/work/residue.hpp"
#include "base/key.hpp"
#include "base/parallel.hpp"
#include "base/request.hpp"
#include "deployers/probe/look.hpp"

namespace agent {

using base::Code;
using base::Result;

namespace {

class Stage {
  public:
    Stage(Surroundings& surroundings, const CertificateConfig& certificate, const CaConfig& ca,
          std::unique_ptr<Keeper> keeper)
        : s_(surroundings), certificate_(certificate), ca_(ca), keeper_(std::move(keeper)) {}

    Rehearsal run() {
        Rehearsal rehearsal{.certificate = certificate_.name};
        rehearsal.steps.push_back(order());
        // What has been taken away is at worst taken away once more.
        if (const auto kept = keeper_->keep(); !kept)
            s_.log.warn("{}: {}", certificate_.name, kept.error().message);
        keeper_.reset();
        std::ranges::move(left_, std::back_inserter(rehearsal.steps));
        std::vector<RehearsedStep> targets(certificate_.targets.size());
        base::in_parallel(targets.size(), s_.config.agent.host_jobs,
                          [&](std::size_t i) { targets[i] = target(certificate_.targets[i]); });
        std::ranges::move(targets, std::back_inserter(rehearsal.steps));
        return rehearsal;
    }

  private:
    RehearsedStep order() {
        RehearsedStep step{.what = "order at the staging of " + ca_.name};
        const auto staging = staging_of(s_.config, ca_);
        if (!staging) {
            step.error = staging.error();
            return step;
        }
        step.what = "order at " + staging->name;
        auto issued = issue(*staging);
        if (!issued && issued.error().code == Code::CaAccountMissing)
            issued = issue_with_new_account(*staging);
        if (issued) {
            step.text = "a certificate for " + std::to_string(certificate_.names.size()) +
                        (certificate_.names.size() == 1 ? " name" : " names") + " was issued and thrown away";
        } else {
            step.error = base::Error(issued.error()).during("order");
        }
        return step;
    }

    /// Stagings lose their accounts now and then.
    Result<acme::Issued> issue_with_new_account(const CaConfig& staging) {
        TRY(s_.renew_account(staging));
        return issue(staging);
    }

    /// What would be asked for: the user's own request, or a key that is thrown away.
    [[nodiscard]] Result<std::variant<base::PrivateKey, base::Request>> key_or_request() const {
        if (certificate_.request) return TRY(base::parse_request(certificate_.request->der));
        return TRY(base::PrivateKey::generate(certificate_.key_type));
    }

    /// A challenge that could not be taken away: remembered, as that of an order, so that it is tried again.
    void note_left(const acme::ChallengeTask& task, const base::Error& error) {
        remember_residue(s_, certificate_, *keeper_, task, error);
        left_.push_back({.what = "clean up after the order",
                         .text = "a challenge for " + task.identifier.value +
                                 " is still there, and is taken away later: " + error.message});
    }

    Result<acme::Issued> issue(const CaConfig& staging) {
        const acme::Account account = TRY(s_.account(staging));
        const acme::IssuanceRequest request{.names = certificate_.names,
                                            .profile = certificate_.profiles.at(ca_.name),
                                            .key = TRY(key_or_request())};
        return acme::issue(
            s_.session(staging), account, request,
            {.solver_for = [this](const base::Identifier& name) { return s_.solver(certificate_, name); },
             .order_placed = [](const std::string&) -> Result<void> { return {}; },
             .about_to_present =
                 [this](const auto& tasks) {
                     return expect_residue_of_command(s_, certificate_, *keeper_, tasks);
                 },
             .taken_away = [this](const auto& task) { forget_residue(s_, certificate_, *keeper_, task); },
             .left_behind = [this](const acme::ChallengeTask& task,
                                   const base::Error& error) { note_left(task, error); },
             .progress =
                 [this](std::string_view step, std::string_view detail) {
                     s_.progress.step(certificate_.name, step, detail);
                 }});
    }

    /// As far as it goes without a change: its host answers, its files can be read, and where they are what
    /// they should be, the service's own test is run.
    RehearsedStep target(const TargetConfig& config) {
        RehearsedStep step{.what = "target " + config.name};
        const auto record = s_.store.load(certificate_.name);
        const GenerationRecord* current = record && *record ? (*record)->wanted() : nullptr;
        if (current == nullptr) {
            step.text = "nothing has been issued yet that could be tried there";
            return step;
        }
        auto tried = try_target(config, current->number);
        if (tried) {
            step.text = std::move(*tried);
        } else {
            step.error =
                base::Error(tried.error()).within(certificate_.name + " on " + config.name).during("deploy");
        }
        return step;
    }

    Result<std::string> try_target(const TargetConfig& config, int number) {
        const deployers::Generation current = TRY(s_.store.generation(certificate_.name, number));
        const deployers::Installation installation =
            TRY(deployers::find_deployer(config.deployer)->plan(current, {}, config.parameters));
        const auto host = s_.host(config);
        // The files that an include file names are asked about as well.
        deployers::Installation all = installation;
        std::ranges::move(all.staged, std::back_inserter(all.published));
        all.staged.clear();
        const std::vector<deployers::FileDigest> held = TRY(host->inspect(all));
        const bool is_in_place = std::ranges::all_of(deployers::digests_of(all), [&](const auto& file) {
            return std::ranges::find(held, file) != held.end();
        });
        if (!is_in_place)
            return "can be reached; its files are not generation " + std::to_string(number) + " yet";
        if (installation.test.empty()) return std::string("can be reached; there is no config test to run");
        const deployers::InstallReport report = TRY(host->rehearse(installation));
        if (report.outcome == deployers::InstallOutcome::Unchanged)
            return std::string("can be reached; its config test passes");
        const std::string& said = report.test_before.output;
        return base::fail(Code::DeployServiceBroken,
                          "its own config test fails: " + (said.empty() ? report.message : said),
                          "mend the service's configuration; renewd has changed nothing");
    }

    Surroundings& s_;
    const CertificateConfig& certificate_;
    const CaConfig& ca_;
    std::unique_ptr<Keeper> keeper_;  // until the order has ended
    std::vector<RehearsedStep> left_{};
};

}  // namespace

Result<CaConfig> staging_of(const Config& config, const CaConfig& ca) {
    if (ca.staging.empty()) {
        return base::fail(Code::ConfigMissing, "CA " + ca.name + " has no staging to rehearse at",
                          "staging = \"https://…\" in [ca." + ca.name + "]; most private CAs have none");
    }
    for (const auto& [name, other] : config.cas) {
        if (other.directory == ca.staging) return other;
    }
    CaConfig staging = ca;
    staging.name = ca.name + "-staging";
    staging.directory = ca.staging;
    staging.limits.clear();  // which are the staging's own
    return staging;
}

Rehearsal rehearse(Surroundings& surroundings, const CertificateConfig& certificate, const std::string& ca,
                   std::unique_ptr<Keeper> keeper) {
    return Stage(surroundings, certificate, surroundings.config.cas.at(ca), std::move(keeper)).run();
}

}  // namespace agent
