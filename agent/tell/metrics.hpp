// SPDX-License-Identifier: Apache-2.0
// How things stand, for a monitoring system: in the text format of Prometheus, with names that do not change.
// No series of a single address: a certificate may be served in thousands of places. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/plan/plan.hpp"

namespace agent {

struct CertificateStatus;

/// What is shown of one certificate; little enough to be kept of tens of thousands.
struct CertificateFigures {
    struct Served {
        std::string target{};  // empty: the certificate's own endpoints
        std::string host{};    // empty: this machine
        base::Instant oldest_not_after{};
    };

    std::string name{};
    std::string ca{};                          // of the newest generation
    std::optional<base::Instant> not_after{};  // of it
    std::optional<base::Instant> renewal_at{};
    std::vector<Served> served{};                          // only where something was seen
    std::map<std::string_view, std::uint32_t> verdicts{};  // of endpoints, by name
    std::optional<bool> is_critical{};                     // absent: needs nobody's attention
    std::optional<HoldBy> held{};
};

[[nodiscard]] CertificateFigures figures_of(const CertificateStatus& status);

/// By step ("order", "deploy", "verify", "hook", "revoke") and result ("ok", "failed").
using Attempts = std::map<std::pair<std::string, std::string>, std::uint64_t>;

struct LimitFigure {
    std::string ca{};
    std::string limit{};
    int left = 0;
};

struct Metrics {
    std::vector<const CertificateFigures*> certificates{};
    Attempts attempts{};
    std::vector<LimitFigure> limits{};
    std::optional<std::uint64_t> free_bytes{};
    std::optional<base::Instant> last_pass{};
    bool store_ok = true;
    bool config_ok = true;
};

[[nodiscard]] std::string to_text(const Metrics& metrics);

/// The counts in a text of to_text(), which those of the next process go on from.
[[nodiscard]] Attempts attempts_in(std::string_view text);

}  // namespace agent
