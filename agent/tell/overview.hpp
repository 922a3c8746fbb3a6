// SPDX-License-Identifier: Apache-2.0
// How all of it stands: the certificates, the agent, the store, this machine's clock; and the ways of
// printing it. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "agent/tell/status.hpp"

namespace agent {

struct StoreStatus {
    std::uint64_t free_bytes = 0;
    std::vector<base::Error> errors{};  // state/…: all that is wrong with it

    [[nodiscard]] bool ok() const { return errors.empty(); }
};

struct AgentStatus {
    bool is_running = false;
    std::optional<base::Instant> since{};
    std::string config_error{};  // why the configuration's files are not in force; empty: they are
    std::optional<base::Instant> config_accepted_at{};  // of the one that is in force, as far as it is known
};

struct Overview {
    std::vector<CertificateStatus> certificates{};
    AgentStatus agent{};
    StoreStatus store{};
    base::Instant now{};  // the right time, as far as it is known
    /// clock/wrong; absent: nothing speaks against it.
    std::optional<base::Error> clock{};
    std::vector<Condition> conditions{};  // of no certificate alone
    bool clock_holds_orders = false;
};

/// Of the agent: "running since 2 Nov", "none runs". Empty where that is not known: without a state that can
/// be written none can say that it runs.
[[nodiscard]] std::string agent_words(const Overview& overview);

/// Most urgent first.
[[nodiscard]] bool is_more_urgent(const CertificateStatus& a, const CertificateStatus& b);

/// `status --json`, version 1 (docs/status.schema.json).
[[nodiscard]] nlohmann::json to_json(const Overview& overview);

/// How a table is to look.
struct TableLook {
    std::size_t width = 80;
    std::size_t height = 0;  // lines of the terminal; 0: none, and a row for each certificate
    bool has_colour = false;
    bool all = false;  // a row for each certificate, whatever the height
};

/// For people, most urgent first. Where the rows do not fit the terminal, those that need somebody, are
/// worked on or held, with what comes next; and above 200 certificates one entry for each cause.
[[nodiscard]] std::string to_table(const Overview& overview, const TableLook& look);

}  // namespace agent
