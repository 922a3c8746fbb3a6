// SPDX-License-Identifier: Apache-2.0
// What holds a deployment back: a pause, a window; never what is urgent. Pure but for the time zone database
// of the system.
#pragma once

#include <optional>

#include "agent/plan/plan.hpp"

namespace agent {

/// What holds back a deployment to this target now. Nothing holds it back that cannot wait: a target on which
/// nothing of ours is installed or a deployment was cut off; one that was seen serving nothing, a stranger's,
/// an expired or a broken certificate; a generation that has been revoked, is to be, or that its CA wants
/// replaced at once; and what has less than window_ends_at of its life left.
[[nodiscard]] std::optional<Hold> hold_of(const CertificateConfig& certificate, const Record& record,
                                          const TargetConfig& target, base::Instant now);

/// Is this pause still in force?
[[nodiscard]] bool is_paused(const Record& record, base::Instant now);

/// Has a pause without an end come to hold something back? That waits for a person.
[[nodiscard]] bool waits_for_resume(const Plan& plan);

}  // namespace agent
