// SPDX-License-Identifier: Apache-2.0
// How a certificate stands at this moment, with all that is known: its record, its plan, the limits of its
// CA, the clock. Only reads.
#pragma once

#include <vector>

#include "agent/tell/metrics.hpp"
#include "agent/tell/status.hpp"
#include "agent/work/surroundings.hpp"

namespace agent {

struct StatusNow {
    CertificateStatus status{};
    std::vector<base::Error> trouble{};  // of the store; the status is of what could be read
};

/// Blocks on storage. `certificate` is borrowed by what is returned.
[[nodiscard]] StatusNow status_now(Surroundings& surroundings, const CertificateConfig& certificate);

/// The limits of every CA that something has been ordered from.
[[nodiscard]] std::vector<LimitFigure> limits_now(Surroundings& surroundings);

}  // namespace agent
