// SPDX-License-Identifier: Apache-2.0
// How one certificate stands, as values: what is held, where it is served, what comes next, what needs a
// person. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "agent/config/config.hpp"
#include "agent/memory/record.hpp"
#include "agent/plan/ledger.hpp"
#include "agent/plan/plan.hpp"
#include "agent/tell/attention.hpp"
#include "agent/tell/states.hpp"

namespace agent {

struct TargetStatus {
    const TargetConfig* config = nullptr;
    TargetRecord record{};
    TargetState state = TargetState::Pending;
    int wanted = 0;
    std::optional<Hold> held{};
};

/// Addresses that should serve the wanted generation, and how many do.
struct Served {
    std::size_t expected = 0;
    std::size_t serving = 0;
    std::optional<base::Instant> oldest_not_after{};  // of what is served; absent: nothing was seen
};

struct CertificateStatus {
    const CertificateConfig* config = nullptr;  // nullptr: removed from the configuration
    Record record{};
    Plan plan{};
    CertificateState state = CertificateState::Ok;
    std::vector<TargetStatus> targets{};
    Served served{};
    std::optional<Attention> attention{};
    std::vector<Condition> conditions{};
    std::optional<Hold> held{};
};

/// The CA that what is held came from; before there is anything, the one that is asked first.
[[nodiscard]] std::string ca_of(const CertificateStatus& status);

/// The status of one certificate. `has_open_order`: an order is being worked on, or waits to be gone on with.
[[nodiscard]] CertificateStatus status_of(const CertificateConfig& certificate, const Record& record,
                                          bool has_open_order, base::Seconds verify_every, base::Instant now);
/// A limit of the CA holds the order that is due.
void hold_back(CertificateStatus& status, const OrderHold& hold);
/// The status of one that is no longer in the configuration.
[[nodiscard]] CertificateStatus removed_status(const Record& record);

/// As it stands in `status --json` (docs/status.schema.json).
[[nodiscard]] nlohmann::json to_json(const CertificateStatus& status);
[[nodiscard]] nlohmann::json to_json(const TargetStatus& target);

}  // namespace agent
