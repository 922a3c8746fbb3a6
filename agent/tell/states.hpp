// SPDX-License-Identifier: Apache-2.0
// The states of certificates and targets: which there are, their names, and which holds. Pure.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "agent/config/config.hpp"
#include "agent/memory/record.hpp"
#include "base/clock.hpp"

namespace agent {

struct CertificateStatus;

enum class CertificateState {
    Revoked,
    Expired,
    Paused,
    Failing,
    Held,
    Unserved,
    NeverIssued,
    Renewing,
    Deploying,
    Due,
    Removed,
    Ok
};
enum class TargetState {
    Pending,
    Deploying,
    Serving,
    Partial,
    Stale,
    Failing,
    Drifted,
    Held,
    Unknown,
    Unverified
};

[[nodiscard]] std::string_view to_string(CertificateState state);
[[nodiscard]] std::string_view to_string(TargetState state);
/// All names of a certificate's state.
[[nodiscard]] std::set<std::string> certificate_states();

/// The first that holds (INTERFACE), of one that is in the configuration; of all else that is known of it.
[[nodiscard]] CertificateState state_of(const CertificateStatus& status, bool has_open_order,
                                        base::Instant now);
[[nodiscard]] TargetState state_of(const TargetConfig& config, const TargetRecord* target,
                                   const Record& record);

}  // namespace agent
