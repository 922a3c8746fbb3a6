// SPDX-License-Identifier: Apache-2.0
// How a certificate stands at this moment, with all that is known: its record, its plan, the limits of its
// CA, the clock. Only reads.
#pragma once

#include <vector>

#include "agent/config/catalogue.hpp"
#include "agent/tell/overview.hpp"
#include "agent/work/metrics_keeper.hpp"
#include "agent/work/pass.hpp"
#include "agent/work/surroundings.hpp"

namespace agent {

struct StatusNow {
    CertificateStatus status{};
    std::vector<base::Error> trouble{};  // of the store; the status is of what could be read
};

/// Blocks on storage. `certificate` is borrowed by what is returned.
[[nodiscard]] StatusNow status_now(Surroundings& surroundings, const CertificateConfig& certificate);

/// What holds of no certificate alone. Blocks on storage; what cannot be read is told elsewhere.
[[nodiscard]] std::vector<Condition> conditions_now(Surroundings& surroundings);
/// Whether the state takes what is written, as far as that can be told without writing.
[[nodiscard]] StoreStatus store_now(Surroundings& surroundings);

/// What is known beside the certificates.
struct Health {
    bool config_ok = true;
    bool store_ok = true;  // no pass has been ended by the state
};

/// Writes the file anew. Certificates that nothing has been noted of yet are read first, which takes its time
/// once; those that are gone are shown no more. Blocks on storage; nothing is written once we are stopping.
/// file/….
[[nodiscard]] base::Result<void> show_metrics(MetricsKeeper& metrics, Surroundings& surroundings,
                                              const Catalogue& catalogue, Health health);
/// The same after a pass, of the overview that followed it.
[[nodiscard]] base::Result<void> show_metrics(MetricsKeeper& metrics, Surroundings& surroundings,
                                              const Overview& overview,
                                              const std::vector<CertificateOutcome>& outcomes);

}  // namespace agent
