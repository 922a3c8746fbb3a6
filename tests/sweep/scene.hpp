// SPDX-License-Identifier: Apache-2.0
// What is swept: one certificate with its targets, renewed by processes that are struck, and judged by one
// that is not.
#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/config/config.hpp"
#include "agent/memory/record.hpp"
#include "base/error.hpp"
#include "tests/sweep/fate.hpp"

namespace sweep {

/// What the CA has counted so far.
struct Counted {
    std::size_t orders = 0;
    std::size_t issued = 0;
};

class Scene {
  public:
    /// `ca_log` is Pebble's. The configuration has one certificate.
    Scene(agent::Config config, std::string ca_log, std::string webroot, std::string graveyard, Trace& trace);

    /// Asks for another key type than the last one: a renewal is due from here on until it has been done.
    void make_due();
    /// One pass of renewd in a process of its own; true if it ended by itself and all is well. With `looks`
    /// it looks at every target again, due or not.
    bool run(const Plan& plan, bool looks = false);

    /// What must hold whenever nobody is at work, after whatever happened: what is wrong.
    [[nodiscard]] std::vector<std::string> unsafe();
    /// What must hold in the end.
    [[nodiscard]] std::vector<std::string> unfinished(int generation);
    /// The newest generation that is remembered; 0: none.
    [[nodiscard]] int generation();
    [[nodiscard]] Counted counted() const;

    [[nodiscard]] const std::string& graveyard() const { return graveyard_; }

  private:
    [[nodiscard]] int work(const Plan& plan, bool looks);
    [[nodiscard]] base::Result<agent::Record> record();
    void judge_store(std::vector<std::string>& wrong);
    void judge_target(const agent::TargetConfig& target, std::vector<std::string>& wrong);
    void judge_served(const agent::TargetConfig& target, std::vector<std::string>& wrong);
    [[nodiscard]] std::vector<std::string> leftovers();
    void find_leftovers(const std::string& directory, std::vector<std::string>& wrong) const;

    [[nodiscard]] agent::CertificateConfig& certificate() { return config_.certificates.begin()->second; }

    agent::Config config_;
    std::string ca_log_;
    std::string webroot_;
    std::string graveyard_;
    Trace& trace_;
    int newest_seen_ = 0;
    std::set<std::string> issued_{};  // SHA-256 of every leaf that was ever in the store
};

}  // namespace sweep
