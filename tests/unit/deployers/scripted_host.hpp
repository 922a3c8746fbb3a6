// SPDX-License-Identifier: Apache-2.0
// A host that does what a test wrote down, and writes down what it was asked to do.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "deployers/hosts/host.hpp"

namespace tests {

class ScriptedHost final : public deployers::Host {
  public:
    deployers::InstallReport report{.outcome = deployers::InstallOutcome::Installed, .reload = {.ran = true}};
    std::optional<base::Error> install_error{};  // then there is no session
    base::Result<std::vector<deployers::FileDigest>> found{};
    base::Result<deployers::InstallReport> reload_answer{report};
    base::Result<deployers::InstallReport> restore_answer{
        deployers::InstallReport{.outcome = deployers::InstallOutcome::Restored}};
    base::Result<deployers::InstallReport> commit_answer{
        deployers::InstallReport{.outcome = deployers::InstallOutcome::Committed}};
    // What the service does about it.
    std::function<void()> on_install{}, on_reload{}, on_restore{};

    base::Seconds deadline{};          // that the last installation came with
    std::vector<std::string> calls{};  // "install", "inspect", "reload", "restore", "commit", "gone"

    base::Result<std::vector<deployers::FileDigest>> inspect(
        const deployers::Installation& /*installation*/) override {
        calls.emplace_back("inspect");
        return found;
    }

    base::Result<deployers::InstallReport> rehearse(
        const deployers::Installation& /*installation*/) override {
        calls.emplace_back("rehearse");
        return report;
    }

    base::Result<std::unique_ptr<deployers::Session>> install(
        const deployers::Installation& installation) override {
        deadline = installation.deadline;
        calls.emplace_back("install");
        if (on_install) on_install();
        if (install_error) return base::Failure(*install_error);
        return std::make_unique<ScriptedSession>(*this);
    }

    [[nodiscard]] long count(const std::string& call) const {
        long number = 0;
        for (const std::string& made : calls) number += made == call ? 1 : 0;
        return number;
    }

  private:
    class ScriptedSession final : public deployers::Session {
      public:
        explicit ScriptedSession(ScriptedHost& host) : host_(host) {}

        ScriptedSession(const ScriptedSession&) = delete;
        ScriptedSession& operator=(const ScriptedSession&) = delete;

        ~ScriptedSession() override { host_.calls.emplace_back("gone"); }

        [[nodiscard]] const deployers::InstallReport& report() const override { return host_.report; }

        base::Result<deployers::InstallReport> reload() override {
            return done("reload", host_.on_reload, host_.reload_answer);
        }

        base::Result<deployers::InstallReport> restore() override {
            return done("restore", host_.on_restore, host_.restore_answer);
        }

        base::Result<deployers::InstallReport> commit() override {
            return done("commit", {}, host_.commit_answer);
        }

      private:
        base::Result<deployers::InstallReport> done(const char* call, const std::function<void()>& effect,
                                                    const base::Result<deployers::InstallReport>& answer) {
            host_.calls.emplace_back(call);
            if (effect) effect();
            return answer;
        }

        ScriptedHost& host_;
    };
};

}  // namespace tests
